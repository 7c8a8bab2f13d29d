"""The trials of a study, and what it ended with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from llm_brain.optimize.budget import Spending
from llm_brain.optimize.models import ImprovementProbability, Lesson, TaskReflection
from llm_brain.optimize.objective import Outcome
from llm_brain.optimize.racing import Unit

Status = Literal["running", "complete", "stopped", "failed"]
Values = TypeVar("Values")
DEFAULT = "default"
PROMOTION = "promotion"


@dataclass
class Trial(Generic[Values]):
    """One set of hyperparameters, and the runs with it.

    Attributes:
        number: From 0, the default's.
        proposer: Who proposed it; "default" for the first one, "promotion" where an earlier one is run at a higher fidelity.
        hyperparameters: What was tried.
        point: The same as a flat mapping, without what its choices leave out.
        parents: The numbers of the trials that it was made from.
        note: What the proposer said about it.
        fidelity: How much of the whole work each run did, above 0; 1 is all of it.
        status: "complete": all runs were made; "stopped": after some of them it was clear that it is worse than another;
            "failed": a run failed.
        score: The mean over all runs; of a trial that was stopped, or has not run on cases that were added since, an estimate of
            it; of a failed one None.
        outcomes: What came of the runs.
        checked: What came of the runs on which the result is chosen, of a finalist.
        reflection: What the model learned from it; None where it gave no usable reflection.
        forecast: The model's forecast before it was run, where there is one.
        refused: Why proposals were not tried in its place, one line each.
        failure_score: What a run that failed counts as; None: as nothing, and the trial has failed.

    Example:
        >>> trial = Trial(0, "default", None, outcomes=[Outcome(0, 0, 0.5, seconds=2.0), Outcome(1, 0, 1.0, seconds=1.0)])
        >>> trial.by_case(), trial.seconds
        ({0: 0.5, 1: 1.0}, 3.0)
    """

    number: int
    proposer: str
    hyperparameters: Values
    point: dict[str, Any] = field(default_factory=dict)
    parents: tuple[int, ...] = ()
    note: str = ""
    fidelity: float = 1.0
    status: Status = "running"
    score: float | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    checked: list[Outcome] = field(default_factory=list)
    reflection: TaskReflection | None = None
    forecast: ImprovementProbability | None = None
    refused: tuple[str, ...] = ()
    failure_score: float | None = None

    @property
    def scores(self) -> dict[Unit, float]:
        """The scores of its runs, by case and replicate; a run that failed and counts as nothing is not there."""
        return scores_of(self.outcomes, self.failure_score)

    @property
    def seconds(self) -> float:
        """How long its runs took, one after the other."""
        return sum(outcome.seconds for outcome in self.outcomes)

    @property
    def tokens(self) -> int:
        """What its runs' calls of models read and wrote."""
        return sum(outcome.tokens for outcome in self.outcomes)

    @property
    def dollars(self) -> float:
        """What its runs cost."""
        return sum(outcome.dollars for outcome in self.outcomes)

    def by_case(self) -> dict[int, float]:
        """Give the mean score on each case, by its number; a case where a run failed and counts as nothing is not there."""
        scores: dict[int, list[float | None]] = {}
        for outcome in self.outcomes:
            scores.setdefault(outcome.case, []).append(self.failure_score if outcome.score is None else outcome.score)
        return {
            case: sum(known) / len(known)
            for case, told in scores.items()
            if len(known := [score for score in told if score is not None]) == len(told)
        }

    @property
    def worst(self) -> Outcome | None:
        """The run that failed, or else the one with the lowest score."""
        return min(self.outcomes, key=lambda outcome: (outcome.score is not None, outcome.score or 0.0), default=None)


@dataclass(frozen=True)
class Verdict:
    """What the study found: the best trial against the default.

    Attributes:
        trial: The number of the trial that is recommended: 0, the default's, where nothing was shown to be better.
        candidate: The number of the best trial, also where it was not shown to be better.
        gain: The mean difference of the scores of the candidate and of the default, in pairs.
        low, high: The interval of the gain; None where there are too few pairs for one.
        confidence: Of the interval, over all trials that were candidates.
        pairs: How many pairs there are.
        is_fresh: Whether these runs are others than those by which the candidate was chosen.
        reason: Why there is no pair, or what else has to be known about the pairs: which runs failed.

    Example:
        >>> Verdict(0, 3, 0.1, -0.1, 0.3, 0.95, 10, True).trial
        0
        >>> print(Verdict(3, 3, 0.1, 0.05, 0.15, 0.95, 10, True))
        Trial 3 is better than the default by 0.1 (95% interval 0.05 to 0.15, 10 pairs of fresh runs).
    """

    trial: int
    candidate: int
    gain: float
    low: float | None
    high: float | None
    confidence: float
    pairs: int
    is_fresh: bool
    reason: str = ""

    def __str__(self) -> str:
        from llm_brain.optimize.telling import verdict_words  # which needs this class

        return verdict_words(self)


@dataclass
class Study(Generic[Values]):
    """The trials of a study, oldest first.

    Attributes:
        trials: All of them that are over.
        cases: The task parameters that the trials are run on: what was given, and then what was proposed.
        lessons: What was learned from the trials.
        verdict: The best against the default; None while the study goes on.
        spending: What was spent; None while the study goes on.

    Example:
        >>> Study(trials=[]).best is None
        True
    """

    trials: list[Trial[Values]] = field(default_factory=list)
    cases: Sequence[Any] = ()
    lessons: Sequence[Lesson] = ()
    verdict: Verdict | None = None
    spending: Spending | None = None

    @property
    def best(self) -> Trial[Values] | None:
        """What is recommended: the trial of the verdict, or else, while there is none, the one with the best score.

        None where no trial has a score.
        """
        if self.verdict is not None:
            return next((one for one in self.trials if one.number == self.verdict.trial and one.score is not None), None)
        return best_of(self.trials)


def scores_of(outcomes: Iterable[Outcome], failure_score: float | None) -> dict[Unit, float]:
    """Give the scores of runs, by case and replicate; a run that failed counts as the failure score, or is not there.

    Example:
        >>> scores_of([Outcome(0, 0, 0.5), Outcome(1, 0, None)], None)
        {(0, 0): 0.5}
    """
    told = {(one.case, one.replicate): failure_score if one.score is None else one.score for one in outcomes}
    return {unit: score for unit, score in told.items() if score is not None}


def best_of(trials: Sequence[Trial[Values]], fidelity: float = 1.0) -> Trial[Values] | None:
    """Return the complete trial at a fidelity with the best score; the earliest of equals, None where there is none.

    Example:
        >>> best_of([Trial(0, "default", None, status="complete", score=0.5), Trial(1, "core", None, status="failed")]).number
        0
    """
    whole = [trial for trial in trials if trial.status == "complete" and trial.fidelity == fidelity and trial.score is not None]
    return max(whole, key=lambda trial: trial.score or 0.0, default=None) if whole else None
