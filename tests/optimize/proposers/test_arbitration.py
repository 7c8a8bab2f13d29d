"""Turns: the core for most trials, and for the others what their trials deserve."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm_brain.optimize import Trial
from llm_brain.optimize.proposers.arbitration import AHEAD, MOST, shares, silenced, turn
from llm_brain.optimize.proposers.credit import Credit, credits_of


def played(number: int, ranks: dict[str, float]) -> list[Trial[Any]]:
    """Play trials whose proposers come out above a share of the earlier ones."""
    trials: list[Trial[Any]] = [Trial(0, "default", None, status="complete", score=0.5)]
    for place in range(1, number):
        name = turn(shares(list(ranks), trials, {}), trials)[0]
        trials.append(Trial(place, name, None, status="complete", score=ranks.get(name, 0.5) + (place * 37 % 100) / 1e4))
    return trials


def test_three_trials_in_ten_are_the_others_as_long_as_nothing_is_known() -> None:
    trials: list[Trial[Any]] = [Trial(0, "default", None)]
    for place in range(1, 21):
        trials.append(Trial(place, turn(shares(["a", "b"], [], {}), trials)[0], None))
    had = [trial.proposer for trial in trials]
    assert {"a", "b"} <= set(had[1:5])
    assert had.count("a") == had.count("b") == 3


def test_whoever_is_good_has_more_turns_than_whoever_misleads() -> None:
    good = [trial.proposer for trial in played(41, {"one": 0.9})].count("one")
    bad = [trial.proposer for trial in played(41, {"one": 0.1})].count("one")
    assert bad <= 6
    assert 12 < good <= MOST * (40 + AHEAD) + 1


def test_one_failure_takes_some_of_a_share_and_not_most_of_it() -> None:
    default, failed = Trial(0, "default", None, score=0.5), Trial(1, "one", None, score=0.1)
    assert 0.5 < shares(["one"], [default, failed], {})["one"] / shares(["one"], [default], {})["one"] < 0.7


def test_a_share_is_moved_by_what_the_core_does_too() -> None:
    def after(core: float) -> float:
        trials: list[Trial[Any]] = [Trial(0, "default", None, status="complete", score=0.5)]
        for place in range(1, 9):
            name, score = ("one", 0.6) if place % 2 else ("core", core)
            trials.append(Trial(place, name, None, status="complete", score=score + place / 1e3))
        return shares(["one"], trials, {})["one"]

    assert after(0.9) < after(0.1)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "core"]), st.none() | st.floats(-9, 9)), max_size=25))
def test_shares_are_shares_and_the_core_keeps_the_most_of_what_is_left(told: list[tuple[str, float | None]]) -> None:
    trials = [Trial(place, name, None, status="complete", score=score) for place, (name, score) in enumerate(told)]
    found = shares(["a", "b"], trials, {})
    assert abs(sum(found.values()) - 1) < 1e-9
    assert found["core"] >= 1 - MOST - 1e-9
    assert all(share > 0 for share in found.values())
    assert set(turn(found, trials)) == {"a", "b", "core"}


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.floats(-9, 9)), max_size=25), st.floats(0.1, 9), st.floats(-9, 9)
)
def test_credit_does_not_depend_on_the_scale_of_the_scores(told: list[Any], by: float, plus: float) -> None:
    def credit(change: Any) -> Any:
        return credits_of(
            [
                Trial(place, name, None, status="complete", score=None if score is None else change(round(score, 3)))
                for place, (name, score) in enumerate(told)
            ]
        )

    assert credit(lambda score: score) == credit(lambda score: round(score * by + plus, 9))


def test_of_all_trials_or_of_the_last_ones() -> None:
    trials = [Trial(0, "default", None, score=0.5), Trial(1, "a", None, score=0.9), Trial(2, "a", None, score=0.1)]
    assert credits_of(trials)["a"] == Credit(2.0, 1.0)
    assert credits_of(trials, latest=1)["a"] == Credit(1.0, 0.0)


def test_a_reputation_counts_as_some_trials() -> None:
    loved, hated = shares(["a"], [], {"a": Credit(6, 6)}), shares(["a"], [], {"a": Credit(6, 0)})
    assert loved["a"] > 0.5
    assert hated["a"] < 0.1


def test_without_a_core_the_others_have_all() -> None:
    found = shares(["a", "b", "c"], [], {}, core=False)
    assert "core" not in found
    assert abs(sum(found.values()) - 1) < 1e-9


def test_only_refusals_in_a_row_silence() -> None:
    def refused(number: int, proposer: str = "core") -> Trial[Any]:
        return Trial(number, proposer, None, refused=("a: no",))

    assert silenced([refused(0), refused(1), refused(2)], ["a", "b"]) == ["a"]
    assert silenced([refused(0), refused(1), Trial(2, "a", None), refused(3)], ["a", "b"]) == []
