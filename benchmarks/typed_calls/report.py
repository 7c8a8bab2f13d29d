"""What is told of a measurement: the record that is kept, and the tables and the picture that are made from it.

Bench.results -> summarised -> typed_calls.json -> table (terminal), tables (page), draw (SVG)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks import reports
from benchmarks.typed_calls.rows import OURS, REFERENCE, ROWS

Record = Mapping[str, Any]
RATIOS = ("sequential_cpu_microseconds", "in_flight_cpu_microseconds")
HEADS = ("", "one by one", "CPU µs", "200 at once", "CPU µs", "all 200", "import", "first value")


def summarised(results: Mapping[str, Mapping[str, list[float]]]) -> dict[str, Any]:
    """Give each row's medians, and its ratios to the reference: each the median of the rounds' own ratios."""
    rows: dict[str, Any] = {}
    for name, measures in results.items():
        rows[name] = {"median": {measure: reports.median(values) for measure, values in measures.items()}}
        if REFERENCE in results:
            others = results[REFERENCE]
            ratios = {measure: reports.median_ratio(measures[measure], others[measure]) for measure in RATIOS}
            rows[name]["times_openai"] = ratios
        rows[name]["rounds"] = {measure: [reports.rounded(value) for value in values] for measure, values in measures.items()}
    return rows


def table(record: Record) -> Table:
    """Make the table for a terminal."""
    title = f"CPU time a call: times the openai client's, and µs. Medians of {record['rounds']} rounds"
    rows = (("bold" if name == OURS else "dim" if _is_floor(name) else None, cells) for name, cells in _cells(record))
    return reports.terminal_table(HEADS, rows, title)


def tables(record: Record) -> dict[str, str]:
    """Make the page's tables: the results, and what each row is."""
    return {"results": _results(record), "rows": _rows(record)}


def _results(record: Record) -> str:
    marked = []
    for name, (title, *cells) in _cells(record):
        mark = "**" if name == OURS else "*" if _is_floor(name) else ""
        marked.append((f"{mark}{title}{mark}", *cells))
    lines = [reports.page_table(HEADS, marked), ""]
    lines.append("The first number of each pair is a multiple of the `openai` client's; *floors in italics*.")
    return "\n".join([*lines, f"Medians of {record['rounds']} rounds on {reports.told(record['machine'])}."])


def _rows(record: Record) -> str:
    rows = []
    for row in ROWS:
        if row.name in record["rows"]:
            versions = ", ".join(f"{name} {version}" for name, version in record["rows"][row.name]["versions"].items())
            rows.append((row.title, reports.what_it_is(row.folder / "call.py"), versions))
    return reports.page_table(("row", "how it makes the call", "versions"), rows, numbers=False)


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
