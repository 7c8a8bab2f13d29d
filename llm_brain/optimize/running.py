"""The runs that are under way, and what came of those that are over: it stands in the journal before anything depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from typing import Any, Final, Literal

from llm_brain.errors import LLMBrainError, WorkerDiedError
from llm_brain.optimize.effects import Effects
from llm_brain.optimize.executors.contract import Executor
from llm_brain.optimize.objective import Outcome, spent_before
from llm_brain.optimize.plan import Plan
from llm_brain.optimize.runs import Need
from llm_brain.optimize.study import Trial

LONGEST_ERROR: Final = 500
Purpose = Literal["outcome", "check"]
"""What a run is for: a trial, or the comparison in the end."""


class Running:
    """Has runs made, each of them once.

    Args:
        plan: The study's.
        effects: Its journal.
        executor: Where the task is run.

    Example:
        >>> import pathlib, tempfile
        >>> from pydantic import BaseModel
        >>> from llm_brain.optimize.executors import InlineExecutor
        >>> from llm_brain.optimize.journal import Journal
        >>> from llm_brain.optimize.objective import Objective
        >>> from llm_brain.optimize.space import Space
        >>> class Knobs(BaseModel):
        ...     fast: bool = False
        >>> objective = Objective(lambda run: len(run.task_parameters), lambda _, result: result, int, Knobs)
        >>> with tempfile.TemporaryDirectory() as folder, InlineExecutor() as executor:
        ...     effects = Effects(Journal(pathlib.Path(folder) / "study.jsonl"))
        ...     running = Running(Plan(Space(Knobs), objective, ["a text"]), effects, executor)
        ...     running.ask("outcome", Need(0, 0, 0), Trial(0, "default", Knobs(), {"fast": False}), "a text")
        >>> running.outcomes[Need(0, 0, 0)].score
        6.0
    """

    def __init__(self, plan: Plan, effects: Effects, executor: Executor) -> None:
        self._plan, self._effects, self._executor = plan, effects, executor
        self._found: dict[Purpose, dict[Need, Outcome]] = {"outcome": {}, "check": {}}
        self._pending: dict[Future[Outcome], tuple[Purpose, Need]] = {}

    @property
    def outcomes(self) -> Mapping[Need, Outcome]:
        """What came of the runs of trials."""
        return self._found["outcome"]

    @property
    def checks(self) -> Mapping[Need, Outcome]:
        """What came of the runs that compare the finalists with the default."""
        return self._found["check"]

    def ask(self, purpose: Purpose, need: Need, trial: Trial[Any], case: Any) -> None:
        """Have a run made, unless it is under way, or the journal has it.

        Raises:
            LLMBrainError: The task raised one, where it runs in this process.
            OSError: The journal cannot be written.
        """
        if need in self._found[purpose] or (purpose, need) in self._pending.values():
            return
        known = self._effects.outcome(purpose, *need)
        if known is not None:
            self._found[purpose][need] = known
            return
        work = self._plan.work(need, trial, case, is_check=purpose == "check")
        self._pending[self._executor.submit(self._plan.objective, work)] = (purpose, need)
        self._collect()  # what runs in this process is over already

    def wait(self) -> bool:
        """Wait until a run is over; tell whether one was under way.

        Raises:
            LLMBrainError: The task raised one.
            OSError: The journal cannot be written.
        """
        if not self._pending:
            return False
        wait(self._pending, return_when=FIRST_COMPLETED)
        self._collect()
        return True

    def keep_what_is_done(self, error: BaseException) -> None:
        """Before an error goes on: what was begun is waited for and kept, as it is paid for, and nothing else is begun.

        Ctrl-C waits for nobody.
        """
        waiting = [future for future in self._pending if not future.done()]
        begun = self._executor.workers if isinstance(error, Exception) else 0
        for future in waiting[begun:]:
            future.cancel()
        while self._pending:
            wait(self._pending)
            with suppress(Exception):  # the first error is the one that is told
                self._collect()

    def _collect(self) -> None:
        """Write down what has come."""
        for future in [future for future in self._pending if future.done()]:
            purpose, need = self._pending.pop(future)
            try:
                outcome = future.result()
            except WorkerDiedError as error:
                outcome = Outcome(need.case, need.replicate, None, exception=f"{type(error).__name__}: {error}"[:LONGEST_ERROR])
            except LLMBrainError as error:
                tokens, dollars = spent_before(error)
                if tokens or dollars:
                    self._effects.write("spent", purpose=purpose, **need._asdict(), tokens=tokens, dollars=dollars)
                raise
            self._effects.write(purpose, trial=need.trial, **outcome.as_json())
            self._found[purpose][need] = outcome
