"""Curves from spans: every metric of a span becomes a point on an axis of our own.

    llm_brain.metric.loss = 0.4, llm_brain.step = 30, kind "epoch"   ->   epoch/loss = 0.4 at step = 30
    the same of a second training in the run                         ->   training 2/epoch/loss
    a score without a step                                           ->   evaluation/score at evaluation/number = 1, 2, ...
    a call of a model                                                ->   calls/cost, calls/failed, ... at calls/number

An axis is a metric like the others. W&B's own step is none: it counts rows, and begins again when a run is resumed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from llm_brain.errors import DataError
from llm_brain.tracing import names
from llm_brain.tracing.reader import SpanRecord
from llm_brain.tracing.sections import ConfusionMatrix

STEP_AXIS: Final = "step"
CALL_DIGITS: Final = 3
METRIC_DIGITS: Final = 4
_METRIC: Final = f"{names.METRIC}."


@dataclass(frozen=True, slots=True)
class Row:
    """Values that stand at one point of an axis.

    Attributes:
        values: Numbers by name, that of the axis among them; a list of numbers is shown as a histogram.
        axis: The name of the axis.

    Example:
        >>> Row({"epoch/loss": 0.4, "step": 30}, "step").axis
        'step'
    """

    values: Mapping[str, Any]
    axis: str


class Curves:
    """Turns spans into rows, one after the other.

    Attributes:
        confusions: The last confusion matrix of each name: a metric that holds `{"labels": [...], "counts": [[...]]}`.

    Example:
        >>> curves = Curves()
        >>> told = {"llm_brain.kind": "epoch", "llm_brain.step": 30, "llm_brain.metric.loss": 0.4}
        >>> list(curves.rows(SpanRecord("t", "s", "training", "training epoch", 0, 1, "ok", told)))
        [Row(values={'epoch/loss': 0.4, 'step': 30}, axis='step')]
    """

    def __init__(self) -> None:
        self.confusions: dict[str, ConfusionMatrix] = {}
        self.totals = CallTotals()
        self._trainings = _Trainings()
        self._counts: Counter[str] = Counter()

    def rows(self, one: SpanRecord) -> Iterator[Row]:
        """Return the points that a span stands for: mostly none."""
        if one.is_call:
            self.totals.add(one)
            if is_kept(self.totals.calls, CALL_DIGITS):
                yield self.totals.row()
        elif metrics := _metrics(one):
            yield from self._metric_row(one, metrics)

    def _metric_row(self, one: SpanRecord, metrics: Mapping[str, Any]) -> Iterator[Row]:
        step = _number(one.attributes.get(names.STEP))
        section = one.kind or one.name
        axis = STEP_AXIS if step is not None else f"{section}/number"
        if step is not None:
            section = self._trainings.prefix(one, section, step) + section
        self._counts[section] += 1
        values: dict[str, Any] = {}
        for name, value in metrics.items():
            matrix = _confusion(name, value)
            if matrix is None:
                values[f"{section}/{name}"] = value
            else:
                self.confusions[f"{section}/{name}"] = matrix
        if values and is_kept(self._counts[section], METRIC_DIGITS):
            values[axis] = step if step is not None else self._place(one, section)
            yield Row(values, axis)

    def _place(self, one: SpanRecord, section: str) -> int | float:
        trial = _number(one.attributes.get(names.TRIAL))
        return self._counts[section] if trial is None else trial


class CallTotals:
    """What all calls of models so far add up to. Tokens and cost are those that were paid for.

    Example:
        >>> totals = CallTotals()
        >>> told = {"llm_brain.kind": "call", "gen_ai.usage.input_tokens": 12, "llm_brain.cost": 0.5}
        >>> totals.add(SpanRecord("t", "s", None, "chat", 0, 2_000_000_000, "ok", told))
        >>> totals.calls, totals.row().values["calls/cost"], totals.row().values["calls/seconds"]
        (1, 0.5, 2.0)
    """

    def __init__(self) -> None:
        self.calls = 0
        self._seconds = 0.0
        self._sums: dict[str, int | float] = {"failed": 0, "cached": 0, "input_tokens": 0, "output_tokens": 0}

    def add(self, call: SpanRecord) -> None:
        """Count one more call."""
        told, sums = call.attributes, self._sums
        self.calls += 1
        self._seconds = call.seconds
        sums["failed"] += call.status == "error"
        if told.get(names.CACHED) is True:
            sums["cached"] += 1
        else:
            sums["input_tokens"] += _number(told.get(names.INPUT_TOKENS)) or 0
            sums["output_tokens"] += _number(told.get(names.OUTPUT_TOKENS)) or 0
        if (cost := _number(told.get(names.COST))) is not None:
            sums["cost"] = sums.get("cost", 0.0) + cost

    def row(self) -> Row:
        """Return the sums so far, and the seconds of the last call."""
        sums = {f"calls/{name}": value for name, value in self._sums.items()}
        return Row({**sums, "calls/seconds": self._seconds, "calls/number": self.calls}, "calls/number")


def is_kept(number: int, digits: int) -> bool:
    """Whether the `number`th point is shown: all of the first ones, then every tenth, every hundredth, and so on.

    Example:
        >>> [number for number in range(1, 131) if is_kept(number, 1)]
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    """
    return number % int(10 ** max(0, len(str(number)) - digits)) == 0


class _Trainings:
    """Tells the trainings of a run apart, so that their curves do not run into each other.

    A span is written before those around it, so which training a step belongs to must be seen from the steps: one that goes
    on where a training was belongs to it, and one that begins again begins another.
    """

    def __init__(self) -> None:
        self._last: list[dict[str, int | float]] = []
        self._of_parent: dict[str, int] = {}

    def prefix(self, one: SpanRecord, section: str, step: float) -> str:
        if (trial := one.attributes.get(names.TRIAL)) is not None:
            return f"trial {trial}/"
        parent = one.parent_id or ""
        # The spans inside this one came before it, and may have told where it belongs.
        place = self._of_parent.get(parent, self._of_parent.get(one.span_id))
        if place is None:
            place = self._going_on(section, step)
        self._last[place][section] = max(step, self._last[place].get(section, step))
        self._remember(parent, place)
        return f"training {place + 1}/" if place else ""

    def _going_on(self, section: str, step: float) -> int:
        before = [(last.get(section, -math.inf), place) for place, last in enumerate(self._last)]
        going_on = [(last, place) for last, place in before if last < step]
        if going_on:
            return max(going_on)[1]
        self._last.append({})
        return len(self._last) - 1

    def _remember(self, parent: str, place: int) -> None:
        if parent:
            self._of_parent[parent] = place
        if len(self._of_parent) > _MAX_PARENTS:
            del self._of_parent[next(iter(self._of_parent))]


def _metrics(one: SpanRecord) -> dict[str, Any]:
    found = {name.removeprefix(_METRIC): value for name, value in one.attributes.items() if name.startswith(_METRIC)}
    score = one.attributes.get(names.SCORE)
    if score is not None:
        found.setdefault("score", score)
    return found


def _confusion(name: str, value: Any) -> ConfusionMatrix | None:
    if not isinstance(value, Mapping) or set(value) != {"labels", "counts"}:
        return None
    try:
        return ConfusionMatrix(name, value["labels"], value["counts"])
    except (DataError, TypeError):
        return None


def _number(value: Any) -> int | float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


_MAX_PARENTS: Final = 10_000
