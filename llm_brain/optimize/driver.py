"""The loop of a study: propose, run, tell, reflect, and in the end compare the best with the default.

    trial n is proposed when just the trials 0 .. n - parallel are told, in the order of their numbers

So what is tried depends on how many trials are under way at once, and never on which of them was faster or on which machine it
ran. Everything else that decides comes from the seed, and from the effects that the journal holds.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from llm_brain.optimize.advice import Advisor
from llm_brain.optimize.budget import BudgetWarning, Spending, StudyBudget
from llm_brain.optimize.concluding import comparison, concluded
from llm_brain.optimize.effects import Effects, reading
from llm_brain.optimize.executors.contract import Executor
from llm_brain.optimize.levelling import levelled
from llm_brain.optimize.models import Lesson
from llm_brain.optimize.plan import Plan
from llm_brain.optimize.proposers.contract import History, Proposer
from llm_brain.optimize.proposers.credit import Credit
from llm_brain.optimize.proposing import Proposing
from llm_brain.optimize.reflections import Reflections
from llm_brain.optimize.running import Running
from llm_brain.optimize.runs import End, Need, runs_of
from llm_brain.optimize.selection import FINALISTS
from llm_brain.optimize.silence import Silence
from llm_brain.optimize.study import Study, Trial, best_of
from llm_brain.tracing.names import HYPERPARAMETERS, KIND, PROPOSER, SCORE, STUDY_KIND, TRIAL, TRIAL_KIND
from llm_brain.tracing.spans import Span, span


@dataclass
class _Active:
    trial: Trial[Any]
    steps: Generator[list[Need], None, End]
    span: Span
    waits: list[Need] = field(default_factory=list)
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
        self.plan, self.effects = plan, effects
        silence = Silence()
        self._proposing = Proposing(plan, effects, silence, core=core, proposers=proposers, reputation=reputation or {})
        self._running = Running(plan, effects, executor)
        self._reflections = None if advisor is None else Reflections(advisor, effects, silence)
        self._cases = list(plan.cases)
        self._begun: list[Trial[Any]] = []
        self._active: deque[_Active] = deque()
        self._lessons: list[list[Lesson]] = []
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
            except BaseException as error:
                self._running.keep_what_is_done(error)
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
        found = self._proposing.next(self._begun, len(self.study.trials), self._history)
        if found is None:
            return False
        told, history = found
        with reading():
            trial = self._trial(number, told)
            self._cases.extend(self.plan.case(case) for case in told.get("cases", ()))
        here = span("trial", {KIND: TRIAL_KIND, TRIAL: number, PROPOSER: trial.proposer})
        here.begin()
        here.content(HYPERPARAMETERS, trial.hyperparameters)
        if self._reflections is not None and number > 0:
            trial.forecast = self._reflections.forecast(number, history)
        self._begun.append(trial)
        best = best_of(history.trials, trial.fidelity)
        parent = next((self._begun[parent] for parent in trial.parents), None) if told.get("gate") else None
        if parent is not None and parent.fidelity != trial.fidelity:
            parent = None  # scores at different fidelities tell nothing about each other: promotion decides
        steps = runs_of(
            trial,
            self.plan.units(len(self._cases)),
            self._running.outcomes,
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
            failure_score=self.plan.rules.failure_score,
        )

    def _history(self, told: int) -> History[Any]:
        """Give what is known when so many trials are told."""
        lessons = self._lessons[told - 1] if told else []
        return History(self.plan.space, self.study.trials[:told], tuple(self._cases), tuple(lessons))

    # Running

    def _advance(self) -> None:
        """Wait until a run is over, and go on with the trials that waited for it."""
        self._running.wait()
        for active in list(self._active):
            self._step(active)

    def _step(self, active: _Active) -> None:
        """Go on with a trial until it waits for runs, or has ended."""
        while active.end is None and all(need in self._running.outcomes for need in active.waits):
            try:
                active.waits = next(active.steps)
            except StopIteration as stopped:
                active.end = stopped.value
                return
            active.asked.update(active.waits)
            with active.span.current():
                for need in sorted(active.waits):
                    self._running.ask("outcome", need, self._begun[need.trial], self._cases[need.case])

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
            self._level()
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
                self._running.outcomes[need]
                for need in sorted(active.asked)
                if need.trial == number and need in self._running.outcomes and need[1:] not in had
            ]
            trial.outcomes.extend(new)
            scores = trial.scores
            if new and trial.status == "complete" and trial is not active.trial and len(scores) == len(trial.outcomes):
                trial.score = sum(scores.values()) / len(scores)  # the best one so far, on cases that are new

    def _level(self) -> None:
        if len(self._cases) > len(self.plan.cases):
            for number, score in levelled(self.study.trials, len(self.plan.cases)).items():
                self.study.trials[number].score = score

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
        others = FINALISTS if budget.trials is None else min(FINALISTS, budget.trials - 1)
        runs = (1 + others) * self.plan.checked_times * len(self.plan.checks) if others else 0
        share = runs / len(first.outcomes)
        last = Spending(tokens=round(first.tokens * share), dollars=first.dollars * share)
        shortage = budget.shortage(one, done=1, planned=budget.trials, last=last)
        if shortage is not None:
            with suppress(BudgetWarning):  # where warnings are errors: a study goes on without it
                warnings.warn(shortage, BudgetWarning, stacklevel=2)

    # The end

    def _conclude(self) -> None:
        """Run the finalists and the default once more, where that was planned, and compare them."""
        trials, checks = self.study.trials, self._running.checks
        if not trials:
            return
        needs = comparison(self.plan, trials)
        for need in needs:
            self._running.ask("check", need, trials[need.trial], self.plan.checks[need.case])
        while self._running.wait():
            pass
        for trial in trials:
            trial.checked = [checks[need] for need in needs if need.trial == trial.number]
        found = concluded(self.plan, trials)
        # For those who read the journal; it follows from what stands there.
        self.effects.once("verdict", lambda: {"verdict": asdict(found)}, trial=len(trials))
        self.study.verdict = found
