"""What a run cost, by function: each call belongs to the function that asked, in whatever file and order their spans stand."""

from __future__ import annotations

import math
import random
import tracemalloc
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm_brain.tracing import SpanRecord, names
from llm_brain.tracing.totals import Totals, totals_by_function


def made(span_id: str, parent: str | None, kind: str | None, name: str, *, failed: bool = False, **told: Any) -> SpanRecord:
    attributes = {**told} if kind is None else {names.KIND: kind, **told}
    return SpanRecord("t", span_id, parent, name, 0, 1_000_000_000, "error" if failed else "ok", attributes)


def call(span_id: str, parent: str | None, *, cached: bool = False, cost: Any = 0.5, failed: bool = False) -> SpanRecord:
    told = {names.CACHED: cached, names.INPUT_TOKENS: 10, names.OUTPUT_TOKENS: 2, names.COST: cost}
    return made(span_id, parent, names.CALL_KIND, "chat m", failed=failed, **told)


RUN = [
    call("c1", "f1"),
    made("a1", "c2", names.ATTEMPT_KIND, "attempt", **{names.INPUT_TOKENS: 99}),
    call("c2", "r1", cost=None),
    made("r1", "f1", names.REPAIR_KIND, "repair"),
    call("c3", "f2", cached=True),
    made("f2", "w1", names.FUNCTION_KIND, "inner"),
    made("w1", "f1", None, "work"),
    made("f1", "gone", names.FUNCTION_KIND, "outer"),
    call("c4", "step", failed=True),
    made("step", None, names.STEP_KIND, "step"),
    made("f3", None, names.FUNCTION_KIND, "inner", failed=True),
]


def by_name(spans: list[SpanRecord]) -> dict[str, Totals]:
    return {one.name: one for one in totals_by_function(lambda: spans)}


def test_calls_are_counted_for_the_function_that_asked_and_no_other() -> None:
    totals = by_name(RUN)
    outer, inner, alone = totals["outer"], totals["inner"], totals["chat m"]
    assert (outer.times, outer.paid.calls, outer.paid.input_tokens, outer.paid.cost, outer.paid.unpriced) == (1, 2, 20, 0.5, 1)
    assert (inner.times, inner.errors, inner.paid.calls, inner.paid.cached, inner.paid.input_tokens) == (2, 1, 1, 1, 0)
    assert (alone.times, alone.errors, alone.paid.failed, alone.paid.input_tokens) == (1, 1, 1, 10)


@given(st.randoms())
def test_the_order_of_the_files_changes_nothing(order: random.Random) -> None:
    shuffled = RUN.copy()
    order.shuffle(shuffled)
    assert by_name(shuffled) == by_name(RUN)


def test_percentiles_are_durations_that_were_measured() -> None:
    totals = Totals("f")
    assert math.isnan(totals.p50)
    for seconds in range(100, 0, -1):
        totals.durations.append(seconds)
    assert (totals.p50, totals.p95) == (50, 95)


def test_odd_numbers_in_a_file_are_no_sums() -> None:
    odd = {names.INPUT_TOKENS: True, names.OUTPUT_TOKENS: -3, names.COST: math.nan}
    [one] = by_name([made("c", None, names.CALL_KIND, "chat m", **odd)]).values()
    assert (one.paid.input_tokens, one.paid.output_tokens, one.paid.cost, one.paid.unpriced) == (0, 0, 0.0, 1)


def test_a_long_run_is_added_up_in_little_memory() -> None:
    def spans() -> Iterator[SpanRecord]:
        for number in range(20_000):
            yield call(f"c{number}", f"f{number}")
            yield made(f"f{number}", None, names.FUNCTION_KIND, "outer")

    tracemalloc.start()
    [outer] = totals_by_function(spans)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (outer.times, outer.paid.calls) == (20_000, 20_000)
    assert peak < 2e6
