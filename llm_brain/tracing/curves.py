"""Curves as SVG text: drawn by matplotlib's objects (never its global state), coloured by the page that holds them.

matplotlib draws in stand-in colours, and each is then replaced by the name of a CSS variable, so that one picture suits
a light and a dark page. The words around a picture (title, legend, labels) are HTML; the SVG holds lines and the
numbers of its axes.
"""

from __future__ import annotations

import io
import math
import re
import threading
from collections.abc import Sequence
from typing import Any, Final

from llm_brain.errors import missing_dependency
from llm_brain.tracing.sections import Curve, Number

COLOURS: Final = 8
"""How many lines differ in colour; the next ones begin anew, dashed."""

_DASHES: Final = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
_INK: Final = "#0c0a01"
_GRID: Final = "#0c0a02"
_SERIES: Final = tuple(f"#0c0b{number:02x}" for number in range(COLOURS))
_VARIABLES: Final = {
    _INK: "var(--axis)",
    _GRID: "var(--grid)",
    **{colour: f"var(--c{number})" for number, colour in enumerate(_SERIES)},
}
_MAX_POINTS: Final = 1_500
_FEW: Final = 12
_DENSE: Final = 300
_LARGEST: Final = 1e300
# matplotlib reads the settings of its SVG writer from one global table.
_lock: Final = threading.Lock()


def draw_curve(curve: Curve, *, width: int, height: int, salt: str) -> str:
    """Draw the lines of `curve`.

    Args:
        curve: What to draw.
        width: In CSS pixels.
        height: In CSS pixels; the text in the picture is 11.5 of them high.
        salt: Goes into the identifiers inside the SVG: two pictures on a page need two salts, and one picture is always
            the same text.

    Returns:
        An `<svg>` element whose colours are the CSS variables `--axis`, `--grid` and `--c0` to `--c7`.

    Raises:
        MissingDependencyError: matplotlib is not installed.

    Example:
        >>> loss = Curve("Loss", "epoch", "loss", {"train": ([1, 2], [0.9, 0.4])})
        >>> svg = draw_curve(loss, width=540, height=300, salt="a")
        >>> svg[:4], "var(--c0)" in svg
        ('<svg', True)
    """
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        missing = missing_dependency("matplotlib", extra="report")
        raise missing from error

    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": f"llm_brain {salt}",
        "text.parse_math": False,
        "font.size": 8.6,
    }
    written = io.StringIO()
    with _lock, rc_context(settings):
        layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02)
        figure = Figure(figsize=(width / 96, height / 96), dpi=72, layout=layout)
        FigureCanvasSVG(figure)
        axes: Any = figure.add_subplot()
        _dress(axes, width, height)
        for number, (xs, ys) in enumerate(curve.series.values()):
            _draw_line(axes, number, xs, ys)
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _for_page(written.getvalue())


def line_style(number: int) -> tuple[str, str]:
    """Return the CSS colour and the CSS border style of the line `number`, for a legend.

    Example:
        >>> line_style(0), line_style(9)
        (('var(--c0)', 'solid'), ('var(--c1)', 'dashed'))
    """
    return f"var(--c{number % COLOURS})", ("solid", "dashed", "dotted", "dashed")[number // COLOURS % 4]


def placed(number: Number) -> float:
    """Return a float that a picture has a place for: NaN, which makes a gap, for infinities and what is as good as one.

    Example:
        >>> placed(3), placed(10**400)
        (3.0, nan)
    """
    try:
        as_float = float(number)
    except OverflowError:
        return math.nan
    return as_float if abs(as_float) < _LARGEST else math.nan


def _dress(axes: Any, width: int, height: int) -> None:
    from matplotlib.ticker import MaxNLocator

    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(_INK)
        spine.set_linewidth(0.75)
    axes.grid(axis="y", color=_GRID, linewidth=0.75)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_INK, length=0, pad=5)
    axes.tick_params(axis="x", length=3, width=0.75)
    axes.margins(x=0.02, y=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=max(4, width // 90), steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=max(5, height // 50), steps=[1, 2, 2.5, 5, 10]))


def _draw_line(axes: Any, number: int, xs: Sequence[Number], ys: Sequence[Number]) -> None:
    colour = _SERIES[number % COLOURS]
    points = _thin([(placed(x), placed(y)) for x, y in zip(xs, ys, strict=True)])
    shown = [y for _, y in points if not math.isnan(y)]
    axes.plot(
        [x for x, _ in points],
        [y for _, y in points],
        color=colour,
        linewidth=1.6 if len(shown) <= _DENSE else 0.9,
        linestyle=_DASHES[number // COLOURS % len(_DASHES)],
        solid_capstyle="round",
        solid_joinstyle="round",
        # A line through one point cannot be seen; through few, the points are what was measured.
        marker="o" if len(shown) <= _FEW else None,
        markersize=3.5,
    )


def _thin(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Keep the lowest and the highest point of each stretch: what the eye sees of a million points."""
    if len(points) <= _MAX_POINTS:
        return points
    stretch = math.ceil(2 * len(points) / _MAX_POINTS)
    kept: list[tuple[float, float]] = []
    for start in range(0, len(points), stretch):
        part = range(start, min(start + stretch, len(points)))
        ends = {min(part, key=lambda at: points[at][1]), max(part, key=lambda at: points[at][1])}
        kept.extend(points[at] for at in sorted(ends))
    return kept


def _for_page(svg: str) -> str:
    """Cut what a page does not need out of matplotlib's document, and let the page choose the colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<(?:g|svg)\b[^>]*?) id="[^"]*"', r"\1", svg)
    svg = re.sub(r'^<svg[^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true" focusable="false">', svg)
    svg = re.sub("|".join(_VARIABLES), lambda match: _VARIABLES[match[0]], svg)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg).replace("xlink:href", "href")
    return re.sub(r"\s*\n\s*", "\n", svg).strip()
