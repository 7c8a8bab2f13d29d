"""What a language model is asked in a study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from llm_brain.optimize import History, Outcome, Space, TaskRun, Trial
from llm_brain.optimize.advice import Advisor
from llm_brain.optimize.functions import OptimizerFunctions
from llm_brain.optimize.models import OptimizationStepWithCases
from llm_brain.strategy import Details, llm_strategy, typed


class Knobs(BaseModel):
    rate: float = Field(0.5, ge=0.0, le=1.0)


class Listener:
    """Keeps what it is asked, and answers."""

    name = "listener"

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def call(self, spec: Any, arguments: Mapping[str, Any], *, state: Any = None, sample: int = 0) -> Details[Any]:
        del arguments, state, sample
        self.asked.append(spec)
        step = OptimizationStepWithCases[str, Knobs](
            suggestion="higher", hyperparameter_suggestions=[Knobs(rate=0.7)], task_parameters_suggestions=["a valley"]
        )
        return Details(step, self.name)


def history() -> History[Knobs]:
    default = Trial(0, "default", Knobs(), outcomes=[Outcome(0, 0, 0.25)], status="complete", score=0.25)
    return History(Space(Knobs), [default], ["a hill"])


@pytest.mark.parametrize("proposes_cases", [True, False])
def test_only_who_may_propose_cases_is_asked_for_them(proposes_cases: bool) -> None:
    listener = Listener()
    step = Advisor(listener, str, float, Knobs, proposes_cases=proposes_cases).suggest(history())
    assert step.hyperparameter_suggestions == [Knobs(rate=0.7)]
    (spec,) = listener.asked
    assert ("new task parameters" in spec.instruction) is proposes_cases


def test_a_step_with_cases_has_at_least_one() -> None:
    step = {"suggestion": "higher", "hyperparameter_suggestions": [{"rate": 0.7}], "task_parameters_suggestions": []}
    with pytest.raises(ValidationError, match="at least 1 item"):
        TypeAdapter(OptimizationStepWithCases[str, Knobs]).validate_python(step)


def test_reflections_are_asked_for_with_examples_of_other_tasks() -> None:
    functions = llm_strategy("local")(OptimizerFunctions)()
    run = TaskRun[str, float, Knobs](task_parameters="a hill", hyperparameters=Knobs())
    prompt = typed(functions.reflect_on_task_run).prompt(run)
    assert prompt.count('"hyperparameter_suggestion":') > 1
    assert prompt.index("a recipe for soup") < prompt.index("a hill")
