"""The threshold, and what it promises."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.errors import ArgumentError
from llm_brain.training.cascade.conformal import coverage, held_out_needed, threshold

# Few different confidences, so that there are ties.
CALLS = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9, 1.0]), st.booleans()), max_size=60)
AGREEMENTS = st.sampled_from([0.05, 0.3, 0.5, 0.75, 0.8, 0.9, 0.95, 0.99])


def found(calls: list[tuple[float, bool]], agreement: float) -> float:
    return threshold([confidence for confidence, _ in calls], [agrees for _, agrees in calls], agreement)


@pytest.mark.parametrize("held_out", [19, 60, 150])
@pytest.mark.parametrize("agreement", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("digits", [None, 1])
def test_a_new_call_agrees_as_often_as_was_asked_for(held_out: int, agreement: float, digits: int | None) -> None:
    draw = random.Random(f"{held_out} {agreement} {digits}")
    repetitions, tests = 2000, 5

    def call() -> tuple[float, bool]:
        sure = draw.random()
        return (sure if digits is None else round(sure, digits)), draw.random() < sure

    losses = []
    for _ in range(repetitions):
        lowest = found([call() for _ in range(held_out)], agreement)
        losses.append(sum(sure >= lowest and not agrees for sure, agrees in (call() for _ in range(tests))) / tests)
    mean = sum(losses) / repetitions
    error = math.sqrt(sum((loss - mean) ** 2 for loss in losses) / repetitions / repetitions)
    assert mean <= 1 - agreement + 3 * error
    if digits is None:  # without ties, little of what is allowed is given away
        assert mean >= 1 - agreement - 3 / (held_out + 1) - 3 * error


@given(CALLS, AGREEMENTS)
def test_it_is_the_smallest_confidence_at_which_the_bound_holds(calls: list[tuple[float, bool]], agreement: float) -> None:
    number = len(calls)

    def holds(lowest: float) -> bool:
        disagreed = sum(confidence >= lowest and not agrees for confidence, agrees in calls)
        return Fraction(disagreed + 1, number + 1) <= 1 - Fraction(str(agreement))

    assert found(calls, agreement) == min(filter(holds, {confidence for confidence, _ in calls}), default=math.inf)


@given(CALLS, AGREEMENTS, AGREEMENTS)
def test_who_wants_more_agreement_asks_more(calls: list[tuple[float, bool]], one: float, other: float) -> None:
    lower, higher = (found(calls, agreement) for agreement in sorted((one, other)))
    assert lower <= higher
    confidences = [confidence for confidence, _ in calls] or [0.5]
    assert coverage(confidences, lower) >= coverage(confidences, higher)


@given(CALLS, AGREEMENTS, st.randoms(use_true_random=False))
def test_the_order_of_the_held_out_calls_does_not_matter(
    calls: list[tuple[float, bool]], agreement: float, draw: random.Random
) -> None:
    assert found(draw.sample(calls, len(calls)), agreement) == found(calls, agreement)


@pytest.mark.parametrize("agreement", [0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 1 / 3])
def test_so_many_held_out_calls_are_needed_and_one_fewer_is_too_few(agreement: float) -> None:
    needed = held_out_needed(agreement)
    assert found([(0.5, True)] * needed, agreement) == 0.5
    assert found([(0.5, True)] * (needed - 1), agreement) == math.inf


def test_calls_of_the_same_confidence_are_on_the_same_side() -> None:
    calls = [(0.9, True)] * 10 + [(0.5, True), (0.5, False)] * 5
    assert found(calls, 0.9) == 0.9
    assert found([(0.5, True)] * 19 + [(0.5, False)], 0.95) == math.inf


def test_extreme_brains() -> None:
    assert found([(0.2, True), (0.9, True)] * 50, 0.95) == 0.2
    assert found([(0.9, False)] * 1000, 0.95) == math.inf
    assert found([], 0.95) == math.inf


@pytest.mark.parametrize("agreement", [0, 1, -0.1, 1.5, math.nan])
def test_an_agreement_that_no_calls_can_hold_is_refused(agreement: float) -> None:
    with pytest.raises(ArgumentError, match="between 0 and 1"):
        found([(0.5, True)], agreement)


def test_confidences_and_answers_come_in_pairs_of_numbers() -> None:
    with pytest.raises(ArgumentError, match="2 confidences and 1 answers"):
        threshold([0.5, 0.6], [True], 0.9)
    with pytest.raises(ArgumentError, match="a number"):
        threshold([math.nan], [True], 0.9)
    with pytest.raises(ArgumentError, match="no confidences"):
        coverage([], 0.5)
