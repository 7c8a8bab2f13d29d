"""From a section to what the page's template shows of it: every number made into text, every length into a percentage.

    Section -> part -> a dict -> the template that its `kind` names

A part holds text and nothing that a template would have to compute.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import singledispatch
from numbers import Integral, Real
from typing import Any, Final

from llm_brain.tracing.curves import draw_curve, line_style, placed
from llm_brain.tracing.sections import (
    Bars,
    ConfusionMatrix,
    Curve,
    Number,
    Prose,
    Section,
    Table,
)

MAX_SHOWN_ROWS: Final = 2_000
"""Of a longer table the page shows the first rows, and says so."""
MAX_CURVE_ROWS: Final = 200
"""Of a longer curve the table below it shows rows at equal distances, the last one among them."""

_LONG_TEXT: Final = 32
_SHORT_LABEL: Final = 20
_LONG_BITS: Final = 64
_HALF: Final = (500, 270)
_FULL: Final = (900, 300)
_NARROW: Final = (330, 230)


@dataclass(frozen=True, slots=True)
class Picture:
    """Markup that is not to be escaped: a drawing that holds lines and numbers, and no text of anybody's.

    Example:
        >>> Picture("<svg></svg>").__html__()
        '<svg></svg>'
    """

    svg: str

    def __html__(self) -> str:
        return self.svg


def lay_out(sections: Sequence[Section]) -> list[dict[str, Any]]:
    """Turn sections into parts. On a wide screen two pictures in succession share a row; a lone one has it to itself.

    Example:
        >>> sections = [Bars("a", {}), Bars("b", {}), Bars("c", {}), Prose("d", "")]
        >>> [one["layout"] for one in lay_out(sections)]
        ['half', 'half', 'full', 'full']
    """
    layouts: list[str] = []
    for number, section in enumerate(sections):
        alone = isinstance(section, (Prose, Table)) or _is_left_alone(layouts, sections[number + 1 : number + 2])
        layouts.append("full" if alone else "half")
    return [
        {
            "title": section.title,
            "unit": getattr(section, "unit", ""),
            "note": getattr(section, "note", ""),
            "layout": layout,
            "numbers": None,
            **part(section, number, layout),
        }
        for number, (section, layout) in enumerate(zip(sections, layouts, strict=True))
    ]


def show(value: object, *, digits: int = 6) -> str | None:
    """Write a cell's value: fractions to so many digits, None as None.

    Example:
        >>> show(0.30000000000000004), show(12), show(True), show(None)
        ('0.3', '12', 'yes', None)
    """
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return str(value) if int(value).bit_length() <= _LONG_BITS else f"{Decimal(int(value)):.5e}"
    return f"{float(value):.{digits}g}" if isinstance(value, Real) else str(value)


@singledispatch
def part(section: Any, _number: int, _layout: str) -> dict[str, Any]:
    """Turn one section into what its template shows; its number and its layout are for the pictures."""
    name = type(section).__name__
    message = f"a report is made of Curve, Bars, ConfusionMatrix, Table and Prose, not of {name}"
    raise TypeError(message)


@part.register
def _curve(section: Curve, number: int, layout: str) -> dict[str, Any]:
    lines = []
    for place, (name, (_, ys)) in enumerate(section.series.items()):
        colour, dash = line_style(place)
        lines.append({"name": name, "colour": colour, "dash": dash, "last": show(ys[-1], digits=4) if len(ys) else ""})
    rows, left_out = _thin_rows(_join(section.series.values()))
    note = f"{len(rows)} of {len(rows) + left_out} rows, at equal distances." if left_out else ""
    sizes = {"wide": _FULL if layout == "full" else _HALF, "narrow": _NARROW} if rows else {}
    return {
        "kind": "curve",
        "lines": lines,
        "x_label": section.x_label,
        "y_label": section.y_label,
        "wide": None,
        "numbers": _table_of([section.x_label, *section.series], rows, note) if rows else None,
        **{
            name: Picture(draw_curve(section, width=size[0], height=size[1], salt=f"{number} {name}"))
            for name, size in sizes.items()
        },
    }


@part.register
def _bars(section: Bars, _number: int, _layout: str) -> dict[str, Any]:
    # A number that has no place in a picture is written beside an empty track.
    lengths = [0.0 if math.isnan(placed(value)) else placed(value) for value in section.values.values()]
    low = min([0.0, *lengths])
    span = max([0.0, *lengths]) - low or 1.0
    bars = [
        {
            "name": name,
            "value": show(value),
            "below": length < 0,
            "left": f"{100 * (min(length, 0.0) - low) / span:.2f}",
            "width": f"{100 * abs(length) / span:.2f}" if length else "",
        }
        for (name, value), length in zip(section.values.items(), lengths, strict=True)
    ]
    return {"kind": "bars", "bars": bars}


@part.register
def _matrix(section: ConfusionMatrix, _number: int, _layout: str) -> dict[str, Any]:
    rows = []
    for actual, counts in enumerate(section.counts):
        total = sum(counts)
        cells = []
        for predicted, count in enumerate(counts):
            share = count / total if total else 0.0
            # Never the full colour, for the text on it is the page's; a root, to make rare mistakes stand out.
            depth = f"{58 * math.sqrt(share):.1f}"
            cells.append({"count": count, "share": f"{share:.0%}", "depth": depth, "right": actual == predicted})
        label = section.labels[actual]
        rows.append({"label": label, "short": len(label) <= _SHORT_LABEL, "cells": cells})
    right, total = sum(counts[place] for place, counts in enumerate(section.counts)), sum(map(sum, section.counts))
    summary = f"{right} of {total} right ({right / max(total, 1):.1%}). Percentages are of the row."
    return {"kind": "matrix", "labels": list(section.labels), "rows": rows, "summary": summary}


@part.register
def _table(section: Table, _number: int, _layout: str) -> dict[str, Any]:
    shown, total = section.rows[:MAX_SHOWN_ROWS], len(section.rows)
    note = f"The first {len(shown)} of {total} rows." if total > len(shown) else ""
    return {"kind": "table", "table": _table_of(section.columns, shown, note)}


@part.register
def _prose(section: Prose, _number: int, _layout: str) -> dict[str, Any]:
    return {"kind": "prose", "paragraphs": [text.strip("\n") for text in section.text.split("\n\n") if text.strip()]}


def _is_left_alone(layouts: Sequence[str], following: Sequence[Section]) -> bool:
    open_rows = 0
    for layout in reversed(layouts):
        if layout != "half":
            break
        open_rows += 1
    is_right_half = open_rows % 2 == 1
    return not is_right_half and (not following or isinstance(following[0], (Prose, Table)))


def _table_of(columns: Sequence[str], rows: Sequence[Sequence[object]], note: str) -> dict[str, Any]:
    shown = [[show(value) for value in row] for row in rows]
    heads = [
        {"name": name, "look": _look([row[place] for row in rows], [row[place] for row in shown])}
        for place, name in enumerate(columns)
    ]
    return {"columns": heads, "rows": shown, "note": note}


def _look(values: Sequence[object], shown: Sequence[str | None]) -> str:
    """Tell a column of numbers, which is set to the right, from one of text, and from one of text that wants room."""
    present = [value for value in values if value is not None]
    if present and all(isinstance(value, Real) and not isinstance(value, bool) for value in present):
        return "number"
    return "text long" if any(len(text or "") > _LONG_TEXT for text in shown) else "text"


def _join(series: Iterable[tuple[Sequence[Number], Sequence[Number]]]) -> list[list[object]]:
    """Put the lines of a curve side by side: a row for each x that any of them has."""
    lines: list[Mapping[Number, Number]] = [dict(zip(xs, ys, strict=True)) for xs, ys in series]
    every_x = sorted({x for line in lines for x in line if show(x) != "nan"})
    return [[x, *(line.get(x) for line in lines)] for x in every_x]


def _thin_rows(rows: list[list[object]]) -> tuple[list[list[object]], int]:
    if len(rows) <= MAX_CURVE_ROWS:
        return rows, 0
    step = (len(rows) - 1) / (MAX_CURVE_ROWS - 1)
    kept = [rows[round(step * place)] for place in range(MAX_CURVE_ROWS)]
    return kept, len(rows) - len(kept)
