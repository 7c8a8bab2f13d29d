"""What every proposer has to keep to, as tests for pytest.

from llm_brain.optimize.testing.proposers import ProposerConformance

class TestMyProposer(ProposerConformance):
@pytest.fixture
def proposer(self):
return MyProposer()
"""
# ruff: noqa: D102, S101 - tests, though they stand in the package: a test's name is its sentence

from __future__ import annotations

import copy
from itertools import islice
from typing import Any, Final

import pytest
from pydantic import BaseModel, Field

from llm_brain.optimize.models import Lesson
from llm_brain.optimize.objective import Outcome
from llm_brain.optimize.proposers.contract import History, Proposal, Proposer
from llm_brain.optimize.space import Space
from llm_brain.optimize.study import Trial

MOST: Final = 10


class Knobs(BaseModel):
    """What the tests tune.

    Example:
        >>> Knobs().rate
        0.5
    """

    rate: float = Field(0.5, ge=0.0, le=1.0)
    steps: int = Field(4, ge=1, le=8)
    fast: bool = False
    prompt: str = "Answer yes or no. Be brief."


class ProposerConformance:
    """Tests of a proposer. Override the fixture `proposer`, and `space` where it needs a space of its own.

    Attributes:
        is_deterministic: Whether it proposes the same again, as everyone but a language model does.

    Example:
        >>> from llm_brain.optimize.proposers.core import CoreProposer
        >>> class TestCore(ProposerConformance):
        ...     @pytest.fixture
        ...     def proposer(self) -> Proposer:
        ...         return CoreProposer()
        >>> TestCore().test_it_has_a_name(CoreProposer())
    """

    is_deterministic: bool = True

    @pytest.fixture
    def proposer(self) -> Proposer:
        """Return the proposer that is to be tested."""
        raise NotImplementedError

    @pytest.fixture
    def space(self) -> Space[Any]:
        """Return a space that it can propose for."""
        return Space(Knobs)

    def test_it_has_a_name(self, proposer: Proposer) -> None:
        assert isinstance(proposer.name, str)
        assert proposer.name.strip()

    def test_it_proposes_what_can_be_used(self, proposer: Proposer, space: Space[Any]) -> None:
        for history in (past(space, 1), past(space, 12)):
            for proposal in islice(proposer.propose(history, seed=3), MOST):
                assert isinstance(proposal, Proposal)
                told = proposal.hyperparameters
                space.values(space.point(told) if isinstance(told, BaseModel) else told)

    def test_parents_and_gates_are_of_trials_and_cases_that_there_are(self, proposer: Proposer, space: Space[Any]) -> None:
        history = past(space, 12)
        for proposal in islice(proposer.propose(history, seed=3), MOST):
            assert set(proposal.parents) <= {trial.number for trial in history.trials}
            assert set(proposal.gate) <= set(range(len(history.cases)))

    def test_it_leaves_the_past_as_it_was(self, proposer: Proposer, space: Space[Any]) -> None:
        history = past(space, 12)
        before = copy.deepcopy(history.trials)
        list(islice(proposer.propose(history, seed=3), MOST))
        assert list(history.trials) == before

    def test_the_same_past_and_seed_give_the_same_proposals(self, proposer: Proposer, space: Space[Any]) -> None:
        if not self.is_deterministic:
            pytest.skip("what it proposes is a language model's")
        first, second = (list(islice(proposer.propose(past(space, 12), seed=3), MOST)) for _ in range(2))
        assert first == second


def past(space: Space[Any], number: int) -> History[Any]:
    """Make up the past of a study: complete, stopped and failed trials on four cases, the default first.

    Example:
        >>> past(Space(Knobs), 3).best.number
        2
    """
    trials: list[Trial[Any]] = []
    for place in range(number):
        values = space.values(_point(space, place))
        status: Any = ("complete", "complete", "complete", "stopped", "complete", "complete", "complete", "failed")[place % 8]
        score = None if status == "failed" else place / 10
        outcomes = [
            Outcome(case, 0, score if score is None else score + (case + place) % 4 / 10, f"case {case} said {place}", place)
            for case in range(4 if status == "complete" else 1)
        ]
        proposer = "core" if place else "default"
        parents = (place // 2,) if place else ()
        trials.append(Trial(place, proposer, values, space.point(values), parents, status=status, score=score, outcomes=outcomes))
    lessons = [Lesson(text="Later ones are better.", trials=[0])]
    return History(space, trials, ("a", "b", "c", "d"), lessons)


def _point(space: Space[Any], place: int) -> dict[str, Any]:
    """Move every number and text a little away from its default."""
    found = space.point(space.default)
    for name, value in found.items():
        if place and isinstance(value, str) and name in space.texts:
            found[name] = f"{value} Sentence {place}."
        elif place and isinstance(value, float):
            found[name] = value * (1 - place / 100)
    return found
