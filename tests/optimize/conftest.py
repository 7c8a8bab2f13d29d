"""A task with a known best point, and a model whose every reply is written in the test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from llm_brain.errors import LLMBrainError
from llm_brain.optimize import LessonSummary, LLMOptimizer, Run, TaskReflection, Trial
from llm_brain.strategy import Details, FunctionSpec


class Knobs(BaseModel):
    rate: float = Field(0.5, ge=0.0, le=1.0)
    steps: int = Field(4, ge=1, le=8)
    kind: Literal["plain", "fancy"] = "plain"
    label: str = Field("not tuned", frozen=True)


def height(knobs: Knobs) -> float:
    return 1 - abs(knobs.rate - 0.3) - abs(knobs.steps - 6) / 10 + (knobs.kind == "fancy") / 10


def hill(run: Run[str, Knobs]) -> float:
    return height(run.hyperparameters)


def as_is(_task_parameters: Any, result: float) -> float:
    return float(result)


REFLECTION = TaskReflection(
    feedback="Fair.", evaluation="Too high.", hyperparameter_suggestion="Lower.", hyperparameter_missing="-"
)


class ScriptedModel:
    """Gives one suggestion after the other, and silence after the last; a reply that is an exception is raised."""

    name = "scripted"

    def __init__(
        self,
        suggestions: Iterable[Any] = (),
        reflection: Any = REFLECTION,
        forecast: Any = LLMBrainError("no forecast"),  # noqa: B008 - it is only raised
        lessons: Any = LessonSummary(lessons=[]),  # noqa: B008 - as above
    ) -> None:
        self.suggestions = iter(suggestions)
        self.replies = {
            "reflect_on_task_run": reflection,
            "probability_for_improvement": forecast,
            "summarize_optimization_info": lessons,
        }
        self.shown: list[Any] = []
        self.asked: list[tuple[str, Any]] = []

    def call(
        self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
    ) -> Details:
        del state, sample
        [shown] = arguments.values()
        self.asked.append((spec.name, shown))
        if spec.name in self.replies:
            reply = self.replies[spec.name]
        else:
            self.shown.append(shown)
            reply = next(self.suggestions, LLMBrainError("no opinion"))
        if isinstance(reply, Exception):
            raise reply
        return Details(reply, self.name)

    def times(self, name: str) -> int:
        return sum(asked == name for asked, _ in self.asked)


class Scripted:
    """A proposer that gives what is written in the test, in turn; what is an exception is raised."""

    def __init__(self, *proposals: Any, name: str = "scripted") -> None:
        self.name = name
        self.proposals = proposals

    def propose(self, history: Any, *, seed: int) -> Any:
        del seed
        had = sum(trial.proposer == self.name for trial in history.trials)
        told = self.proposals[had % len(self.proposals)]
        if isinstance(told, Exception):
            raise told
        return told


def trajectory(trials: Iterable[Trial[Any]]) -> list[Any]:
    """Tell all of the trials but how long they took."""
    return [
        (
            trial.number,
            trial.proposer,
            trial.point,
            trial.parents,
            trial.note,
            trial.fidelity,
            trial.status,
            trial.score,
            trial.reflection,
            trial.forecast,
            trial.refused,
            [
                (one.case, one.replicate, one.score, one.feedback, repr(one.result), one.exception)
                for one in (*trial.outcomes, *trial.checked)
            ],
        )
        for trial in trials
    ]


Build = Callable[..., LLMOptimizer[Any, Any, Any]]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def optimizer(**changes: Any) -> LLMOptimizer[Any, Any, Any]:
        given: dict[str, Any] = {
            "task": hill,
            "score": as_is,
            "hyperparameters": Knobs,
            "task_parameters": "climb a hill",
            "result": float,
            "model": ScriptedModel(),
            "journal": tmp_path / "study.jsonl",
        }
        given |= changes
        return LLMOptimizer(given.pop("task"), **given)

    return optimizer
