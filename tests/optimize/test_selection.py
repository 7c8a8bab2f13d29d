"""The verdict: what is recommended was shown to be better, or is the default."""

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm_brain.optimize import Trial
from llm_brain.optimize.selection import finalists, verdict

Scores = dict[tuple[int, int], float]


def scores(values: list[float]) -> Scores:
    return {(case, 0): value for case, value in enumerate(values)}


def test_only_complete_trials_at_the_full_fidelity_are_finalists_and_never_the_default() -> None:
    given: list[Trial[Any]] = [
        Trial(0, "default", None, status="complete", score=9.0),
        Trial(1, "core", None, status="complete", score=1.0),
        Trial(2, "core", None, status="stopped", score=8.0),
        Trial(3, "core", None, status="complete", score=7.0, fidelity=0.5),
        Trial(4, "core", None, status="failed"),
        Trial(5, "core", None, status="complete", score=2.0),
    ]
    assert [trial.number for trial in finalists(given)] == [5, 1]


def test_a_clear_gain_is_recommended_with_its_interval() -> None:
    found = verdict(scores([0.1 * n for n in range(8)]), {3: scores([0.1 * n + 0.2 + n / 1000 for n in range(8)])}, is_fresh=True)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.gain <= found.high
    assert (found.trial, found.candidate, found.pairs) == (3, 3, 8)


def test_where_the_interval_holds_no_gain_the_default_is_recommended_and_the_candidate_told() -> None:
    found = verdict(scores([0.5] * 4), {3: scores([1.0, 0.0, 0.9, 0.2])}, is_fresh=True)
    assert (found.trial, found.candidate) == (0, 3)
    assert found.gain > 0


def test_one_pair_has_no_interval() -> None:
    better = verdict(scores([0.5]), {1: scores([0.6])}, is_fresh=False)
    worse = verdict(scores([0.5]), {1: scores([0.4])}, is_fresh=False)
    assert (better.trial, better.low, better.high) == (1, None, None)
    assert (worse.trial, worse.low) == (0, None)


def test_two_pairs_recommend_nothing() -> None:
    found = verdict(scores([0.0, 0.0]), {1: scores([1.0, 1.0])}, is_fresh=True)
    assert (found.trial, found.candidate, found.low) == (0, 1, None)


def test_few_pairs_that_differ_alike_have_no_interval_and_many_have() -> None:
    few = verdict(scores([0.1] * 5), {1: scores([0.4] * 5)}, is_fresh=True)
    many = verdict(scores([0.1] * 6), {1: scores([0.4] * 6)}, is_fresh=True)
    assert (few.trial, few.low) == (1, None)
    assert (many.trial, many.low == many.high == many.gain) == (1, True)


def test_right_or_wrong_on_a_few_cases_is_seldom_taken_for_a_gain() -> None:
    draw, times = random.Random(2), 2000
    for cases in (2, 3, 4, 5):
        wrong = 0
        for _ in range(times):
            default, *others = (scores([float(draw.random() < 0.5) for _ in range(cases)]) for _ in range(4))
            wrong += verdict(default, dict(enumerate(others, start=1)), is_fresh=True).trial != 0
        assert wrong / times <= 0.06


def test_repeats_on_a_case_say_nothing_about_other_cases() -> None:
    draw, wrong, times = random.Random(3), 0, 300
    for _ in range(times):
        luck = {number: [draw.gauss(0, 1) for _ in range(10)] for number in (1, 2, 3)}
        units = [(case, replicate) for case in range(10) for replicate in range(5)]
        candidates = {number: {unit: told[unit[0]] for unit in units} for number, told in luck.items()}
        wrong += verdict(dict.fromkeys(units, 0.0), candidates, is_fresh=True).trial != 0
    assert wrong / times <= 0.05 + 0.02


def test_without_a_finalist_the_default_stays() -> None:
    found = verdict(scores([0.5]), {}, is_fresh=False)
    assert (found.trial, found.candidate, found.pairs) == (0, 0, 0)


def test_more_candidates_make_the_interval_wider() -> None:
    values = {number: scores([0.5 + ((n * number) % 5) / 10 for n in range(10)]) for number in (1, 2, 3)}
    one = verdict(scores([0.5] * 10), {2: values[2]}, is_fresh=True)
    three = verdict(scores([0.5] * 10), {2: values[2]}, is_fresh=True, considered=3)
    assert one.low is not None
    assert three.low is not None
    assert three.low < one.low


def test_of_equals_a_candidate_is_recommended_no_more_often_than_the_confidence_says() -> None:
    draw, wrong, times = random.Random(1), 0, 400
    for _ in range(times):
        found = verdict(
            scores([draw.gauss(0, 1) for _ in range(10)]),
            {number: scores([draw.gauss(0, 1) for _ in range(10)]) for number in (1, 2, 3)},
            is_fresh=True,
        )
        wrong += found.trial != 0
    assert wrong / times <= 0.05 + 0.02


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=8), st.lists(st.floats(-100, 100), min_size=1, max_size=8))
def test_whatever_is_recommended_has_a_gain(before: list[float], after: list[float]) -> None:
    found = verdict(scores(before), {1: scores(after)}, is_fresh=True)
    assert found.trial == 0 or found.gain > 0
