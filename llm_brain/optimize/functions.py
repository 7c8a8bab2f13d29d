"""The optimiser's questions as typed functions, for given types of task parameters, results and hyperparameters."""

from typing import Any, Protocol

from pydantic import BaseModel

from llm_brain.optimize.models import OptimizationInfo, OptimizationStep, TaskReflection, TaskRun
from llm_brain.strategy.declarations import sampled
from llm_brain.strategy.decorator import llm_strategy


class OptimizerFunctions(Protocol):
    """What a language model is asked in a study.

    Example:
        >>> OptimizerFunctions.__name__
        'OptimizerFunctions'
    """

    def reflect_on_task_run(self, task_run: Any) -> TaskReflection:
        """Reflect on one run."""
        ...

    def suggest_next_optimization_step(self, optimization_info: Any) -> Any:
        """Suggest what to try next."""
        ...


def optimizer_functions(model: Any, parameters: Any, result: Any, hyperparameters: type[BaseModel]) -> OptimizerFunctions:
    """Build the typed functions for a study. The hyperparameters' bounds become part of the schema of a suggestion.

    Example:
        >>> class Knobs(BaseModel):
        ...     rate: float = 0.1
        >>> functions = optimizer_functions("local", str, float, Knobs)
        >>> functions.suggest_next_optimization_step.spec.returns.__name__
        'OptimizationStep[Knobs]'
    """
    run = TaskRun[parameters, result, hyperparameters]  # type: ignore[valid-type]
    info = OptimizationInfo[parameters, result, hyperparameters]  # type: ignore[valid-type]
    step = OptimizationStep[hyperparameters]  # type: ignore[valid-type]

    @llm_strategy(model)
    class Functions:
        """You tune the hyperparameters of a task to raise its score."""

        @sampled(0.7, top_p=0.9)  # greedy, a small model falls into loops
        def reflect_on_task_run(self, task_run: run) -> TaskReflection:  # pyright: ignore[reportInvalidTypeForm]
            """Reflect on the run: what does its score say about its hyperparameters, and what should be tried instead?"""
            raise NotImplementedError

        @sampled(0.7, top_p=0.9)
        def suggest_next_optimization_step(self, optimization_info: info) -> step:  # pyright: ignore[reportInvalidTypeForm]
            """Suggest hyperparameters that were not tried yet and may score higher than all runs so far."""
            raise NotImplementedError

    return Functions()
