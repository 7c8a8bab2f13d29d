"""`LLMOptimizer`: tunes numbers and texts, a language model beside a classical sampler, and never worse than the default.

    trial 0       the defaults, always
    each trial    propose -> check -> run -> score -> reflect; each of these is in the journal before the next begins
    proposals     the classical core for most trials; a language model and others for a share that their credit moves; a proposal
                  that cannot be used costs no trial, and who only gives such ones is asked no more
    result        a configuration that was really run, compared with the default in pairs; the default where nothing is better

Higher scores are better; to minimise, return the negative.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar
from uuid import uuid4

from filelock import FileLock, Timeout
from pydantic import BaseModel

from llm_brain.errors import DataError, DefinitionError
from llm_brain.optimize.advice import Advisor, ModelProposer
from llm_brain.optimize.arguments import (
    check_executor,
    check_functions,
    check_journal,
    check_names,
    check_proposers,
    check_result,
    check_shown,
)
from llm_brain.optimize.budget import StudyBudget
from llm_brain.optimize.cases import type_of
from llm_brain.optimize.driver import Driver
from llm_brain.optimize.effects import Effects
from llm_brain.optimize.executors import Executor, InlineExecutor
from llm_brain.optimize.fidelity import check_fidelities
from llm_brain.optimize.hyperparameters import Hyperparameters as Scope
from llm_brain.optimize.journal import Journal, Store
from llm_brain.optimize.objective import Objective, Run, Score
from llm_brain.optimize.plan import Plan, parameters_of
from llm_brain.optimize.proposers.contract import Proposer
from llm_brain.optimize.proposers.core import CoreProposer, SamplerName
from llm_brain.optimize.proposers.credit import Credit, credits_of, read_reputation, write_reputation
from llm_brain.optimize.runs import Rules
from llm_brain.optimize.space import Space
from llm_brain.optimize.study import DEFAULT, PROMOTION, Study, Trial

Parameters = TypeVar("Parameters")
Result = TypeVar("Result")
Hyperparameters = TypeVar("Hyperparameters")


class LLMOptimizer(Generic[Parameters, Result, Hyperparameters]):
    """Optimises the hyperparameters of a task.

    Args:
        task: Makes a run: it is given a `Run`, with task parameters and hyperparameters, and returns the result.
        score: Tells how good a result on task parameters is: a number, or a `Score`; higher is better.
        hyperparameters: Their pydantic model, see `Space`; or a `Hyperparameters` that has seen the program, whose tracked
            functions then have the values while the task runs.
        task_parameters: What the task is run on: a list of cases, or one case by itself.
        result: The type of the results.
        model: Who suggests, reflects and forecasts: a model's name, a backend, an implementation. None: nobody, and the classical
            sampler is alone with `proposers`.
        journal: The study's file, or a `Store` of your own; a study that was interrupted goes on from it.
        selection: Cases that no proposer reads. The best trials and the default are run on them in the end, and the result is
            chosen there.
        proposers: Who proposes beside the core and the model.
        core: The classical sampler.
        executor: Where the task is run; by default here, one run after the other. What runs elsewhere has to be picklable.
        parallel: How many trials are under way at once. With more, each is chosen knowing less.
        replicates: How often a trial is run on a case, each time with another `Run.seed`.
        confirmations: How often the best trials and the default are run once more in the end, with seeds that nothing was
            chosen by; without `selection` on the cases themselves.
        fidelities: Where trials begin, and how the best of them go on, up to 1: `(1 / 9, 1 / 3, 1)`. The task reads
            `Run.fidelity`.
        races: Whether a trial that is clearly worse than the best one is stopped before it has run on all cases.
        failure_score: What a run that raises counts as; None: the trial has failed, and has no score.
        proposes_cases: Whether the model may propose further task parameters.
        reputation: A file in which it is kept, from study to study, how good each proposer was.
        seed: Of all that is drawn.

    Attributes:
        study: The trials so far.
        journal: Where the study is kept.

    Raises:
        DefinitionError: The hyperparameters' model has nothing to tune, or the arguments do not fit one another: an `async`
            task, say, or a result that cannot be written down.
        DataError: The journal is damaged.

    Example:
        >>> import tempfile
        >>> from pydantic import Field
        >>> class Knobs(BaseModel):
        ...     rate: float = Field(0.5, ge=0.0, le=1.0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     optimizer = LLMOptimizer(
        ...         lambda run: 1 - abs(run.hyperparameters.rate - 0.3), score=lambda _, result: result, hyperparameters=Knobs,
        ...         task_parameters="a hill", result=float, model=None, journal=Path(folder) / "study.jsonl")
        ...     study = optimizer.run(StudyBudget(trials=12))
        >>> study.trials[0].proposer, study.trials[0].score, study.best.score > 0.8
        ('default', 0.8, True)
    """

    def __init__(
        self,
        task: Callable[[Run[Parameters, Hyperparameters]], Result],
        *,
        score: Callable[[Parameters, Result], float | Score],
        hyperparameters: type[Hyperparameters] | Scope,
        task_parameters: Sequence[Parameters] | Parameters,
        result: Any,
        model: Any,
        journal: str | Path | Store,
        selection: Sequence[Parameters] | None = (),
        proposers: Sequence[Proposer] = (),
        core: SamplerName = "tpe",
        executor: Executor | None = None,
        parallel: int = 1,
        replicates: int = 1,
        confirmations: int = 0,
        fidelities: Sequence[float] = (1.0,),
        races: bool = True,
        failure_score: float | None = None,
        proposes_cases: bool = False,
        reputation: str | Path | None = None,
        seed: int = 0,
    ) -> None:
        values, given = _model_of(hyperparameters)
        cases = parameters_of(task_parameters)
        check_functions(task=task, score=score)
        check_result(result)
        check_journal(journal)
        objective = Objective(task, score, result, given)
        self._plan = Plan(
            Space(values),
            objective,
            cases,
            () if selection is None else parameters_of(selection),
            replicates,
            confirmations,
            parallel,
            check_fidelities(fidelities),
            Rules(races, failure_score),
            seed,
        )
        self._executor: Executor = InlineExecutor() if executor is None else executor
        check_executor(self._executor)
        self._core = CoreProposer(core)
        self._advisor: Advisor | None = None
        if model is not None:
            types = (type_of(cases), result, values)
            check_shown(*types)
            self._advisor = Advisor(model, *types, proposes_cases=proposes_cases)
        asked = [] if self._advisor is None else [ModelProposer(self._advisor, proposes_cases=proposes_cases)]
        self._proposers: tuple[Proposer, ...] = (*asked, *check_proposers(proposers))
        check_names(self._proposers)
        if not self._plan.space.knobs and not self._proposers:
            message = f"{values.__name__} has texts alone, and nobody rewrites them: give a model, or proposers"
            raise DefinitionError(message)
        self.journal = Path(journal) if isinstance(journal, str) else journal
        self._reputation = None if reputation is None else Path(reputation)
        self.study: Study[Hyperparameters] = Study(cases=cases)

    def run(
        self, budget: StudyBudget, *, on_trial: Callable[[Trial[Hyperparameters]], object] = lambda _: None
    ) -> Study[Hyperparameters]:
        """Run the study until its budget is spent. What stands in the journal is not done again.

        With a larger budget the study goes on, and comes to the same trials as if it had had it from the beginning.

        Args:
            budget: What may be spent in all, what was spent earlier included.
            on_trial: Told each trial that is over, also those that the journal had.

        Raises:
            LLMBrainError: The task raised one: a spent budget, a full disk, a refused key. The trial is not over and the study
                can be gone on with.
            DefinitionError: The budget is none.
            DataError: The journal is damaged, that of another study, or in use, or cannot be opened.
            OSError: The journal cannot be written.
        """
        if not isinstance(budget, StudyBudget):
            message = f"a study's budget is written `StudyBudget(trials=20)`: not {budget!r:.80}"
            raise DefinitionError(message)
        with _held(self.journal) as store, self._executor:
            effects = Effects(store)
            reputation = self._open(effects)
            driver = Driver(
                self._plan,
                effects,
                self._executor,
                core=self._core,
                proposers=self._proposers,
                advisor=self._advisor,
                reputation=reputation,
            )
            self.study = driver.study
            driver.run(budget, on_trial)
            self.study.spending = driver.spending
            if self._reputation is not None:
                self._tell_reputation(self._reputation, effects)
        return self.study

    def _open(self, effects: Effects) -> dict[str, Credit]:
        """See whether the journal is this study's, or begin it; return what earlier studies thought of the proposers."""
        described = self._plan.describe([proposer.name for proposer in self._proposers]) | {"core": self._core.sampler}
        if not effects.store.events:
            reputation = {} if self._reputation is None else read_reputation(self._reputation)
            told = {name: [credit.trials, credit.ranks] for name, credit in reputation.items()}
            began = datetime.now(UTC).isoformat(timespec="seconds")
            effects.write("study", **described, reputation=told, began=began, id=uuid4().hex)
        begun = effects.store.events[0]
        differing = [name for name in described if not _is_same(begun.get(name), described[name])]
        if begun["event"] != "study" or differing:
            what = ", ".join(differing) or "its beginning"
            message = f"{self.journal} is the journal of another study: {what} differs. Name another file"
            raise DataError(message)
        return {name: Credit(*told) for name, told in begun["reputation"].items()}

    def _tell_reputation(self, path: Path, effects: Effects) -> None:
        credits_now = {name: one for name, one in credits_of(self.study.trials).items() if name not in (DEFAULT, PROMOTION)}
        before = [event["credits"] for event in effects.store.events if event["event"] == "credited"]
        known = {name: Credit(*told) for name, told in before[-1].items()} if before else {}
        new = {name: one - known.get(name, Credit()) for name, one in credits_now.items()}
        if any(one.trials > 0 for one in new.values()):
            write_reputation(path, read_reputation(path), new)
            effects.write("credited", credits={name: [one.trials, one.ranks] for name, one in credits_now.items()})


@contextmanager
def _held(journal: Path | Store) -> Iterator[Store]:
    """Open a journal that nobody else writes to meanwhile."""
    if not isinstance(journal, Path):
        yield journal
        return
    lock = FileLock(f"{journal}.lock", timeout=0)
    try:
        journal.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        message = f"{journal} is in use: another process runs this study. Wait until it has ended, or name another file"
        raise DataError(message) from error
    except OSError as error:
        message = f"the journal {journal} cannot be opened: {error}"
        raise DataError(message) from error
    try:
        yield Journal(journal)
    finally:
        lock.release()


def _is_same(known: Any, told: Any) -> bool:
    return bool(known == told) or json.dumps(known) == json.dumps(told)  # no NaN is equal to another


def _model_of(hyperparameters: Any) -> tuple[type[BaseModel], type[BaseModel] | None]:
    """Give the model of what is tuned, and the same as the task wants it; None where it has a scope."""
    if isinstance(hyperparameters, Scope):
        found = type(hyperparameters.model)
        if not found.model_fields:
            message = "this `Hyperparameters` has seen no program: run yours once inside of `with found:`, and give `found`"
            raise DefinitionError(message)
        return found, None
    if isinstance(hyperparameters, type) and issubclass(hyperparameters, BaseModel):
        return hyperparameters, hyperparameters
    message = (
        f"hyperparameters are a pydantic model, or a `Hyperparameters` that has seen the program: not {hyperparameters!r:.80}"
    )
    raise DefinitionError(message)
