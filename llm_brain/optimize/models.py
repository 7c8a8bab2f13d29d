"""What the optimiser shows to a language model and gets back: generic over task parameters, results and hyperparameters.

    >>> TaskReflection.model_fields["feedback"].is_required(), sorted(OptimizationStep.model_fields)
    (True, ['hyperparameter_suggestions', 'suggestion'])

These two stand here since the docstring of what a model gives back is in the schema that it is shown.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import BaseModel, Field

Parameters = TypeVar("Parameters")
Result = TypeVar("Result")
Hyperparameters = TypeVar("Hyperparameters", bound=BaseModel)


class TaskRun(BaseModel, Generic[Parameters, Result, Hyperparameters]):
    """One run of the task: what it was given, what came out, and how good that is.

    Example:
        >>> class Knobs(BaseModel):
        ...     rate: float = 0.1
        >>> run = TaskRun[str, float, Knobs](task_parameters="digits", hyperparameters=Knobs(), return_value=0.9, score=0.9)
        >>> run.exception is None
        True
    """

    task_parameters: Parameters = Field(description="What the task was run on.")
    hyperparameters: Hyperparameters = Field(description="The hyperparameters of the run. These are optimised.")
    return_value: Result | None = Field(None, description="The result of the run; null when it failed.")
    exception: str | None = Field(None, description="What went wrong, when the run failed.")
    score: float | None = Field(None, description="How good the result is; higher is better.")


class TaskReflection(BaseModel):
    """What was learned from one run."""

    feedback: str = Field(description="Does the result satisfy the task? What could be better in it?", max_length=120)
    evaluation: str = Field(description="How good is the result, what is wrong with it, what is missing?", max_length=120)
    hyperparameter_suggestion: str = Field(
        description="Which hyperparameters should change, and in which direction?", max_length=120
    )
    hyperparameter_missing: str = Field(description="What should be adjustable that no hyperparameter controls?", max_length=120)


class TaskInfo(BaseModel, Generic[Parameters, Result, Hyperparameters]):
    """A run and the reflection on it.

    Example:
        >>> sorted(TaskInfo.model_fields)
        ['reflection', 'run']
    """

    run: TaskRun[Parameters, Result, Hyperparameters] = Field(description="The run.")
    reflection: TaskReflection | None = Field(None, description="What was learned from it.")


class OptimizationInfo(BaseModel, Generic[Parameters, Result, Hyperparameters]):
    """Everything that is known when the next step is chosen.

    Example:
        >>> sorted(OptimizationInfo.model_fields)
        ['best_hyperparameters', 'task_infos']
    """

    task_infos: list[TaskInfo[Parameters, Result, Hyperparameters]] = Field(description="The runs so far, oldest first.")
    best_hyperparameters: Hyperparameters = Field(description="The hyperparameters with the best score so far.")


class OptimizationStep(BaseModel, Generic[Hyperparameters]):
    """What to try next."""

    suggestion: str = Field(description="What to change next, and why.", max_length=160)
    hyperparameter_suggestions: list[Hyperparameters] = Field(
        description="Hyperparameters to try next, different from those of earlier runs.", min_length=1, max_length=2
    )
