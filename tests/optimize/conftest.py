"""A task with a known best point, and a model whose every reply is written in the test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from llm_brain.errors import LLMBrainError
from llm_brain.optimize import LLMOptimizer, TaskReflection
from llm_brain.strategy import Details, FunctionSpec


class Knobs(BaseModel):
    rate: float = Field(0.5, ge=0.0, le=1.0)
    steps: int = Field(4, ge=1, le=8)
    kind: Literal["plain", "fancy"] = "plain"
    label: str = "not tuned"


def hill(knobs: Knobs, _number: int) -> float:
    return 1 - abs(knobs.rate - 0.3) - abs(knobs.steps - 6) / 10 + (knobs.kind == "fancy") / 10


REFLECTION = TaskReflection(
    feedback="Fair.", evaluation="Too high.", hyperparameter_suggestion="Lower.", hyperparameter_missing="-"
)


class ScriptedModel:
    """Gives one reply after the other, and silence after the last; a reply that is an exception is raised."""

    name = "scripted"

    def __init__(self, suggestions: Iterable[Any] = (), reflection: Any = REFLECTION) -> None:
        self.suggestions = iter(suggestions)
        self.reflection = reflection
        self.shown: list[Any] = []
        self.reflected: list[Any] = []

    def call(
        self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
    ) -> Details:
        del state, sample
        if spec.name == "reflect_on_task_run":
            self.reflected.append(arguments["task_run"])
            reply = self.reflection
        else:
            self.shown.append(arguments["optimization_info"])
            reply = next(self.suggestions, LLMBrainError("no opinion"))
        if isinstance(reply, Exception):
            raise reply
        return Details(reply, self.name)


Build = Callable[..., LLMOptimizer[str, float, Knobs]]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def optimizer(**changes: Any) -> LLMOptimizer[str, float, Knobs]:
        given: dict[str, Any] = {
            "task": hill,
            "score": float,
            "hyperparameters": Knobs,
            "task_parameters": "climb a hill",
            "result": float,
            "model": ScriptedModel(),
            "journal": tmp_path / "study.jsonl",
        }
        given |= changes
        return LLMOptimizer(given.pop("task"), **given)

    return optimizer
