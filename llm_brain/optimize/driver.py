"""The loop of a study: propose, run, tell, reflect, and in the end compare the best with the default.

    trial n is proposed when just the trials 0 .. n - parallel are told, in the order of their numbers

So what is tried depends on how many trials are under way at once, and never on which of them was faster or on which machine it
ran. Everything else that decides comes from the seed, and from the effects that the journal holds.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from llm_brain.errors import WorkerDiedError
from llm_brain.optimize.advice import Advisor
from llm_brain.optimize.budget import BudgetWarning, Spending, StudyBudget
from llm_brain.optimize.choosing import ProposalWarning, choose
from llm_brain.optimize.effects import Effects, reading
from llm_brain.optimize.executors.contract import Executor
from llm_brain.optimize.fidelity import promotion
from llm_brain.optimize.models import Lesson
from llm_brain.optimize.objective import Outcome
from llm_brain.optimize.plan import Plan
from llm_brain.optimize.proposers.contract import History, Proposer
from llm_brain.optimize.proposers.credit import Credit
from llm_brain.optimize.reflections import Reflections
from llm_brain.optimize.runs import End, Need, runs_of
from llm_brain.optimize.selection import finalists, verdict
from llm_brain.optimize.study import DEFAULT, PROMOTION, Study, Trial, Verdict, best_of
from llm_brain.tracing.names import HYPERPARAMETERS, KIND, PROPOSER, SCORE, STUDY_KIND, TRIAL, TRIAL_KIND
from llm_brain.tracing.spans import Span, span

LONGEST_ERROR: Final = 500


@dataclass
class _Active:
    trial: Trial[Any]
    steps: Generator[list[Need], None, End]
    span: Span
    waits: set[Need] = field(default_factory=set)
    asked: set[Need] = field(default_factory=set)
    end: End | None = None


class Driver:
    """Runs a study.

    Args:
        plan: What the study is.
        effects: Its journal.
        executor: Where the task is run.
        core: The classical sampler.
        proposers: All others.
        advisor: Who reflects and forecasts; None: nobody.
        reputation: What earlier studies thought of the proposers.

    Attributes:
        study: The trials that are over.
    """

    def __init__(
        self,
        plan: Plan,
        effects: Effects,
        executor: Executor,
        *,
        core: Proposer,
        proposers: Sequence[Proposer] = (),
        advisor: Advisor | None = None,
        reputation: Mapping[str, Credit] | None = None,
    ) -> None:
        self.plan, self.effects, self.executor = plan, effects, executor
        self._core, self._proposers = core, proposers
        self._reflections = None if advisor is None else Reflections(advisor, effects)
        self._reputation = reputation or {}
        self._cases = list(plan.cases)
        self._begun: list[Trial[Any]] = []
        self._active: deque[_Active] = deque()
        self._outcomes: dict[Need, Outcome] = {}
        self._checks: dict[Need, Outcome] = {}
        self._pending: dict[Future[Outcome], tuple[str, Need]] = {}
        self._lessons: list[list[Lesson]] = []
        self._is_exhausted = False
        self.study: Study[Any] = Study(cases=self._cases)

    def run(self, budget: StudyBudget, on_trial: Callable[[Trial[Any]], object]) -> Study[Any]:
        """Run until the budget is spent, and compare the best with the default.

        Raises:
            LLMBrainError: The task raised one, or a worker could not be had.
            OSError: The journal cannot be written.
        """
        with span("study", {KIND: STUDY_KIND}):
            try:
                while self._begin_all(budget):
                    self._advance()
                    self._tell_all(budget, on_trial)
                self._conclude()
            except BaseException:
                self._keep_what_is_done()
                raise
        return self.study

    @property
    def spending(self) -> Spending:
        """What was spent until now."""
        evaluations = sum(trial.fidelity * len(trial.outcomes) for trial in self.study.trials)
        return self.effects.spending(len(self._begun), evaluations)

    # Beginning

    def _begin_all(self, budget: StudyBudget) -> bool:
        """Begin trials while there is room; tell whether any trial is under way."""
        while len(self._active) < self.plan.parallel and not self._is_over(budget):
            if not self._begin():
                break
        return bool(self._active)

    def _is_over(self, budget: StudyBudget) -> bool:
        # What stands in the journal was paid: it is taken, whatever the clock says now.
        if self.effects.known("proposed", trial=len(self._begun)) is not None:
            return budget.trials is not None and len(self._begun) >= budget.trials
        return budget.spent_up(self.spending) is not None

    def _begin(self) -> bool:
        number = len(self._begun)
        history = self._history(number)
        told = self.effects.once("proposed", lambda: self._proposed(number, history), trial=number)
        with reading():
            if told["proposer"] is None:
                why = f": {told['refused'][-1]}" if told["refused"] else ""
                message = f"the study ends after {number} trials, as nobody proposes anything new that can be used{why}"
                if not self._is_exhausted:
                    warnings.warn(message, ProposalWarning, stacklevel=2)
                self._is_exhausted = True
                return False
            trial = self._trial(number, told)
            self._cases.extend(self.plan.case_type.validate_python(case) for case in told.get("cases", ()))
        here = span("trial", {KIND: TRIAL_KIND, TRIAL: number, PROPOSER: trial.proposer})
        here.begin()
        here.content(HYPERPARAMETERS, trial.hyperparameters)
        if self._reflections is not None and number > 0:
            trial.forecast = self._reflections.forecast(number, history)
        self._begun.append(trial)
        best = best_of(history.trials, trial.fidelity)
        parent = next((self._begun[parent] for parent in trial.parents), None) if told.get("gate") else None
        steps = runs_of(
            trial,
            self.plan.units(len(self._cases)),
            self._outcomes,
            self.plan.rules,
            best=best,
            parent=parent,
            gate=told.get("gate", ()),
        )
        active = _Active(trial, steps, here)
        self._active.append(active)
        self._step(active)
        return True

    def _trial(self, number: int, told: dict[str, Any]) -> Trial[Any]:
        values = self.plan.space.values(told["point"])
        return Trial(
            number,
            told["proposer"],
            values,
            self.plan.space.point(values),
            tuple(told.get("parents", ())),
            told.get("note", ""),
            told.get("fidelity", self.plan.fidelities[0]),
            refused=tuple(told.get("refused", ())),
        )

    def _proposed(self, number: int, history: History[Any]) -> dict[str, Any]:
        space = self.plan.space
        if number == 0:
            return {"proposer": DEFAULT, "point": space.point(space.default), "fidelity": 1.0}
        promoted = {parent for trial in self._begun if trial.proposer == PROMOTION for parent in trial.parents}
        found = promotion(history.trials, promoted, self.plan.fidelities)
        if found is not None:
            trial, fidelity = found
            return {"proposer": PROMOTION, "point": trial.point, "parents": [trial.number], "fidelity": fidelity}
        told = choose(self.plan, history, self._begun, core=self._core, proposers=self._proposers, reputation=self._reputation)
        return {**told, "fidelity": self.plan.fidelities[0]}

    def _history(self, number: int) -> History[Any]:
        """Give what is known when a trial is proposed: of the trials before it those that are told by then, and no others."""
        told = max(0, number - self.plan.parallel + 1)
        lessons = self._lessons[told - 1] if told else []
        return History(self.plan.space, self.study.trials[:told], tuple(self._cases), tuple(lessons))

    # Running

    def _step(self, active: _Active) -> None:
        """Go on with a trial until it waits for runs, or has ended."""
        while not active.waits:
            try:
                needs = next(active.steps)
            except StopIteration as stopped:
                active.end = stopped.value
                return
            active.asked.update(needs)
            active.waits = {need for need in needs if not self._is_there("outcome", need)}
            with active.span.current():
                for need in sorted(active.waits):
                    self._submit("outcome", need, self._cases[need.case])

    def _is_there(self, event: str, need: Need) -> bool:
        found = self._outcomes if event == "outcome" else self._checks
        if need not in found:
            known = self.effects.outcome(event, *need)
            if known is not None:
                found[need] = known
        return need in found

    def _submit(self, event: str, need: Need, case: Any) -> None:
        if (event, need) not in self._pending.values():
            work = self.plan.work(need, self._begun[need.trial], case, is_check=event == "check")
            self._pending[self.executor.submit(self.plan.objective, work)] = (event, need)
            self._collect()  # what runs in this process is over already

    def _advance(self) -> None:
        """Wait until a run is over, and go on with the trials that waited for it."""
        if self._pending:
            wait(self._pending, return_when=FIRST_COMPLETED)
            self._collect()
        for active in list(self._active):
            if active.end is None and not active.waits:
                self._step(active)

    def _collect(self) -> None:
        """Write down what has come."""
        for future in [future for future in self._pending if future.done()]:
            event, need = self._pending.pop(future)
            try:
                outcome = future.result()
            except WorkerDiedError as error:
                outcome = Outcome(need.case, need.replicate, None, exception=f"{type(error).__name__}: {error}"[:LONGEST_ERROR])
            self.effects.write(event, trial=need.trial, **outcome.as_json())
            (self._outcomes if event == "outcome" else self._checks)[need] = outcome
            for active in self._active:
                active.waits.discard(need)

    def _keep_what_is_done(self) -> None:
        """Before an error goes on: nothing that was paid for is lost."""
        for future in list(self._pending):
            future.cancel()
        while self._pending:
            wait(self._pending)
            with suppress(Exception):  # the first error is the one that is told
                self._collect()

    # Telling

    def _tell_all(self, budget: StudyBudget, on_trial: Callable[[Trial[Any]], object]) -> None:
        while self._active and self._active[0].end is not None:
            active = self._active.popleft()
            trial = active.trial
            assert active.end is not None  # noqa: S101 - for the type checkers
            trial.status, trial.score = active.end
            self._take_over(active)
            if self.effects.known("finished", trial=trial.number) is None:
                self.effects.write("finished", trial=trial.number, status=trial.status, score=trial.score)
            self.study.trials.append(trial)
            with active.span.current():
                self._learn(trial)
            active.span.set(SCORE, trial.score)
            active.span.end()
            on_trial(trial)
            if trial.number == 0:
                self._warn(budget, trial)
            self._begin_all(budget)

    def _take_over(self, active: _Active) -> None:
        """Give the trials their new outcomes: only now, so that nobody sees them earlier where runs are faster."""
        for number in sorted({need.trial for need in active.asked}):
            trial = self._begun[number]
            had = {(outcome.case, outcome.replicate) for outcome in trial.outcomes}
            new = [
                self._outcomes[need]
                for need in sorted(active.asked)
                if need.trial == number and need in self._outcomes and need[1:] not in had
            ]
            trial.outcomes.extend(new)
            scores = self._scores(trial.outcomes)
            if new and trial is not active.trial and len(scores) == len(trial.outcomes):
                trial.score = sum(scores.values()) / len(scores)  # the best one so far, on cases that are new

    def _learn(self, trial: Trial[Any]) -> None:
        lessons = self._lessons[-1] if self._lessons else []
        if self._reflections is not None:
            trial.reflection = self._reflections.reflect(trial, self._cases)
            past = History(self.plan.space, self.study.trials, tuple(self._cases), tuple(lessons))
            lessons = self._reflections.lessons(trial.number, past)
        self._lessons.append(lessons)
        self.study.lessons = lessons

    def _warn(self, budget: StudyBudget, first: Trial[Any]) -> None:
        one = Spending(1, sum(first.fidelity for _ in first.outcomes), first.tokens, first.dollars, first.seconds)
        shortage = budget.shortage(one, done=1, planned=budget.trials)
        if shortage is not None:
            warnings.warn(shortage, BudgetWarning, stacklevel=2)

    # The end

    def _conclude(self) -> None:
        found = self._verdict()
        if found is not None:
            # For those who read the journal; it follows from what stands there.
            self.effects.once("verdict", lambda: {"verdict": asdict(found)}, trial=len(self.study.trials))
        self.study.verdict = found

    def _verdict(self) -> Verdict | None:
        """Run the finalists and the default once more, where that was planned, and compare them."""
        plan, trials = self.plan, self.study.trials
        chosen = finalists(trials)
        if not trials or trials[0].score is None:
            return None
        default = trials[0]
        if not plan.checked_times:
            scores = {trial.number: self._scores(trial.outcomes) for trial in (default, *chosen)}
            complete = sum(trial.status == "complete" for trial in trials[1:])
            return verdict(scores.pop(0), scores, is_fresh=False, considered=max(1, complete))
        needs = [
            Need(trial.number, case, replicate)
            for replicate in range(plan.checked_times)
            for case in range(len(plan.checks))
            for trial in (default, *chosen)
        ]
        for need in needs:
            if not self._is_there("check", need):
                self._submit("check", need, plan.checks[need.case])
        while self._pending:
            wait(self._pending, return_when=FIRST_COMPLETED)
            self._collect()
        for trial in (default, *chosen):
            trial.checked = [self._checks[need] for need in needs if need.trial == trial.number]
        checked = {trial.number: self._scores(trial.checked) for trial in (default, *chosen)}
        return verdict(checked.pop(0), checked, is_fresh=True)

    def _scores(self, outcomes: Sequence[Outcome]) -> dict[tuple[int, int], float]:
        found = {}
        for outcome in outcomes:
            score = self.plan.rules.failure_score if outcome.score is None else outcome.score
            if score is not None:
                found[outcome.case, outcome.replicate] = score
        return found
