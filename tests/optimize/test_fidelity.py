"""Who goes on to the next fidelity."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm_brain.optimize import Trial
from llm_brain.optimize.fidelity import promotion


def at(fidelity: float, *scores: float | None) -> list[Trial[Any]]:
    return [
        Trial(number, "core", None, fidelity=fidelity, status="failed" if score is None else "complete", score=score)
        for number, score in enumerate(scores)
    ]


def test_nobody_goes_on_before_there_are_three() -> None:
    assert promotion(at(0.5, 1.0, 2.0), (), (0.5, 1.0)) is None


def test_a_failed_trial_and_the_default_do_not_count() -> None:
    default = Trial(9, "default", None, fidelity=1.0, status="complete", score=9.0)
    assert promotion([default, *at(0.5, None, 1.0, 2.0)], (), (0.5, 1.0)) is None


def test_the_higher_fidelity_comes_first() -> None:
    low = at(0.1, *range(9))
    middle = [Trial(20 + n, "promotion", None, fidelity=0.5, status="complete", score=float(n)) for n in range(3)]
    found = promotion([*low, *middle], (), (0.1, 0.5, 1.0))
    assert found is not None
    assert (found[0].number, found[1]) == (22, 1.0)


@given(st.lists(st.floats(0, 1), max_size=30))
def test_at_most_a_third_goes_on_each_once_and_the_best_first(scores: list[float]) -> None:
    trials, promoted = at(0.5, *scores), list[int]()
    while (found := promotion(trials, promoted, (0.5, 1.0))) is not None:
        promoted.append(found[0].number)
    assert len(promoted) == len(set(promoted)) == len(scores) // 3
    told = [scores[number] for number in promoted]
    assert told == sorted(scores, reverse=True)[: len(told)]
