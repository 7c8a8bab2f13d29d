"""What is told of a measurement: the record that is kept, and the tables that are made from it.

Bench.results -> summarised -> brain_speed.json -> terminal_tables, tables (page)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table

from benchmarks import reports
from benchmarks.brain.speed.rows import BARS, COMPILED, EQUAL_PARAMETERS, EQUAL_WIDTH, OURS, REFERENCE, ROWS, Bar, Row

Record = Mapping[str, Any]
Texts = tuple[Sequence[str], Sequence[Sequence[str]]]
KNOWN = {row.name: row for row in (*ROWS, *COMPILED)}
STEP, SENTENCE = "step_microseconds", "sentence_microseconds"
NONE = ""


def summarised(results: Mapping[str, Mapping[str, list[float]]]) -> dict[str, Any]:
    """Give each row's medians, and its ratios to nn.GRU: each the median of the rounds' own ratios."""
    rows: dict[str, Any] = {}
    for name, measures in results.items():
        rows[name] = {"median": {measure: reports.median(values) for measure, values in measures.items()}}
        if REFERENCE in results:
            others = results[REFERENCE]
            rows[name]["times_gru"] = {
                measure: reports.median_ratio(values, others[measure]) for measure, values in measures.items()
            }
        rows[name]["rounds"] = {measure: [reports.rounded(value) for value in values] for measure, values in measures.items()}
    return rows


def terminal_tables(record: Record) -> Iterable[Table]:
    """Make the tables for a terminal."""
    for setting, title in ((EQUAL_WIDTH, "equal width"), (EQUAL_PARAMETERS, "equal parameters")):
        rows = ((_style(name), cells) for name, cells in _speed(record, setting))
        yield reports.terminal_table(_speed_heads(record), rows, f"tokens a second, forward and backward: {title}")
    yield reports.terminal_table(*_plain(_bars(record)), "the bars")
    yield reports.terminal_table(*_plain(_acting(record)), "one sample, µs")
    yield reports.terminal_table(*_plain(_memory(record)), "memory of a pass, MB")
    yield reports.terminal_table(*_plain(_lasting(record)), "many steps")


def tables(record: Record) -> dict[str, str]:
    """Make the page's tables."""
    sizes = f"{record['batch']} sequences of {record['time']} steps, float32"
    told = f"Medians of {record['rounds']} rounds of {sizes}, on {reports.told(record['machine'])}, {_torch(record)}."
    return {
        "results": f"{_speed_page(record, EQUAL_WIDTH)}\n\n{told}",
        "bars": reports.page_table(*_bars(record)),
        "parameters": _speed_page(record, EQUAL_PARAMETERS),
        "acting": reports.page_table(*_acting(record)),
        "memory": reports.page_table(*_memory(record)),
        "lasting": reports.page_table(*_lasting(record)),
        "rows": _rows(record),
    }


def trained(record: Record, setting: str) -> list[Row]:
    """Give the rows that were trained in a setting, the fastest first."""
    rows = [KNOWN[name] for name, sizes in record["sizes"].items() if setting in sizes]
    if setting == EQUAL_PARAMETERS:
        rows = [row for row in rows if row.is_matched]
    first = next(iter(record["places"].values()))["rows"]
    return sorted(rows, key=lambda row: -first[row.name]["median"][f"{setting}.tokens_per_second"])


def ratio(record: Record, bar: Bar) -> float | None:
    """Give how many times another row's tokens a second a row has, by the rounds' own ratios; None where it was not measured."""
    rows = record["places"].get(f"cpu_{bar.threads}", {"rows": {}})["rows"]
    if not {bar.row, bar.against} <= set(rows):
        return None
    measure = f"{EQUAL_WIDTH}.tokens_per_second"
    return reports.median_ratio(rows[bar.row]["rounds"][measure], rows[bar.against]["rounds"][measure])


def _speed_page(record: Record, setting: str) -> str:
    marked = []
    for name, (title, *cells) in _speed(record, setting):
        mark = "**" if name in OURS else "*" if name == REFERENCE else ""
        marked.append((f"{mark}{title}{mark}", *cells))
    return reports.page_table(_speed_heads(record), marked)


def _speed_heads(record: Record) -> list[str]:
    heads = ["", "width", "parameters"]
    for place in record["places"].values():
        heads += [_where(place), "times nn.GRU", "forward"]
    return heads


