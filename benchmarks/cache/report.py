"""What is told of a measurement: the record that is kept, and the tables that are made from it.

Bench.results -> summarised -> cache.json -> table (terminal), results_table and rows_table (page)
"""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Mapping
from typing import Any

from rich.table import Table

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
        rows[name] = {"median": {measure: _rounded(statistics.median(values)) for measure, values in measures.items()}}
        rows[name]["failures"] = sum(measures["processes_failures"])
        if REFERENCE in results:
            timed = [measure for measure in measures if measure.endswith("microseconds")]
            pairs = {measure: zip(measures[measure], results[REFERENCE][measure], strict=True) for measure in timed}
            rows[name]["times_diskcache"] = {
                measure: round(statistics.median(one / other for one, other in pair), 3) for measure, pair in pairs.items()
            }
        rows[name]["rounds"] = {measure: [_rounded(value) for value in values] for measure, values in measures.items()}
    return rows


def table(record: Record) -> Table:
    """Make the table for a terminal."""
    heads = [head for column in COLUMNS.values() for head in (column, "µs")]
    title = f"times diskcache's, and µs a question. Medians of {record['rounds']} rounds"
    shown = Table("", *heads, title=title, padding=(0, 0), pad_edge=False)
    shown.columns[0].no_wrap = True
    for column in shown.columns[1:]:
        column.justify = "right"
    for name, cells in _cells(record):
        shown.add_row(*cells, style="bold" if name == OURS else "dim" if name == FLOOR else None)
    return shown


def results_table(record: Record) -> str:
    """Make the page's table of results."""
    heads = ["", *(head for column in COLUMNS.values() for head in (column, "µs"))]
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|--:" * (len(heads) - 1) + "|"]
    for name, cells in _cells(record):
        mark = "**" if name == OURS else "*" if name == FLOOR else ""
        lines.append("| " + " | ".join((f"{mark}{cells[0]}{mark}", *cells[1:])) + " |")
    machine = record["machine"]
    told = f"{machine['cpu_count']} cores ({machine['processor']}), {machine['system']}, Python {machine['python']}"
    lines += ["", "The first number of each pair is a multiple of diskcache's; *the floor in italics*."]
    titles = {row.name: row.title for row in ROWS}
    for name, row in record["rows"].items():
        if row["failures"]:
            asked = record["rounds"] * record["calls"]
            lines.append(
                f"With two processes, {titles[name]} failed {row['failures']:.0f} times of {asked:,}, and was asked again."
            )
    return "\n".join([*lines, f"Medians of {record['rounds']} rounds of {record['calls']} questions on {told}."])


def rows_table(record: Record) -> str:
    """Make the page's table of what each row is: its code's first words, and the versions that were measured."""
    lines = ["| row | what it is | versions |", "|---|---|---|"]
    for row in ROWS:
        told = ", ".join(f"{name} {version}" for name, version in record["rows"][row.name]["versions"].items())
        source = ast.get_docstring(ast.parse((row.folder / "cache.py").read_text(encoding="utf-8"))) or ""
        lines.append(f"| {row.title} | {source} | {told} |")
    return "\n".join(lines)


def fill(page: str, record: Record) -> str:
    """Put the tables between a page's marks."""
    for mark, text in (("results", results_table(record)), ("rows", rows_table(record))):
        pattern = f"(<!-- {mark}: .*? -->\n).*?(\n<!-- end of {mark} -->)"
        page = re.sub(pattern, lambda found, text=text: f"{found[1]}\n{text}\n{found[2]}", page, flags=re.DOTALL)  # type: ignore[misc]
    return page


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


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
