"""`llm-brain traces`: which runs there are, one span as text, sums by function, a page, and the way to a collector."""

from __future__ import annotations

import json
import math
import webbrowser
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

if TYPE_CHECKING:
    from llm_brain.tracing.totals import Totals

traces = typer.Typer(help="Look at what a run did: its calls, what they said and what they cost.", no_args_is_help=True)

RunFolder = Annotated[Path | None, typer.Argument(help="The run's folder; without it, the newest one below this folder.")]
NARROWEST: Final = 100
"""Numbers are never broken: a terminal that is narrower breaks the lines itself."""
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@traces.command("list")
def list_runs(
    folder: Annotated[Path, typer.Argument(help="Where to look for runs.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """List the runs below a folder, the newest one first."""
    from llm_brain.tracing.runs import find_runs

    runs = find_runs(folder)
    if as_json:
        told = [{**asdict(run), "folder": str(run.folder), "began": _when(run.began_ns)} for run in runs]
        print(json.dumps(told, ensure_ascii=False))
        return
    if not runs:
        print(f"no run is recorded in {folder.absolute()} or below it")
        return
    rows = [(str(run.folder), _when(run.began_ns), f"{run.size / 1e6:,.1f} MB", str(run.processes)) for run in runs]
    _show(("run", "began", "size", "processes"), rows)


@traces.command()
def stats(run: RunFolder = None, as_json: AsJson = False) -> None:
    """Add up calls, tokens, cost and durations by function."""
    from llm_brain.tracing import read_spans
    from llm_brain.tracing.totals import totals_by_function

    folder = _chosen(run)
    totals = totals_by_function(lambda: read_spans(folder))
    if as_json:
        print(json.dumps([_told(one) for one in totals], ensure_ascii=False))
        return
    heads = ("function", "times", "errors", "calls", "cached", "tokens", "cost", "p50", "p95")
    _show(heads, [_row(one) for one in totals], title=str(folder))


@traces.command()
def show(
    span_id: Annotated[str, typer.Argument(metavar="ID", help="A span's or a trace's id, or how it begins.")],
    run: Annotated[Path | None, typer.Option(help="The run's folder; without it, the newest one below this folder.")] = None,
) -> None:
    """Print a span and what is inside of it as text: prompts, replies, errors, tokens."""
    from llm_brain.tracing.as_text import span_lines
    from llm_brain.tracing.text import visible_text

    for line in span_lines(_chosen(run), span_id):
        print(visible_text(line))


@traces.command()
def view(
    run: RunFolder = None,
    output: Annotated[Path | None, typer.Option(help="Where to write it; without it, traces.html in the run's folder.")] = None,
    opened: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = True,
) -> None:
    """Write one page of HTML that shows the whole run, without a server, and open it."""
    from llm_brain.tracing.page import write_page

    page = write_page(_chosen(run), output)
    print(page)
    if opened and not webbrowser.open(page.absolute().as_uri()):
        print("no browser could be opened: open the file yourself")


@traces.command()
def export(
    url: Annotated[str, typer.Option("--otlp", help="The collector's address, such as http://127.0.0.1:4318/v1/traces.")],
    run: RunFolder = None,
    header: Annotated[list[str] | None, typer.Option(help="A header NAME=VALUE to send along; may be repeated.")] = None,
) -> None:
    """Send a run's spans to an OpenTelemetry collector."""
    from rich.progress import Progress

    from llm_brain.tracing.otlp import export_run

    folder, headers = _chosen(run), dict(_header(one) for one in header or ())
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("sending spans", total=None)
        done = export_run(folder, url, headers=headers, on_progress=lambda sent: progress.update(task, completed=sent))
    print(f"{done.sent:,} spans were sent" + (f", {done.rejected:,} more were rejected: {done.reason}" if done.rejected else ""))
    if done.rejected:
        raise typer.Exit(1)


def _chosen(run: Path | None) -> Path:
    from llm_brain.tracing.runs import newest_run

    return newest_run() if run is None else run


def _header(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name.strip():
        message = "a header is written NAME=VALUE"  # what stands there may be a key
        raise typer.BadParameter(message)
    return name.strip(), value.strip()


def _told(one: Totals) -> dict[str, object]:
    numbers = {"p50": one.p50, "p95": one.p95}
    seconds = {name: None if math.isnan(value) else value for name, value in numbers.items()}
    return {"name": one.name, "times": one.times, "errors": one.errors, **asdict(one.paid), **seconds}


def _row(one: Totals) -> tuple[str, ...]:
    paid = one.paid
    counts = (f"{count:,}" for count in (one.times, one.errors, paid.calls, paid.cached))
    tokens = f"{paid.input_tokens:,} + {paid.output_tokens:,}"
    cost = "?" if paid.unpriced and not paid.cost else f"${paid.cost:,.4f}" + ("+" if paid.unpriced else "")
    return (one.name, *counts, tokens, cost, _seconds(one.p50), _seconds(one.p95))


def _seconds(value: float) -> str:
    if math.isnan(value):
        return ""
    return f"{value * 1000:,.1f} ms" if value < 1 else f"{value:,.2f} s"


def _when(began_ns: int) -> str:
    return datetime.fromtimestamp(began_ns / 1e9, UTC).astimezone().isoformat(sep=" ", timespec="seconds")


def _show(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]], title: str | None = None) -> None:
    from rich.table import Table
    from rich.text import Text

    from llm_brain.tracing.text import visible_text

    table = Table(box=None, title=title, title_justify="left", pad_edge=False, padding=(0, 2, 0, 0))
    for number, head in enumerate(heads):
        is_name = not number
        table.add_column(
            head, justify="left" if is_name else "right", no_wrap=not is_name, overflow="fold", min_width=20 * is_name
        )
    for row in rows:
        table.add_row(*(Text(visible_text(cell)) for cell in row))
    console = Console()
    console.width = max(console.width, NARROWEST)
    with console.capture() as shown:
        console.print(table)
    print("\n".join(line.rstrip() for line in shown.get().splitlines()))
