"""What a language model is asked in a study: the four questions, and what of the study it is shown.

What is shown is bounded: the best trials, the worst one, the last that failed and the last ones, as a table, and the lessons.
Summaries are made from lessons and trials, never from earlier summaries of what is no longer shown; a lesson names the trials
that show it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from llm_brain.optimize.functions import CaseProposingFunctions, OptimizerFunctions
from llm_brain.optimize.models import (
    ImprovementProbability,
    Lesson,
    LessonSummary,
    OptimizationInfo,
    OptimizationStep,
    TaskInfo,
    TaskReflection,
    TaskRun,
)
from llm_brain.optimize.proposers.contract import History, Proposal
from llm_brain.optimize.study import Trial
from llm_brain.strategy.decorator import llm_strategy

SHOWN_BEST, SHOWN_WORST, SHOWN_LAST = 2, 1, 2
MOST_LESSONS: Final = 8


class Advisor:
    """A language model that is asked about a study.

    Args:
        model: Who answers: a model's name, a backend, an implementation.
        parameters: The type of the task's parameters.
        result: The type of its results.
        hyperparameters: The hyperparameters' model.
        proposes_cases: Whether it is asked for task parameters, too; otherwise it may give some.

    Example:
        >>> from pydantic import BaseModel, Field
        >>> from llm_brain.optimize.space import Space
        >>> from llm_brain.optimize.objective import Outcome
        >>> class Knobs(BaseModel):
        ...     rate: float = Field(0.5, ge=0, le=1)
        >>> default = Trial(0, "default", Knobs(), outcomes=[Outcome(0, 0, 0.25)], status="complete", score=0.25)
        >>> info = Advisor("local", str, float, Knobs).info(History(Space(Knobs), [default], ["a hill"]))
        >>> info.best_score, info.task_infos[0].run.task_parameters
        (0.25, 'a hill')
    """

    def __init__(self, model: Any, parameters: Any, result: Any, hyperparameters: Any, *, proposes_cases: bool = False) -> None:
        asked: type[OptimizerFunctions] = CaseProposingFunctions if proposes_cases else OptimizerFunctions
        self._functions: OptimizerFunctions = llm_strategy(model)(asked)()
        types = (parameters, result, hyperparameters)
        generic: tuple[Any, ...] = (TaskRun, TaskInfo, OptimizationInfo)
        # Types that are only known at run time mean nothing to a type checker.
        self._run_type, self._info_type, self._history_type = (model_type[types] for model_type in generic)

    def reflect(self, trial: Trial[Any], cases: Sequence[Any]) -> TaskReflection | None:
        """Ask what is to be learned from a trial's worst run; None where the trial has no run.

        Raises:
            Exception: Whatever the model's failures are.
        """
        run = self._run(trial, cases)
        return None if run is None else TaskReflection.model_validate(self._functions.reflect_on_task_run(run))

    def summarize(self, history: History[Any]) -> list[Lesson]:
        """Ask what was learned: lessons, each with trials that there are.

        Raises:
            Exception: Whatever the model's failures are.
        """
        told = LessonSummary.model_validate(self._functions.summarize_optimization_info(self.info(history)))
        known = {trial.number for trial in history.trials}
        found = []
        for lesson in told.lessons:
            evidence = [number for number in dict.fromkeys(lesson.trials) if number in known]
            if evidence and lesson.text.strip():  # what no trial shows is no lesson
                found.append(Lesson(text=lesson.text, trials=evidence))
        return found[:MOST_LESSONS]

    def forecast(self, history: History[Any]) -> ImprovementProbability:
        """Ask how probable it is that the next trial is the best.

        Raises:
            Exception: Whatever the model's failures are.
        """
        return ImprovementProbability.model_validate(self._functions.probability_for_improvement(self.info(history)))

    def suggest(self, history: History[Any]) -> OptimizationStep[Any, Any]:
        """Ask what to try next.

        Raises:
            Exception: Whatever the model's failures are.
        """
        step: OptimizationStep[Any, Any] = self._functions.suggest_next_optimization_step(self.info(history))
        return step

    def info(self, history: History[Any]) -> OptimizationInfo[Any, Any, Any]:
        """Give what a model is shown of a study."""
        best = history.best
        info: OptimizationInfo[Any, Any, Any] = self._history_type(
            lessons=list(history.lessons),
            task_infos=[
                self._info_type(trial=trial.number, score=trial.score, run=run, reflection=trial.reflection)
                for trial in shown(history.trials)
                if (run := self._run(trial, history.cases)) is not None
            ],
            best_hyperparameters=best.hyperparameters if best else history.space.default,
            best_score=best.score if best else None,
        )
        return info

    def _run(self, trial: Trial[Any], cases: Sequence[Any]) -> TaskRun[Any, Any, Any] | None:
        outcome = trial.worst
        if outcome is None:
            return None
        # Built of what the journal has of it, so that an interrupted study asks the very same question.
        run: TaskRun[Any, Any, Any] = self._run_type.model_validate(
            {
                "task_parameters": cases[outcome.case],
                "hyperparameters": trial.hyperparameters,
                "return_value": outcome.result,
                "exception": outcome.exception,
                "score": outcome.score,
                "score_feedback": outcome.feedback,
            },
            by_alias=True,
            by_name=True,  # as the journal has a result, whatever else its fields may be called
        )
        return run


class ModelProposer:
    """Lets a language model suggest hyperparameters, numbers and texts alike, and further task parameters.

    Args:
        advisor: The model that is asked.
        proposes_cases: Whether its suggestions of task parameters are taken.

    Example:
        >>> from pydantic import BaseModel
        >>> class Knobs(BaseModel):
        ...     rate: float = 0.5
        >>> ModelProposer(Advisor("local", str, float, Knobs)).name
        'model'
    """

    name = "model"

    def __init__(self, advisor: Advisor, *, proposes_cases: bool = False) -> None:
        self.advisor, self.proposes_cases = advisor, proposes_cases

    def propose(self, history: History[Any], *, seed: int) -> list[Proposal]:
        """Ask the model once, and give what it suggests, the first suggestion first."""
        del seed
        step = self.advisor.suggest(history)
        cases = tuple(step.task_parameters_suggestions) if self.proposes_cases else ()
        parents = () if history.best is None else (history.best.number,)  # which it was shown as the best
        return [
            Proposal(suggested, note=step.suggestion, parents=parents, task_parameters=cases)
            for suggested in step.hyperparameter_suggestions
        ]


def shown(trials: Sequence[Trial[Any]]) -> list[Trial[Any]]:
    """Choose the trials that are worth being looked at: the best, the worst, the last that failed, the last; oldest first.

    Example:
        >>> trials = [Trial(n, "core", None, status="complete", score=s) for n, s in enumerate([3, 9, 1, 8, 5, 4, 6])]
        >>> [trial.number for trial in shown(trials)]
        [1, 2, 3, 5, 6]
    """
    scored = sorted((trial for trial in trials if trial.score is not None), key=lambda trial: -(trial.score or 0.0))
    failed = [trial for trial in trials if trial.score is None][-SHOWN_WORST:]
    chosen = [*scored[:SHOWN_BEST], *scored[len(scored) - SHOWN_WORST :], *failed, *trials[-SHOWN_LAST:]]
    return sorted({trial.number: trial for trial in chosen}.values(), key=lambda trial: trial.number)
