"""What the optimiser shows to a language model and gets back: generic over task parameters, results and hyperparameters.

    >>> TaskReflection.model_fields["feedback"].is_required(), sorted(OptimizationStep.model_fields)
    (True, ['hyperparameter_suggestions', 'suggestion', 'task_parameters_suggestions'])
    >>> LessonSummary(lessons=[]), ImprovementProbability(considerations=["It is near a bound."], probability=0.4).probability
    (LessonSummary(lessons=[]), 0.4)

These examples stand here since the docstring of what a model gives back is in the schema that it is shown.
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
    score_feedback: str = Field("", description="What is said about the score.")


class TaskReflection(BaseModel):
    """What was learned from one run."""

    feedback: str = Field(description="Does the result satisfy the task? What could be better in it?", max_length=120)
    evaluation: str = Field(description="How good is the result, what is wrong with it, what is missing?", max_length=120)
    hyperparameter_suggestion: str = Field(
        description="Which hyperparameters should change, and in which direction?", max_length=120
    )
    hyperparameter_missing: str = Field(description="What should be adjustable that no hyperparameter controls?", max_length=120)


class TaskInfo(BaseModel, Generic[Parameters, Result, Hyperparameters]):
    """A trial: its run with the lowest score, how good all of its runs are, and the reflection on it.

    Example:
        >>> sorted(TaskInfo.model_fields)
        ['reflection', 'run', 'score', 'trial']
    """

    trial: int = Field(description="The number of the trial.")
    score: float | None = Field(None, description="The mean score of all runs of the trial; null when it failed.")
    run: TaskRun[Parameters, Result, Hyperparameters] = Field(description="The run of the trial with the lowest score.")
    reflection: TaskReflection | None = Field(None, description="What was learned from it.")


class Lesson(BaseModel):
    """Something that was learned from several trials."""

    text: str = Field(description="What was learned, for somebody who sees none of the trials.", max_length=160)
    trials: list[int] = Field(description="The numbers of the trials that show it.", min_length=1, max_length=8)


class LessonSummary(BaseModel):
    """All that is worth being kept of the trials so far."""

    lessons: list[Lesson] = Field(description="What was learned, the most useful first.", max_length=8)


class OptimizationInfo(BaseModel, Generic[Parameters, Result, Hyperparameters]):
    """Everything that is known when the next step is chosen.

    Example:
        >>> sorted(OptimizationInfo.model_fields)
        ['best_hyperparameters', 'best_score', 'lessons', 'task_infos']
    """

    lessons: list[Lesson] = Field(default_factory=list, description="What was learned from all trials so far.")
    task_infos: list[TaskInfo[Parameters, Result, Hyperparameters]] = Field(
        description="Some of the trials so far, oldest first: the best ones, the worst one, the last that failed, the last ones."
    )
    best_hyperparameters: Hyperparameters = Field(description="The hyperparameters with the best score so far.")
    best_score: float | None = Field(None, description="The best score so far.")


class OptimizationStep(BaseModel, Generic[Parameters, Hyperparameters]):
    """What to try next."""

    suggestion: str = Field(description="What to change next, and why.", max_length=160)
    hyperparameter_suggestions: list[Hyperparameters] = Field(
        description="Hyperparameters to try next, different from those of earlier trials.", min_length=1, max_length=2
    )
    task_parameters_suggestions: list[Parameters] = Field(
        default_factory=list, description="Further task parameters to run the task on, if others would tell more.", max_length=4
    )


class OptimizationStepWithCases(OptimizationStep[Parameters, Hyperparameters], Generic[Parameters, Hyperparameters]):
    """What to try next, and what to try it on."""

    task_parameters_suggestions: list[Parameters] = Field(
        description="Further task parameters to run the task on, different from those of earlier runs.",
        min_length=1,
        max_length=2,
    )


class ImprovementProbability(BaseModel):
    """A forecast of the next trial."""

    considerations: list[str] = Field(description="What speaks for an improvement, and what against it.", max_length=4)
    probability: float = Field(description="The probability that the next trial is better than the best so far.", ge=0.0, le=1.0)
