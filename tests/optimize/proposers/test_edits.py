"""Blind edits: what they make of a text, and what they never make."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from llm_brain.optimize.objective import Outcome
from llm_brain.optimize.proposers.contract import History, Proposer
from llm_brain.optimize.proposers.edits import EditProposer, sentences
from llm_brain.optimize.space import Space
from llm_brain.optimize.study import Trial
from llm_brain.optimize.testing.proposers import ProposerConformance


class Knobs(BaseModel):
    rate: float = Field(0.5, ge=0.0, le=1.0)
    prompt: str = Field("Read {message}. Be brief. Be kind.", max_length=60)


def trial(number: int, knobs: Knobs, scores: list[float], *parents: int) -> Trial[Any]:
    outcomes = [Outcome(case, 0, score) for case, score in enumerate(scores)]
    mean = sum(scores) / len(scores)
    return Trial(number, "p", knobs, knobs.model_dump(), parents, status="complete", score=mean, outcomes=outcomes)


def history(*trials: Trial[Any]) -> History[Any]:
    return History(Space(Knobs), trials, cases="ab")


DEFAULT = trial(0, Knobs(rate=0.2), [0.0, 1.0])


@given(st.text())
def test_the_sentences_of_a_text_are_the_text(text: str) -> None:
    assert "".join(sentences(text)) == text or not text.strip()


@given(st.integers(0, 10_000))
def test_an_edit_can_be_used_as_it_is(seed: int) -> None:
    for proposal in EditProposer().propose(history(DEFAULT), seed=seed):
        knobs = Knobs.model_validate(proposal.hyperparameters)
        assert "{message}" in knobs.prompt
        assert knobs.prompt != DEFAULT.hyperparameters.prompt
        assert (knobs.rate, proposal.parents, proposal.gate) == (0.2, (0,), (0,))


def test_a_sentence_of_another_text_can_be_taken_over() -> None:
    other = trial(1, Knobs(prompt="Read {message}. Be just."), [0.5, 0.0], 0)

    notes = {
        proposal.note: dict(proposal.hyperparameters)["prompt"]
        for seed in range(20)
        for proposal in EditProposer().propose(history(DEFAULT, other), seed=seed)
        if proposal.parents == (0,)
    }

    assert sorted(sentence.strip() for sentence in sentences(notes["import in prompt"])) == [
        "Be brief.",
        "Be just.",
        "Be kind.",
        "Read {message}.",
    ]


def test_what_was_tried_is_not_proposed() -> None:
    tried = trial(1, Knobs(prompt="Read {message}. Be brief."), [0.0, 0.0], 0)
    made = [
        dict(proposal.hyperparameters)["prompt"]
        for seed in range(20)
        for proposal in EditProposer().propose(history(DEFAULT, tried), seed=seed)
    ]

    assert made
    assert tried.hyperparameters.prompt not in made


def test_a_single_sentence_is_never_deleted() -> None:
    only = trial(0, Knobs(prompt="Read {message}."), [0.0, 1.0])

    notes = [proposal.note for seed in range(20) for proposal in EditProposer().propose(history(only), seed=seed)]

    assert set(notes) == {"duplicate in prompt"}


class Blank(BaseModel):
    prompt: str = ""


def test_a_text_that_is_empty_has_nothing_to_be_edited() -> None:
    empty = Trial(0, "p", Blank(), {"prompt": ""}, status="complete", score=1.0, outcomes=[Outcome(0, 0, 1.0)])
    assert [EditProposer().propose(History(Space(Blank), [empty], cases="a"), seed=seed) for seed in range(9)] == [[]] * 9


def test_nothing_is_proposed_before_a_trial_is_complete() -> None:
    assert not EditProposer().propose(history(), seed=0)


class TestEdits(ProposerConformance):
    @pytest.fixture
    def proposer(self) -> Proposer:
        return EditProposer()
