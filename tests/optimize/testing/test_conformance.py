"""What the tests for others ask of proposers and stores, the package's own keep to."""

from pathlib import Path
from typing import Any

import pytest

from llm_brain.optimize import LLMOptimizer, Proposer, StudyBudget
from llm_brain.optimize.journal import Journal, Store
from llm_brain.optimize.proposers.core import CoreProposer
from llm_brain.optimize.testing.proposers import ProposerConformance
from llm_brain.optimize.testing.stores import StoreConformance
from tests.optimize.conftest import Knobs, as_is, hill, trajectory


class TestTPE(ProposerConformance):
    @pytest.fixture
    def proposer(self) -> Proposer:
        return CoreProposer("tpe")


class TestCMAES(ProposerConformance):
    @pytest.fixture
    def proposer(self) -> Proposer:
        return CoreProposer("cmaes")


class TestJournal(StoreConformance):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        return tmp_path / "study.jsonl"

    def opened(self, place: Any) -> Store:
        return Journal(place)


class Memory:
    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def append(self, event: str, **fields: Any) -> None:
        self.events.append({"event": event, **fields})


def test_a_study_may_be_kept_in_a_store_of_ones_own(tmp_path: Path) -> None:
    def run(journal: Any, trials: int) -> list[Any]:
        return trajectory(
            LLMOptimizer(
                hill, score=as_is, hyperparameters=Knobs, task_parameters="hill", result=float, model=None, journal=journal
            )
            .run(StudyBudget(trials=trials))
            .trials
        )

    memory = Memory()
    run(memory, 3)
    assert run(memory, 6) == run(tmp_path / "study.jsonl", 6)
