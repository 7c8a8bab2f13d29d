"""What is told of a measurement: the record that is kept, and the tables that are made from it.

Bench.results -> summarised -> cache.json -> table (terminal), tables (page)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from benchmarks import reports
from benchmarks.cache.rows import FLOOR, OURS, REFERENCE, ROWS

Record = Mapping[str, Any]
COLUMNS = {
    "hit_cpu_microseconds": "a hit",
    "written_cpu_microseconds": "a miss, written",
    "threads_wall_microseconds": "16 threads",
    "processes_wall_microseconds": "two processes",
}


def summarised(results: Mapping[str, Mapping[str, list[float]]]) -> dict[str, Any]:
    """Give each row's medians, and its ratios to the reference: each the median of the rounds' own ratios."""
    rows: dict[str, Any] = {}
    for name, measures in results.items():
        rows[name] = {"median": {measure: reports.median(values) for measure, values in measures.items()}}
        rows[name]["failures"] = sum(measures["processes_failures"])
        if REFERENCE in results:
            timed = [measure for measure in measures if measure.endswith("microseconds")]
            others = results[REFERENCE]
            ratios = {measure: reports.median_ratio(measures[measure], others[measure]) for measure in timed}
            rows[name]["times_diskcache"] = ratios
        rows[name]["rounds"] = {measure: [reports.rounded(value) for value in values] for measure, values in measures.items()}
    return rows


def table(record: Record) -> Table:
    """Make the table for a terminal."""
    title = f"times diskcache's, and µs a question. Medians of {record['rounds']} rounds"
    rows = (("bold" if name == OURS else "dim" if name == FLOOR else None, cells) for name, cells in _cells(record))
    return reports.terminal_table(_heads(), rows, title)


def tables(record: Record) -> dict[str, str]:
    """Make the page's tables: the results, and what each row is."""
    return {"results": _results(record), "rows": _rows(record)}


def _results(record: Record) -> str:
    marked = []
    for name, (title, *cells) in _cells(record):
        mark = "**" if name == OURS else "*" if name == FLOOR else ""
        marked.append((f"{mark}{title}{mark}", *cells))
    lines = [reports.page_table(_heads(), marked), ""]
    lines.append("The first number of each pair is a multiple of diskcache's; *the floor in italics*.")
    titles = {row.name: row.title for row in ROWS}
    for name, row in record["rows"].items():
        if row["failures"]:
            asked = record["rounds"] * record["calls"]
            lines.append(
                f"With two processes, {titles[name]} failed {row['failures']:.0f} times of {asked:,}, and was asked again."
            )
    told = f"Medians of {record['rounds']} rounds of {record['calls']} questions on {reports.told(record['machine'])}."
    return "\n".join([*lines, told])


def _rows(record: Record) -> str:
    rows = []
    for row in ROWS:
        versions = ", ".join(f"{name} {version}" for name, version in record["rows"][row.name]["versions"].items())
        rows.append((row.title, reports.what_it_is(row.folder / "cache.py"), versions))
    return reports.page_table(("row", "what it is", "versions"), rows, numbers=False)


def _heads() -> list[str]:
    return ["", *(head for column in COLUMNS.values() for head in (column, "µs"))]


def _cells(record: Record) -> list[tuple[str, list[str]]]:
    """Give the rows' cells, the quickest hit first, the floor last."""
    titles = {row.name: row.title for row in ROWS}
    rows = record["rows"]
    names = sorted(rows, key=lambda name: (name == FLOOR, rows[name]["median"]["hit_cpu_microseconds"]))
    cells = []
    for name in names:
        median, ratios = rows[name]["median"], rows[name].get("times_diskcache", {})
        pairs = [(f"{ratios[column]:.2f}" if ratios else "", f"{median[column]:,.0f}") for column in COLUMNS]
        cells.append((name, [titles[name], *(cell for pair in pairs for cell in pair)]))
    return cells
