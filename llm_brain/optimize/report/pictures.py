"""Charts as shapes: lines, dots and words at their places, for the template that writes them as SVG.

Each dot says what it is when it is pointed at, and leads to its trial. Colours are classes: the page has them, light and dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from llm_brain.optimize.forecasts import Forecast, recalibrated
from llm_brain.optimize.report.axes import Axis, span_of
from llm_brain.optimize.study import DEFAULT, PROMOTION, Trial, Verdict
from llm_brain.optimize.telling import number, signed

WIDE: Final = (940.0, 330.0)
NARROW: Final = (350.0, 270.0)
COLOURS: Final = {DEFAULT: 7, "core": 0, "model": 1, PROMOTION: 5}
OTHERS: Final = (2, 3, 4, 6, 5)
BINS: Final = 5


@dataclass
class Picture:
    """A chart.

    Attributes:
        width, height: In CSS pixels.
        lines: Paths, each with its class.
        dots: Places with a shape, a class, what they say, and the trial that they lead to.
        words: Texts with their places, anchors and classes.
        boxes: Rectangles.

    Example:
        >>> Picture(100, 50).line("axis", [(0, 0), (10, 5.5)]).lines
        [{'look': 'axis', 'path': 'M0 0L10 5.5'}]
    """

    width: float
    height: float
    lines: list[dict[str, Any]] = field(default_factory=list)
    boxes: list[dict[str, Any]] = field(default_factory=list)
    dots: list[dict[str, Any]] = field(default_factory=list)
    words: list[dict[str, Any]] = field(default_factory=list)

    def line(self, look: str, places: Sequence[tuple[float, float]]) -> Picture:
        """Draw a line through places."""
        path = "".join(f"{'L' if at else 'M'}{x:g} {y:g}" for at, (x, y) in enumerate(places))
        self.lines.append({"look": look, "path": path})
        return self

    def word(self, x: float, y: float, text: str, anchor: str = "middle", look: str = "") -> None:
        """Write a word."""
        self.words.append({"x": x, "y": y, "text": text, "anchor": anchor, "look": look})

    def frame(self, across: Axis, up: Axis, *, ticks: tuple[int, int], whole: bool = False) -> None:
        """Draw the axes, with grid lines at the ticks of the upright one."""
        for value in up.ticks(ticks[1]):
            y = up.place(value)
            self.line("grid", [(across.begin, y), (across.end, y)])
            self.word(across.begin - 8, y + 4, number(value), "end")
        self.line("axis", [(across.begin, up.begin), (across.end, up.begin)])
        for value in across.ticks(ticks[0], whole=whole):
            x = across.place(value)
            self.line("axis", [(x, up.begin), (x, up.begin + 4)])
            self.word(x, up.begin + 18, number(int(value) if whole else value))


def colours(trials: Iterable[Trial[Any]]) -> dict[str, int]:
    """Give each proposer the number of its colour.

    Example:
        >>> colours([Trial(0, "default", None), Trial(1, "core", None), Trial(2, "mine", None)])
        {'default': 7, 'core': 0, 'mine': 2}
    """
    names = dict.fromkeys(trial.proposer for trial in trials)
    others = [name for name in names if name not in COLOURS]
    return {name: COLOURS[name] if name in COLOURS else OTHERS[others.index(name) % len(OTHERS)] for name in names}


def history(trials: Sequence[Trial[Any]], size: tuple[float, float]) -> Picture:
    """Draw the scores of all trials, the best so far and the default's.

    Example:
        >>> trials = [Trial(0, "default", None, status="complete", score=0.5), Trial(1, "core", None, status="failed")]
        >>> [(dot["look"], dot["shape"]) for dot in history(trials, WIDE).dots]
        [('c7', 'complete'), ('c0', 'failed')]
    """
    picture, colour = Picture(*size), colours(trials)
    scores = [trial.score for trial in trials if trial.score is not None]
    low, high = span_of(scores)
    across = Axis(-0.6, max(1.0, len(trials) - 0.4), 52, size[0] - 12)
    up = Axis(low, high, size[1] - 26, 12)
    picture.frame(across, up, ticks=(int(size[0] / 90), int(size[1] / 44)), whole=True)
    first = trials[0].score if trials else None
    if first is not None:
        picture.line("default", [(across.begin, up.place(first)), (across.end, up.place(first))])
    steps = [(across.place(place), up.place(score)) for place, score in _best_so_far(trials)]
    if steps:
        corners = [steps[0]]
        for (_, y), (x, better) in pairwise(steps):
            corners += [(x, y), (x, better)]
        picture.line("best", [*corners, (across.end, steps[-1][1])])
    for trial in trials:
        if trial.status != "running":
            picture.dots.append(_dot(trial, across, up, colour[trial.proposer]))
    return picture


def interval(verdict: Verdict, size: tuple[float, float]) -> Picture | None:
    """Draw the gain over the default with its interval; None where there is no interval.

    Example:
        >>> interval(Verdict(0, 1, 0.1, None, None, 0.95, 1, True), WIDE) is None
        True
    """
    if verdict.low is None or verdict.high is None:
        return None
    width, height = size[0], 74.0
    picture = Picture(width, height)
    ends = (min(0.0, verdict.low), max(0.0, verdict.high))
    margin = 0.1 * (ends[1] - ends[0] or 1.0)
    across, y = Axis(ends[0] - margin, ends[1] + margin, 12, width - 12), 24.0
    zero = across.place(0.0)
    picture.line("zero", [(zero, 4), (zero, 44)])
    picture.line("axis", [(across.begin, 44), (across.end, 44)])
    for value in across.ticks(int(width / 110)):
        x = across.place(value)
        picture.line("axis", [(x, 44), (x, 48)])
        picture.word(x, 62, "0, the default" if value == 0 and 60 < x < width - 60 else signed(value) if value else "0")  # noqa: PLR2004 - room for the word
    look = "c2" if verdict.trial else "c7"
    picture.line(f"interval {look}", [(across.place(verdict.low), y), (across.place(verdict.high), y)])
    told = f"trial {verdict.candidate}: {signed(verdict.gain)}, {number(verdict.low)} to {number(verdict.high)}"
    picture.dots.append(_mark((across.place(verdict.gain), y), look, "complete", told, trial=verdict.candidate, size=6.0))
    return picture


def calibration(forecasts: Sequence[Forecast], size: tuple[float, float]) -> Picture:
    """Draw how often it happened against what was told: on the diagonal, a forecast means what it says.

    Example:
        >>> [dot["title"] for dot in calibration([(0.9, True), (0.9, False)], (300, 300)).dots][:1]
        ['told 90%: 1 of 2 happened (50%)']
    """
    picture = Picture(*size)
    side = min(size[0] - 64, size[1] - 62)
    across, up = Axis(0, 1, 52, 52 + side), Axis(0, 1, size[1] - 42, size[1] - 42 - side)
    picture.word(across.place(0.5), size[1] - 4, "probability that was told")
    picture.word(across.begin, 12, "how often it happened", "start")
    picture.frame(across, up, ticks=(4, 4))
    picture.line("diagonal", [(across.begin, up.begin), (across.end, up.end)])
    rate = sum(happened for _, happened in forecasts) / len(forecasts)
    picture.line("default", [(across.begin, up.place(rate)), (across.end, up.place(rate))])
    read = [(recalibrated(told, forecasts[:place]), was) for place, (told, was) in enumerate(forecasts)]
    for look, name, pairs in (("c1", "told", forecasts), ("c2", "read as", read)):
        for told, happened, count in _binned(pairs):
            title = f"{name} {told:.0%}: {round(happened * count)} of {count} happened ({happened:.0%})"
            size_of = 3.5 + 5.5 * (count / len(forecasts)) ** 0.5
            shape = "complete" if look == "c1" else "stopped"
            picture.dots.append(_mark((across.place(told), up.place(happened)), look, shape, title, trial=None, size=size_of))
    return picture


def _binned(forecasts: Sequence[Forecast]) -> list[tuple[float, float, int]]:
    bins: dict[int, list[Forecast]] = {}
    for told, happened in forecasts:
        bins.setdefault(min(BINS - 1, int(told * BINS)), []).append((told, happened))
    return [
        (sum(told for told, _ in found) / len(found), sum(was for _, was in found) / len(found), len(found))
        for _, found in sorted(bins.items())
    ]


def _best_so_far(trials: Sequence[Trial[Any]]) -> list[tuple[int, float]]:
    found: list[tuple[int, float]] = []
    for trial in trials:
        whole = trial.status == "complete" and trial.fidelity >= 1.0
        if whole and trial.score is not None and (not found or trial.score > found[-1][1]):
            found.append((trial.number, trial.score))
    return found


def _dot(trial: Trial[Any], across: Axis, up: Axis, colour: int) -> dict[str, Any]:
    score = "failed" if trial.score is None else number(trial.score)
    fidelity = f", fidelity {number(trial.fidelity)}" if trial.fidelity < 1 else ""
    y = up.begin - 5 if trial.score is None else up.place(trial.score)
    title = f"trial {trial.number}, {trial.proposer}: {score}, {trial.status}{fidelity}"
    shape = "low" if trial.score is not None and trial.score < up.low else trial.status
    return _mark(
        (across.place(trial.number), y), f"c{colour}", shape, title, trial=trial.number, size=4.2 if trial.fidelity >= 1 else 3.0
    )


def _mark(at: tuple[float, float], look: str, shape: str, title: str, *, trial: int | None, size: float) -> dict[str, Any]:
    return {"x": at[0], "y": at[1], "look": look, "shape": shape, "title": title, "trial": trial, "size": round(size, 2)}
