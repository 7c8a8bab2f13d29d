"""What is told of a measurement: the record that is kept, and the tables that are made from it.

Bench.results -> summarised -> tracing.json -> table (terminal), tables (page)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from benchmarks import reports
from benchmarks.tracing.rows import FLOOR, OURS, ROWS

Record = Mapping[str, Any]
COLUMNS = {
    "cpu_microseconds": "µs of this process",
    "all_cpu_microseconds": "µs with its helpers",
    "wall_microseconds": "µs waited",
}


def summarised(results: Mapping[str, Mapping[str, list[float]]]) -> dict[str, Any]:
    """Give each row's medians, and its ratios to llm_brain: each the median of the rounds' own ratios."""
    told = {name: _with_helpers(measures) for name, measures in results.items()}
    rows: dict[str, Any] = {}
    for name, measures in told.items():
        rows[name] = {"median": {measure: reports.median(values) for measure, values in measures.items()}}
        if OURS in told:
            rows[name]["times_llm_brain"] = {
                measure: reports.median_ratio(values, told[OURS][measure]) for measure, values in measures.items()
            }
        rows[name]["rounds"] = {measure: [reports.rounded(value) for value in values] for measure, values in measures.items()}
    return rows


def table(record: Record) -> Table:
    """Make the table for a terminal."""
    rows = (("bold" if name == OURS else "dim" if name == FLOOR else None, cells) for name, cells in _cells(record))
    return reports.terminal_table(_heads(), rows, f"µs a span. Medians of {record['rounds']} rounds")


def tables(record: Record) -> dict[str, str]:
    """Make the page's tables: the results, the reader's, and what each row is."""
    return {"results": _results(record), "reader": _reader(record), "rows": _rows(record)}


def _with_helpers(measures: Mapping[str, list[float]]) -> dict[str, list[float]]:
    if "all_cpu_microseconds" in measures:
        return dict(measures)
    own, children = measures["cpu_microseconds"], measures["children_cpu_microseconds"]
    both = [one + other for one, other in zip(own, children, strict=True)]
    return {"cpu_microseconds": own, "all_cpu_microseconds": both, "wall_microseconds": measures["wall_microseconds"]}


def _results(record: Record) -> str:
    marked = []
    for name, (title, *cells) in _cells(record):
        mark = "**" if name == OURS else "*" if name == FLOOR else ""
        marked.append((f"{mark}{title}{mark}", *cells))
    told = f"Medians of {record['rounds']} rounds of {record['calls']} spans on {reports.told(record['machine'])}."
    return "\n".join([reports.page_table(_heads(), marked), "", f"*The floor in italics.* {told}"])


def _reader(record: Record) -> str:
    heads = (
        "spans",
        "size of the run",
        "spans a second",
        "CPU, µs a span",
        "memory to read",
        "with percentiles",
        "in all",
    )
    return reports.page_table(heads, (_read(told) for told in record["reader"]))


def _read(told: Mapping[str, float]) -> Sequence[str]:
    spans = told["spans"]
    return (
        f"{spans:,.0f}",
        f"{told['bytes'] / 1e6:,.0f} MB",
        f"{spans / told['wall_seconds']:,.0f}",
        f"{told['cpu_seconds'] / spans * 1e6:.1f}",
        *(f"{told[name] / 1e6:.0f} MB" for name in ("read_bytes", "percentile_bytes", "peak_bytes")),
    )


def _rows(record: Record) -> str:
    rows = []
    for row in ROWS:
        versions = ", ".join(f"{name} {version}" for name, version in record["rows"][row.name]["versions"].items())
        rows.append((row.title, reports.what_it_is(row.folder / "recorder.py"), versions))
    return reports.page_table(("row", "what it is", "versions"), rows, numbers=False)


def _heads() -> list[str]:
    return ["", *COLUMNS.values(), "times llm_brain's"]


def _cells(record: Record) -> list[tuple[str, list[str]]]:
    """Give the rows' cells, the cheapest span first, the floor last."""
    titles = {row.name: row.title for row in ROWS}
    rows = record["rows"]
    names = sorted(rows, key=lambda name: (name == FLOOR, rows[name]["median"]["all_cpu_microseconds"]))
    cells = []
    for name in names:
        ratio = rows[name].get("times_llm_brain", {}).get("all_cpu_microseconds")
        told = [f"{rows[name]['median'][column]:,.0f}" for column in COLUMNS]
        cells.append((name, [titles[name], *told, "" if ratio is None else f"{ratio:.2f}"]))
    return cells
