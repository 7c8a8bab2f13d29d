"""What a run cost, by function: the tokens and dollars of each call belong to the typed function that asked.

A span is written when it ends, after all spans inside of it. So one pass is enough, and what is kept is what belongs to spans
that have not come yet: the calls of a function that is still open. Where a process has written for the parent in another
process, its file is read again.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from llm_brain.tracing import names
from llm_brain.tracing.reader import SpanRecord

_MOST_PASSES: Final = 8


@dataclass(slots=True)
class Paid:
    """What calls of models took.

    Attributes:
        calls, cached, failed: How many there were, how many were answered from a cache, how many failed.
        input_tokens, output_tokens: Of the calls that were not answered from a cache.
        cost: In US dollars, as far as prices are known.
        unpriced: How many calls have no known price.

    Example:
        >>> paid = Paid()
        >>> paid.add(Paid(calls=2, input_tokens=10, cost=0.5))
        >>> paid.calls, paid.cost
        (2, 0.5)
    """

    calls: int = 0
    cached: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    unpriced: int = 0

    def add(self, other: Paid) -> None:
        """Add what other calls took."""
        self.calls += other.calls
        self.cached += other.cached
        self.failed += other.failed
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.cost += other.cost
        self.unpriced += other.unpriced


@dataclass(slots=True)
class Totals:
    """What the spans of one function add up to; or of one model, where no function asked it.

    Attributes:
        name: The function's name, or the call's.
        times: How often it was called.
        errors: How many of these failed.
        paid: What the calls of models inside of it took.

    Example:
        >>> totals = Totals("mood")
        >>> for seconds in (3.0, 1.0, 2.0):
        ...     totals.durations.append(seconds)
        >>> totals.p50, totals.p95
        (2.0, 3.0)
    """

    name: str
    times: int = 0
    errors: int = 0
    paid: Paid = field(default_factory=Paid)
    durations: array[float] = field(default_factory=lambda: array("d"), repr=False)

    def add(self, other: Totals) -> None:
        """Add what others add up to."""
        self.times += other.times
        self.errors += other.errors
        self.paid.add(other.paid)
        self.durations.extend(other.durations)

    @property
    def p50(self) -> float:
        """The median duration in seconds (nearest rank); NaN where there is none."""
        return self._percentile(0.50)

    @property
    def p95(self) -> float:
        """The duration in seconds that 95% kept within (nearest rank); NaN where there is none."""
        return self._percentile(0.95)

    def _percentile(self, share: float) -> float:
        if not self.durations:
            return math.nan
        return sorted(self.durations)[max(0, math.ceil(share * len(self.durations)) - 1)]


def totals_by_function(read: Callable[[], Iterable[SpanRecord]]) -> list[Totals]:
    """Add up what each typed function took, the one that took the most time first.

    Args:
        read: Reads the run's spans from the beginning: `lambda: read_spans(folder)`.

    Example:
        >>> call = SpanRecord("t", "b", "a", "chat m", 0, 9, "ok", {names.KIND: "call", names.INPUT_TOKENS: 12})
        >>> function = SpanRecord("t", "a", None, "mood", 0, 10, "ok", {names.KIND: "function"})
        >>> [(one.name, one.times, one.paid.input_tokens) for one in totals_by_function(lambda: [call, function])]
        [('mood', 1, 12)]
    """
    totals: dict[str, Totals] = {}
    waiting: _Waiting = {}
    for one in read():
        if one.attributes.get(names.KIND) == names.FUNCTION_KIND:
            own = _of(totals, one.name)
            own.times += 1
            own.errors += one.status == "error"
            own.durations.append(one.seconds)
        elif one.attributes.get(names.KIND) == names.CALL_KIND:
            _of(waiting.setdefault(one.parent_id, {}), one.name).add(_call(one))
        _hand_on(one, waiting, totals)
    for _ in range(_MOST_PASSES):  # what another process's file tells of parents
        parents = [one for one in read() if one.span_id in waiting] if waiting.keys() - {None} else []
        if not parents:
            break
        for one in parents:
            _hand_on(one, waiting, totals)
    for calls in waiting.values():
        for name, alone in calls.items():
            _of(totals, name).add(alone)
    return sorted(totals.values(), key=lambda one: (-sum(one.durations), one.name))


_Waiting = dict[str | None, dict[str, Totals]]
"""By the id of a span that has not come yet: what the calls inside of it took, by their names."""


def _hand_on(one: SpanRecord, waiting: _Waiting, totals: dict[str, Totals]) -> None:
    """Give what waits for a span to its function, or to what is around it."""
    for name, calls in waiting.pop(one.span_id, {}).items():
        if one.attributes.get(names.KIND) == names.FUNCTION_KIND:
            _of(totals, one.name).paid.add(calls.paid)
        else:
            _of(waiting.setdefault(one.parent_id, {}), name).add(calls)


def _call(one: SpanRecord) -> Totals:
    told = one.attributes
    failed, cached = one.status == "error", told.get(names.CACHED) is True
    paid = Paid(1, cached, failed)
    if not cached:
        paid.input_tokens, paid.output_tokens = _count(told.get(names.INPUT_TOKENS)), _count(told.get(names.OUTPUT_TOKENS))
        cost = told.get(names.COST)
        if isinstance(cost, (int, float)) and math.isfinite(cost):
            paid.cost = float(cost)
        else:
            paid.unpriced = 1
    return Totals(one.name, 1, failed, paid, array("d", [one.seconds]))


def _of(totals: dict[str, Totals], name: str) -> Totals:
    return totals.setdefault(name, Totals(name))


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
