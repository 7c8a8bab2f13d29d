"""What all benchmarks tell in the same way: the machine, medians, tables in a page, and the files that are written."""

from __future__ import annotations

import ast
import json
import os
import platform
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGES = ROOT / "docs" / "benchmarks"


def machine(**more: object) -> dict[str, object]:
    """Tell what a benchmark ran on."""
    return {
        "cpu_count": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "system": platform.system(),
        **more,
    }


def told(machine: Mapping[str, Any]) -> str:
    """Tell of a machine in words."""
    return f"{machine['cpu_count']} cores ({machine['processor']}), {machine['system']}, Python {machine['python']}"


def rounded(value: float) -> float:
    """Keep four digits of a number."""
    return float(f"{value:.4g}")


def median(values: Iterable[float]) -> float:
    """Give the median, of four digits."""
    return rounded(statistics.median(values))


def median_ratio(values: Iterable[float], others: Iterable[float]) -> float:
    """Give the median of the rounds' own ratios."""
    return round(statistics.median(one / other for one, other in zip(values, others, strict=True)), 3)


def terminal_table(heads: Sequence[str], rows: Iterable[tuple[str | None, Sequence[str]]], title: str) -> Table:
    """Make a table for a terminal, numbers on the right. Each row comes with its style."""
    shown = Table(*heads, title=title, padding=(0, 0), pad_edge=False)
    shown.columns[0].no_wrap = True
    for column in shown.columns[1:]:
        column.justify = "right"
    for style, cells in rows:
        shown.add_row(*cells, style=style)
    return shown


def page_table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = True) -> str:
    """Make a table for a page, numbers on the right."""
    lines = ["| " + " | ".join(heads) + " |", "|---" + ("|--:" if numbers else "|---") * (len(heads) - 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(cells) + " |" for cells in rows)])


def what_it_is(file: Path) -> str:
    """Give the first words of a row's code: what it is."""
    return ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""


def fill(page: str, tables: Mapping[str, str]) -> str:
    """Put texts between a page's marks: `<!-- NAME: ... -->` and `<!-- end of NAME -->`."""
    for name, text in tables.items():
        begin, end = re.escape(f"<!-- {name}: "), re.escape(f"<!-- end of {name} -->")
        page, count = re.subn(rf"({begin}.*? -->\n).*?({end})", _between(text), page, flags=re.DOTALL)
        if count != 1:
            message = f"the page has {count} places for {name!r}: there must be one"
            raise SystemExit(message)
    return page


def write(name: str, record: Mapping[str, Any], tables: Mapping[str, str]) -> None:
    """Write a benchmark's record, and its tables into its page."""
    results, page = RESULTS / f"{name}.json", PAGES / f"{name.replace('_', '-')}.md"
    results.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    page.write_text(fill(page.read_text(encoding="utf-8"), tables), encoding="utf-8")
    for path in (results, page):
        print(f"wrote {path.relative_to(ROOT)}")


def _between(text: str) -> Any:
    return lambda found: f"{found[1]}\n{text}\n\n{found[2]}"