def _speed(record: Record, setting: str) -> list[tuple[str, list[str]]]:
    cells = []
    for row in trained(record, setting):
        size = record["sizes"][row.name][setting]
        title = row.title if size["batch"] == record["batch"] else f"{row.title} (batch {size['batch']})"
        told = [title, str(size["width"]), f"{size['parameters']:,}"]
        for place in record["places"].values():
            found = place["rows"][row.name]
            ratios = found.get("times_gru", {})
            told.append(f"{found['median'][f'{setting}.tokens_per_second']:,.0f}")
            told += [_times(ratios.get(f"{setting}.{name}")) for name in ("tokens_per_second", "forward_tokens_per_second")]
        cells.append((row.name, told))
    return cells


def _bars(record: Record) -> Texts:
    heads = ("", "threads", "times the tokens a second of", "bar", "measured", "")
    rows = []
    for bar in BARS:
        found = ratio(record, bar)
        met = NONE if found is None else "met" if found >= bar.times else "not met"
        rows.append(
            (
                KNOWN[bar.row].title,
                str(bar.threads),
                KNOWN[bar.against].title,
                f"{bar.times:g}",
                NONE if found is None else f"{found:.3g}",
                met,
            )
        )
    return heads, rows


def _acting(record: Record) -> Texts:
    heads = [""]
    for place in record["places"].values():
        heads += [f"a step, {_where(place)}", "times nn.GRU", f"16 steps at once, {_where(place)}", "times nn.GRU"]
    first = next(iter(record["places"].values()))["rows"]
    names = sorted((name for name in first if STEP in first[name]["median"]), key=lambda name: first[name]["median"][STEP])
    rows = []
    for name in names:
        cells = [KNOWN[name].title]
        for place in record["places"].values():
            found = place["rows"][name]
            for measure in (STEP, SENTENCE):
                cells += [f"{found['median'][measure]:,.0f}", _times(found.get("times_gru", {}).get(measure))]
        rows.append(cells)
    return heads, rows


def _memory(record: Record) -> Texts:
    found = record["memory"]["rows"]
    steps = [str(told["steps"]) for told in next(iter(found.values()), [])]
    rows = []
    for name, points in found.items():
        for measure, words in (("peak_bytes", "grown by"), ("saved_bytes", "kept for backward")):
            rows.append((f"{KNOWN[name].title}: {words}", *(f"{told[measure] / 1e6:,.1f}" for told in points)))
    return ("MB, for so many steps", *steps), rows


def _lasting(record: Record) -> Texts:
    heads = ("", "steps", "memory after 1,000", "memory at the end", "grown by", "steps a second")
    rows = [
        (
            KNOWN[name].title,
            f"{told['steps']:,}",
            f"{told['early_peak_bytes'] / 1e6:,.1f} MB",
            f"{told['peak_bytes'] / 1e6:,.1f} MB",
            f"{(told['peak_bytes'] - told['early_peak_bytes']) / 1e6:,.2f} MB",
            f"{told['steps_per_second']:,.0f}",
        )
        for name, told in record["lasting"].items()
    ]
    return heads, rows


def _rows(record: Record) -> str:
    rows = []
    for name, found in record["versions"].items():
        versions = ", ".join(f"{package} {version}" for package, version in found.items() if package != "torch")
        rows.append((KNOWN[name].title, _first_paragraph(reports.what_it_is(KNOWN[name].folder / "layer.py")), versions))
    return reports.page_table(("row", "what it is", "versions"), rows, numbers=False)


def _first_paragraph(text: str) -> str:
    return " ".join(text.split("\n\n", maxsplit=1)[0].split())


def _plain(table: Texts) -> tuple[Sequence[str], list[tuple[str | None, Sequence[str]]]]:
    heads, rows = table
    return heads, [(None, cells) for cells in rows]


def _where(place: Record) -> str:
    if place["device"] == "cuda":
        return "GPU"
    return "1 thread" if place["threads"] == 1 else f"{place['threads']} threads"


def _torch(record: Record) -> str:
    gpu = record["machine"]["gpu"]
    return f"torch {record['machine']['torch']}, {'no GPU' if gpu is None else gpu}"


def _times(found: float | None) -> str:
    return NONE if found is None else f"{found:.2f}"


def _style(name: str) -> str | None:
    return "bold" if name in OURS else "dim" if name == REFERENCE else None
