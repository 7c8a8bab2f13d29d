"""What is told of a measurement: the record that is kept, and the tables and the picture that are made from it.

Bench.results -> summarised -> typed_calls.json -> table (terminal), results_table and rows_table (page), draw (SVG)
"""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.typed_calls.rows import OURS, REFERENCE, ROWS

Record = Mapping[str, Any]
RATIOS = ("sequential_cpu_microseconds", "in_flight_cpu_microseconds")
HEADS = ("", "one by one", "CPU µs", "200 at once", "CPU µs", "all 200", "import", "first value")


def summarised(results: Mapping[str, Mapping[str, list[float]]]) -> dict[str, Any]:
    """Give each row's medians, and its ratios to the reference: each the median of the rounds' own ratios."""
    rows: dict[str, Any] = {}
    for name, measures in results.items():
        rows[name] = {"median": {measure: _rounded(statistics.median(values)) for measure, values in measures.items()}}
        if REFERENCE in results:
            pairs = {measure: zip(measures[measure], results[REFERENCE][measure], strict=True) for measure in RATIOS}
            rows[name]["times_openai"] = {
                measure: round(statistics.median(one / other for one, other in pair), 3) for measure, pair in pairs.items()
            }
        rows[name]["rounds"] = {measure: [_rounded(value) for value in values] for measure, values in measures.items()}
    return rows


def table(record: Record) -> Table:
    """Make the table for a terminal."""
    title = f"CPU time a call: times the openai client's, and µs. Medians of {record['rounds']} rounds"
    shown = Table(*HEADS, title=title, padding=(0, 0), pad_edge=False)
    shown.columns[0].no_wrap = True
    for column in shown.columns[1:]:
        column.justify = "right"
    for name, cells in _cells(record):
        shown.add_row(*cells, style="bold" if name == OURS else "dim" if _is_floor(name) else None)
    return shown


def results_table(record: Record) -> str:
    """Make the page's table of results."""
    lines = ["| " + " | ".join(HEADS) + " |", "|---" + "|--:" * (len(HEADS) - 1) + "|"]
    for name, cells in _cells(record):
        mark = "**" if name == OURS else "*" if _is_floor(name) else ""
        lines.append("| " + " | ".join((f"{mark}{cells[0]}{mark}", *cells[1:])) + " |")
    machine = record["machine"]
    told = f"{machine['cpu_count']} cores ({machine['processor']}), {machine['system']}, Python {machine['python']}"
    lines += ["", "The first number of each pair is a multiple of the `openai` client's; *floors in italics*."]
    return "\n".join([*lines, f"Medians of {record['rounds']} rounds on {told}."])


def rows_table(record: Record) -> str:
    """Make the page's table of what each row is: its code's first words, and the versions that were measured."""
    lines = ["| row | how it makes the call | versions |", "|---|---|---|"]
    for row in ROWS:
        if row.name in record["rows"]:
            told = ", ".join(f"{name} {version}" for name, version in record["rows"][row.name]["versions"].items())
            source = ast.get_docstring(ast.parse((row.folder / "call.py").read_text(encoding="utf-8"))) or ""
            lines.append(f"| {row.title} | {source} | {told} |")
    return "\n".join(lines)


def fill(page: str, record: Record) -> str:
    """Put the tables between a page's marks."""
    for mark, text in (("results", results_table(record)), ("rows", rows_table(record))):
        pattern = f"(<!-- {mark}: .*? -->\n).*?(\n<!-- end of {mark} -->)"
        page = re.sub(pattern, lambda found, text=text: f"{found[1]}\n{text}\n{found[2]}", page, flags=re.DOTALL)  # type: ignore[misc]
    return page


def draw(record: Record, path: Path) -> None:
    """Draw CPU time a call, one by one and many at once."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "typed calls", "font.family": "sans-serif", "font.size": 10})
    figure, panels = plt.subplots(1, 2, figsize=(9.2, 4.2), facecolor="#fafaff", layout="constrained", sharey=True)
    names = [name for name, _ in _cells(record)][::-1]
    colours = ["#3949ab" if name == OURS else "#d5d7e0" if _is_floor(name) else "#9fa8da" for name in names]
    titles = ("one call after the other, no latency", "200 calls in flight, 50 ms of latency")
    for panel, measure, title in zip(panels, RATIOS, titles, strict=True):
        values = [record["rows"][name]["median"][measure] for name in names]
        bars = panel.barh([_titles()[name] for name in names], values, color=colours)
        panel.bar_label(bars, labels=[f"{value:,.0f}" for value in values], padding=4, fontsize=9, color="#333")
        panel.set(title=title, xlabel="CPU microseconds a call", facecolor="#fafaff", xlim=(0, max(values) * 1.14))
        panel.locator_params(axis="x", nbins=4)
        panel.spines[["top", "right", "left"]].set_visible(False)
        panel.tick_params(axis="y", length=0)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def _cells(record: Record) -> list[tuple[str, tuple[str, ...]]]:
    """Give the rows' cells, the fewest CPU seconds in flight first, floors last."""

    def order(name: str) -> tuple[bool, float]:
        return _is_floor(name), record["rows"][name]["median"]["in_flight_cpu_microseconds"]

    return [(name, _row(_titles()[name], record["rows"][name])) for name in sorted(record["rows"], key=order)]


def _row(title: str, row: Record) -> tuple[str, ...]:
    median, ratios = row["median"], row.get("times_openai", {})
    cells = [title]
    for measure in RATIOS:
        cells += [f"{ratios[measure]:.2f}" if ratios else "", f"{median[measure]:,.0f}"]
    cells.append(f"{median['in_flight_wall_seconds']:.3f} s")
    cells += [f"{median[measure]:.2f} s" for measure in ("import_cpu_seconds", "first_value_cpu_seconds")]
    return tuple(cells)


def _titles() -> dict[str, str]:
    return {row.name: row.title for row in ROWS}


def _is_floor(name: str) -> bool:
    return any(row.name == name and row.kind == "floor" for row in ROWS)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
