"""Merging: what two trials learned apart from each other becomes one."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, Field

from llm_brain.optimize.objective import Outcome
from llm_brain.optimize.proposers.contract import History, Proposer
from llm_brain.optimize.proposers.merge import MergeProposer
from llm_brain.optimize.space import Space
from llm_brain.optimize.study import Trial
from llm_brain.optimize.testing.proposers import ProposerConformance


class Knobs(BaseModel):
    rate: float = Field(0.5, ge=0.0, le=1.0)
    persona: str = "You read."
    question: str = "Who?"
    hint: str = ""


def trial(number: int, knobs: Knobs, scores: list[float], *parents: int) -> Trial[Any]:
    outcomes = [Outcome(case, 0, score) for case, score in enumerate(scores)]
    mean = sum(scores) / len(scores)
    return Trial(number, "p", knobs, knobs.model_dump(), parents, status="complete", score=mean, outcomes=outcomes)


def history(*trials: Trial[Any]) -> History[Any]:
    return History(Space(Knobs), trials, cases="abcd")


DEFAULT = trial(0, Knobs(), [0, 0, 0, 0])
BETTER = trial(1, Knobs(persona="You read well.", rate=0.1), [1, 1, 0, 1], 0)
OTHER = trial(2, Knobs(question="Who is it?", rate=0.9), [0, 0, 1, 0], 0)


@pytest.mark.parametrize("seed", range(5))
def test_each_text_comes_from_who_changed_it_and_numbers_from_the_better_one(seed: int) -> None:
    [proposal] = MergeProposer().propose(history(DEFAULT, BETTER, OTHER), seed=seed)

    assert dict(proposal.hyperparameters) == {"rate": 0.1, "persona": "You read well.", "question": "Who is it?", "hint": ""}


def test_a_text_that_both_changed_is_that_of_the_better_one() -> None:
    better = trial(1, Knobs(persona="You read well.", hint="better"), [1, 1, 0, 1], 0)
    other = trial(2, Knobs(question="Who is it?", hint="other"), [0, 0, 1, 0], 0)

    [proposal] = MergeProposer().propose(history(DEFAULT, better, other), seed=0)

    assert dict(proposal.hyperparameters)["hint"] == "better"


def test_the_gate_has_cases_of_either_parent_and_compares_with_the_better_one() -> None:
    [proposal] = MergeProposer(gate=2).propose(history(DEFAULT, BETTER, OTHER), seed=0)

    assert 2 in proposal.gate
    assert set(proposal.gate) & {0, 1, 3}
    [whole] = MergeProposer().propose(history(DEFAULT, BETTER, OTHER), seed=0)
    assert (whole.gate, whole.parents) == ((0, 1, 2, 3), (1, 2))


def test_who_descends_from_the_other_is_not_merged_with_it() -> None:
    child = trial(2, Knobs(persona="You read well.", question="Who is it?"), [0, 0, 1, 0], 1)

    assert not MergeProposer().propose(history(DEFAULT, BETTER, child), seed=0)


def test_trials_without_a_common_ancestor_are_not_merged() -> None:
    one, other = trial(1, BETTER.hyperparameters, [1, 1, 0, 1]), trial(2, OTHER.hyperparameters, [0, 0, 1, 0])

    assert not MergeProposer().propose(history(DEFAULT, one, other), seed=0)


def test_there_is_nothing_to_merge_where_both_changed_the_same_text() -> None:
    other = trial(2, Knobs(persona="You read fast."), [0, 0, 1, 0], 0)

    assert not MergeProposer().propose(history(DEFAULT, BETTER, other), seed=0)


def test_what_was_merged_is_not_merged_again() -> None:
    [proposal] = MergeProposer().propose(history(DEFAULT, BETTER, OTHER), seed=0)
    merged = trial(3, Knobs.model_validate(proposal.hyperparameters), [0, 0, 0, 0], *proposal.parents)
    merged.status = "stopped"

    assert not MergeProposer().propose(history(DEFAULT, BETTER, OTHER, merged), seed=1)


def test_only_trials_of_the_front_are_merged() -> None:
    dominated = trial(2, OTHER.hyperparameters, [0, 0, 0, 0], 0)

    assert not MergeProposer().propose(history(DEFAULT, BETTER, dominated), seed=0)


class TestMerge(ProposerConformance):
    @pytest.fixture
    def proposer(self) -> Proposer:
        return MergeProposer()
