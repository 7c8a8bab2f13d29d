"""The front over cases: who is on it, who is not, and how often each is drawn."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.optimize.objective import Outcome
from llm_brain.optimize.study import Trial
from llm_brain.optimize.texts.pareto import ParetoFront

SCORES = st.integers(1, 6).flatmap(
    lambda cases: st.lists(st.lists(st.integers(0, 3), min_size=cases, max_size=cases), min_size=1, max_size=8)
)


def trials_of(rows: list[list[float]], **changes: Any) -> list[Trial[None]]:
    given: dict[str, Any] = {"status": "complete"} | changes
    return [
        Trial(
            number,
            "somebody",
            None,
            score=sum(scores) / len(scores),
            outcomes=[Outcome(case, 0, score) for case, score in enumerate(scores)],
            **given,
        )
        for number, scores in enumerate(rows)
    ]


@given(SCORES)
def test_every_case_has_one_of_its_best_trials_on_the_front(rows: list[list[float]]) -> None:
    front = ParetoFront.of(trials_of(rows))

    for case, scores in enumerate(zip(*rows, strict=True)):
        best = {number for number, score in enumerate(scores) if score == max(scores)}
        winners = {number for number, cases in front.wins.items() if case in cases}
        assert winners
        assert winners <= best


@given(SCORES)
def test_nobody_stays_whose_wins_others_have_too(rows: list[list[float]]) -> None:
    wins = ParetoFront.of(trials_of(rows)).wins

    for number, cases in wins.items():
        others = set().union(*(theirs for other, theirs in wins.items() if other != number))
        assert cases - others


@given(SCORES, st.randoms(use_true_random=False))
def test_the_front_does_not_depend_on_the_order_in_which_trials_are_told(rows: list[list[float]], random: Random) -> None:
    trials = trials_of(rows)
    told = random.sample(trials, len(trials))

    assert ParetoFront.of(told) == ParetoFront.of(trials)


@given(SCORES, st.floats(0.1, 10), st.floats(-5, 5))
def test_the_front_does_not_depend_on_the_scale_of_scores(rows: list[list[float]], factor: float, shift: float) -> None:
    scaled = [[score * factor + shift for score in row] for row in rows]

    # Sums of scaled scores are rounded differently, which decides between equals only.
    front, other = ParetoFront.of(trials_of(rows)), ParetoFront.of(trials_of(scaled))
    assert set().union(*front.wins.values()) == set().union(*other.wins.values())


def test_a_trial_that_is_never_the_best_is_not_on_the_front() -> None:
    assert list(ParetoFront.of(trials_of([[0.9, 0.9], [1.0, 0.0], [0.0, 1.0]])).wins) == [1, 2]


def test_a_trial_that_wins_one_case_stays_however_bad_it_is_elsewhere() -> None:
    assert ParetoFront.of(trials_of([[1, 0, 0, 0], [0, 1, 1, 1]])).wins == {0: {0}, 1: {1, 2, 3}}


def test_the_worst_of_those_who_share_their_wins_goes_first() -> None:
    # 0 and 1 share a case; 1 is better on the whole, as 2 has the other one.
    assert list(ParetoFront.of(trials_of([[1, 0.0], [1, 0.5], [0, 1.0]])).wins) == [1, 2]


def test_trials_are_drawn_as_often_as_they_win() -> None:
    front = ParetoFront.of(trials_of([[1, 0, 0, 0], [0, 1, 1, 1]]))
    random = Random(0)

    drawn = Counter(front.draw(random) for _ in range(2000))

    assert drawn[1] / 2000 == pytest.approx(0.75, abs=0.04)


@pytest.mark.parametrize("changes", [{"status": "stopped"}, {"status": "failed"}, {"fidelity": 0.5}])
def test_only_complete_trials_at_the_full_fidelity_count(changes: dict[str, Any]) -> None:
    assert not ParetoFront.of(trials_of([[1.0]], **changes))


def test_a_case_that_only_some_trials_have_run_is_won_by_one_of_them() -> None:
    assert ParetoFront.of(trials_of([[0.5, 0.5], [0.4, 0.4, 0.1]])).wins == {0: {0, 1}, 1: {2}}
