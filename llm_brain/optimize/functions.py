"""The optimiser's questions as typed functions, generic over task parameters, results and hyperparameters.

    >>> from pydantic import BaseModel
    >>> from llm_brain import llm_strategy
    >>> class Knobs(BaseModel):
    ...     rate: float = 0.1
    >>> functions = llm_strategy("local")(OptimizerFunctions)()
    >>> history = OptimizationInfo[str, float, Knobs](task_infos=[], best_hyperparameters=Knobs())
    >>> "Knobs" in functions.suggest_next_optimization_step.prompt(history)
    True

The example stands here since the class's docstring is what the model is told of itself.
"""

from __future__ import annotations

from pydantic import BaseModel

from llm_brain.optimize.models import (
    Hyperparameters,
    ImprovementProbability,
    LessonSummary,
    OptimizationInfo,
    OptimizationStep,
    OptimizationStepWithCases,
    Parameters,
    Result,
    TaskReflection,
    TaskRun,
)
from llm_brain.strategy.declarations import examples, sampled


class _Answering(BaseModel):
    instruction: str
    temperature: float


# With examples a small model reflects on the run instead of repeating the question. It also repeats their answers, so these are
# such as would fit many tasks.
_REFLECTED = (
    (
        {
            "task_run": TaskRun[str, str, _Answering](
                task_parameters="when the shop opens on Sundays",
                hyperparameters=_Answering(instruction="Answer with the hour.", temperature=0.2),
                return_value="At ten.",
                exception=None,
                score=0.9,
                score_feedback="right, and brief",
            )
        },
        TaskReflection(
            feedback="It is what was asked for.",
            evaluation="Good: little is missing.",
            hyperparameter_suggestion="Keep most of the values, and change one of them a little.",
            hyperparameter_missing="Nothing.",
        ),
    ),
    (
        {
            "task_run": TaskRun[str, str, _Answering](
                task_parameters="a recipe for soup",
                hyperparameters=_Answering(instruction="Write a recipe.", temperature=1.2),
                return_value="Soup is a soup of soups, and soups.",
                exception=None,
                score=0.3,
                score_feedback="no ingredient is named",
            )
        },
        TaskReflection(
            feedback="It misses what was asked for, and repeats itself.",
            evaluation="Bad: what has to be there is not there.",
            hyperparameter_suggestion="Lower the temperature, and say in the instruction what has to be there.",
            hyperparameter_missing="How long the answer should be.",
        ),
    ),
)


class OptimizerFunctions:
    """You tune the hyperparameters of a task to raise its score."""

    @sampled(0.7, top_p=0.9)  # greedy, a small model falls into loops
    @examples(*_REFLECTED)
    def reflect_on_task_run(self, task_run: TaskRun[Parameters, Result, Hyperparameters]) -> TaskReflection:
        """Reflect on the run: what does its score say about its hyperparameters, and what should be tried instead?"""
        raise NotImplementedError

    @sampled(0.7, top_p=0.9)
    def summarize_optimization_info(
        self, optimization_info: OptimizationInfo[Parameters, Result, Hyperparameters]
    ) -> LessonSummary:
        """Write down what was learned, and keep earlier lessons that still hold: all else of the trials will be forgotten."""
        raise NotImplementedError

    @sampled(0.7, top_p=0.9)
    def suggest_next_optimization_step(
        self, optimization_info: OptimizationInfo[Parameters, Result, Hyperparameters]
    ) -> OptimizationStep[Parameters, Hyperparameters]:
        """Suggest hyperparameters that were not tried yet and may score higher than all trials so far."""
        raise NotImplementedError

    @sampled(0.7, top_p=0.9)
    def probability_for_improvement(
        self, optimization_info: OptimizationInfo[Parameters, Result, Hyperparameters]
    ) -> ImprovementProbability:
        """Tell how probable it is that the next trial scores higher than the best one so far. Be concise."""
        raise NotImplementedError


class CaseProposingFunctions(OptimizerFunctions):
    """You tune the hyperparameters of a task to raise its score, and find out on what it should be tried."""

    @sampled(0.7, top_p=0.9)
    def suggest_next_optimization_step(
        self, optimization_info: OptimizationInfo[Parameters, Result, Hyperparameters]
    ) -> OptimizationStepWithCases[Parameters, Hyperparameters]:
        """Suggest hyperparameters that may score higher than all trials so far, and new task parameters to run the task on."""
        raise NotImplementedError
