"""`LLMOptimizer`: runs trials, reflects on each, and proposes the next, a language model beside a classical sampler.

    trial 0       the defaults, always
    each trial    propose -> check -> run -> score -> reflect; each of these is in the journal before the next begins
    proposals     Optuna's TPE in the majority; the language model on a fixed share of the trials, its suggestions parsed,
                  validated against the hyperparameters' model and compared with what was tried; a bad one costs no trial,
                  and after three in a row the model is asked no more
    result        the best configuration that was really run; the default, if nothing beat it

Higher scores are better; to minimise, return the negative.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic

from pydantic import ValidationError

from llm_brain.errors import DataError, LLMBrainError
from llm_brain.optimize.functions import OptimizerFunctions
from llm_brain.optimize.journal import Journal
from llm_brain.optimize.models import Hyperparameters, OptimizationInfo, Parameters, Result, TaskInfo, TaskReflection, TaskRun
from llm_brain.optimize.proposals import draw, is_turn_of_model, usable
from llm_brain.optimize.space import point, search_space
from llm_brain.optimize.study import Study, Trial
from llm_brain.strategy.decorator import llm_strategy
from llm_brain.tracing.names import HYPERPARAMETERS, KIND, PROPOSER, SCORE, STUDY_KIND, TRIAL, TRIAL_KIND
from llm_brain.tracing.spans import span

SCHEMA = 1
REFUSALS = 3
SHOWN_TRIALS = 4
LONGEST_EXCEPTION = 500


class LLMOptimizer(Generic[Parameters, Result, Hyperparameters]):
    """Optimises the hyperparameters of a task.

    Args:
        task: Runs the task; takes hyperparameters and the trial's number, and returns the result.
        score: Tells how good a result is; higher is better.
        hyperparameters: Their pydantic model; the fields with bounds or a closed set of values are tuned.
        task_parameters: What the task is run on, for the model to read.
        result: The result's type, for the model to read.
        model: Who reflects and suggests: a model's name, a backend, an implementation.
        journal: The study's file; a study that was interrupted goes on from it. A trial that was running then runs again.
        seed: Of the sampler.

    Attributes:
        study: The trials so far.

    Raises:
        DefinitionError: The hyperparameters' model has nothing to tune.
        DataError: The journal is damaged, or that of another study.

    Example:
        >>> import tempfile, pathlib
        >>> from pydantic import BaseModel, Field
        >>> from llm_brain.strategy import Details
        >>> class Silent:
        ...     name = "silent"
        ...     def call(self, spec, arguments, *, state=None, sample=0):
        ...         raise LLMBrainError("no opinion")
        >>> class Knobs(BaseModel):
        ...     rate: float = Field(0.5, ge=0.0, le=1.0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     optimizer = LLMOptimizer(
        ...         lambda knobs, trial: 1 - abs(knobs.rate - 0.3), score=float, hyperparameters=Knobs,
        ...         task_parameters="a hill", result=float, model=Silent(), journal=pathlib.Path(folder) / "study.jsonl")
        ...     study = optimizer.run(trials=3)
        >>> [trial.proposer for trial in study.trials]
        ['default', 'tpe', 'tpe']
    """

    def __init__(
        self,
        task: Callable[[Hyperparameters, int], Result],
        *,
        score: Callable[[Result], float],
        hyperparameters: type[Hyperparameters],
        task_parameters: Parameters,
        result: type[Result],
        model: Any,
        journal: Path,
        seed: int = 0,
    ) -> None:
        self._task = task
        self._score = score
        self._hyperparameters = hyperparameters
        self._task_parameters = task_parameters
        self._space = search_space(hyperparameters)
        self._functions = llm_strategy(model)(OptimizerFunctions)()
        # Any, since types that are only known at run time mean nothing to a type checker.
        types: Any = (type(task_parameters), result, hyperparameters)
        generic: tuple[Any, ...] = (TaskRun, TaskInfo, OptimizationInfo)
        self._run_type, self._info_type, self._history_type = (model_type[types] for model_type in generic)
        self._journal = Journal(journal)
        self._seed = seed
        self.study: Study[Parameters, Result, Hyperparameters] = Study()
        self._replay()

    def run(
        self, trials: int, *, on_trial: Callable[[Trial[Parameters, Result, Hyperparameters]], object] = lambda _: None
    ) -> Study[Parameters, Result, Hyperparameters]:
        """Run the study until it has so many trials. Trials in the journal are not run again.

        Args:
            trials: How many, the default's included.
            on_trial: Told each trial that is done, also those that the journal had.

        Raises:
            LLMBrainError: The task raised one: a spent budget, a full disk, a refused key. The trial is not over and the study
                can be gone on with.
            OSError: The journal cannot be written.
        """
        if not self._journal.events:
            self._journal.append("study", **self._description())
        with span("study", {KIND: STUDY_KIND}):
            for number in range(trials):
                on_trial(self._trial(number))
        return self.study

    def _trial(self, number: int) -> Trial[Parameters, Result, Hyperparameters]:
        with span("trial", {KIND: TRIAL_KIND, TRIAL: number}) as recorded:
            trial = self._proposed(number)
            recorded.set(PROPOSER, trial.proposer)
            recorded.content(HYPERPARAMETERS, trial.run.hyperparameters)
            if not trial.finished:
                self._run(trial)
            if trial.reflection is None and not self._is_reflected(number):
                self._reflect(trial)
            recorded.set(SCORE, trial.run.score)
        return trial

    def _proposed(self, number: int) -> Trial[Parameters, Result, Hyperparameters]:
        if number < len(self.study.trials):
            return self.study.trials[number]
        proposer, hyperparameters, refused = self._propose(number)
        values = hyperparameters.model_dump(mode="json")
        self._journal.append("proposed", trial=number, proposer=proposer, hyperparameters=values, refused=refused)
        return self._add(number, proposer, hyperparameters)

    def _add(self, number: int, proposer: str, hyperparameters: Hyperparameters) -> Trial[Parameters, Result, Hyperparameters]:
        run = self._run_type(task_parameters=self._task_parameters, hyperparameters=hyperparameters)
        self.study.trials.append(Trial(number, proposer, run))
        return self.study.trials[-1]

    def _run(self, trial: Trial[Parameters, Result, Hyperparameters]) -> None:
        run = trial.run
        try:
            result = self._task(run.hyperparameters, trial.number)
            score = float(self._score(result))
            # Read back as it will be from the journal: what cannot be kept is found out now.
            outcome = self._run_type(
                task_parameters=run.task_parameters, hyperparameters=run.hyperparameters, return_value=result
            )
            kept = outcome.model_dump(mode="json", include={"return_value"})["return_value"]
        except LLMBrainError:
            raise  # a budget, a full disk or a dead model ends the study, not the trial: it can be gone on with later
        except Exception as error:  # noqa: BLE001 - hyperparameters that break the task are a result of the trial
            kept, run.exception = None, f"{type(error).__name__}: {error}"[:LONGEST_EXCEPTION]
        else:
            run.return_value, run.score = result, score if math.isfinite(score) else None
        self._journal.append("finished", trial=trial.number, return_value=kept, exception=run.exception, score=run.score)
        trial.finished = True

    def _reflect(self, trial: Trial[Parameters, Result, Hyperparameters]) -> None:
        try:
            reflection = TaskReflection.model_validate(self._functions.reflect_on_task_run(trial.run))
        except Exception as error:  # noqa: BLE001 - a faulty model costs no trial and ends no study
            self._journal.append("reflected", trial=trial.number, reflection=None, error=str(error)[:LONGEST_EXCEPTION])
        else:
            self._journal.append("reflected", trial=trial.number, reflection=reflection.model_dump(mode="json"))
            trial.reflection = reflection

    def _propose(self, number: int) -> tuple[str, Hyperparameters, str | None]:
        """Choose what to try: who proposed it, what it is, and why the model's suggestion was refused, where it was."""
        if number == 0:
            return "default", self._hyperparameters(), None
        refused = None
        if is_turn_of_model(number) and not self._is_silenced():
            suggested, refused = self._suggestion()
            if suggested is not None:
                return "model", suggested, None
        scored = [(trial.run.hyperparameters, trial.run.score) for trial in self.study.trials]
        return "tpe", draw(self._hyperparameters, self._space, scored, seed=self._seed), refused

    def _suggestion(self) -> tuple[Hyperparameters | None, str | None]:
        """Ask the model: its first suggestion that is valid and new, or why there is none."""
        best = self.study.best
        recent = self.study.trials[-SHOWN_TRIALS:]
        try:
            history = self._history_type(
                task_infos=[self._info_type(run=trial.run, reflection=trial.reflection) for trial in recent],
                best_hyperparameters=best.run.hyperparameters if best else self._hyperparameters(),
            )
            step = self._functions.suggest_next_optimization_step(history)
        except Exception as error:  # noqa: BLE001 - a faulty model costs no trial and ends no study
            return None, f"{type(error).__name__}: {error}"[:LONGEST_EXCEPTION]
        tried = [point(trial.run.hyperparameters, self._space) for trial in self.study.trials]
        found = usable(step, self._hyperparameters, self._space, tried)
        return found, None if found is not None else "no suggestion was valid and new"

    def _is_silenced(self) -> bool:
        asked = [
            event.get("refused")
            for event in self._journal.events
            if event["event"] == "proposed" and (event["proposer"] == "model" or event.get("refused"))
        ]
        return len(asked) >= REFUSALS and all(asked[-REFUSALS:])

    def _is_reflected(self, number: int) -> bool:
        return any(event["event"] == "reflected" and event["trial"] == number for event in self._journal.events)

    def _description(self) -> dict[str, Any]:
        from optuna.distributions import distribution_to_json

        space = {name: distribution_to_json(distribution) for name, distribution in self._space.items()}
        return {"schema": SCHEMA, "seed": self._seed, "space": space}

    def _replay(self) -> None:
        path = self._journal.path
        try:
            for number, event in enumerate(self._journal.events):
                if number == 0 and event != {"event": "study", **self._description()}:
                    message = (
                        f"{path} is the journal of another study: its space, its seed or its version differs. Name another file"
                    )
                    raise DataError(message)
                if number > 0:
                    self._replay_event(event)
        except (KeyError, IndexError, TypeError, ValidationError) as error:
            message = f"{path} does not fit this study: {error!r:.300}. Name another file to begin a new one"
            raise DataError(message) from error

    def _replay_event(self, event: dict[str, Any]) -> None:
        if event["event"] == "proposed":
            self._add(
                event["trial"], event["proposer"], self._hyperparameters.model_validate(event["hyperparameters"], by_name=True)
            )
            return
        trial = self.study.trials[event["trial"]]
        if event["event"] == "finished":
            outcome = {name: event[name] for name in ("return_value", "exception", "score")}
            given = {"task_parameters": self._task_parameters, "hyperparameters": trial.run.hyperparameters}
            trial.run = self._run_type.model_validate({**given, **outcome})
            trial.finished = True
        elif event["event"] == "reflected" and event["reflection"] is not None:
            trial.reflection = TaskReflection.model_validate(event["reflection"])
