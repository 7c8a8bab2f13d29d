"""What became of groups and evaluations, as numbers for a log."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class FeedbackCounts:
    """What became of the groups and evaluations.

    Attributes:
        submitted: Groups that were handed in.
        held_back: Steps that handed in nothing, since as many evaluations were in flight as may be.
        used: Groups that came back with their rewards.
        stale: Groups that were too old when their rewards came.
        asked: Evaluations and rankings that were asked for.
        failed: Evaluations and rankings that gave no score, those included that were not asked any more.
        predicted: Answers whose reward is the prediction alone: none of the budgeted calls was spent on them.
        staleness: How many used groups were so many updates old.
        seconds_waited: How long the training stood still for evaluations.
        budget_spent: Whether the budget of calls is spent, so that every new reward is the prediction alone.

    Example:
        >>> from collections import Counter
        >>> FeedbackCounts(used=4, staleness=Counter({1: 3, 5: 1})).mean_staleness
        2.0
    """

    submitted: int = 0
    held_back: int = 0
    used: int = 0
    stale: int = 0
    asked: int = 0
    failed: int = 0
    predicted: int = 0
    staleness: Counter[int] = field(default_factory=Counter)
    seconds_waited: float = 0.0
    budget_spent: bool = False

    @property
    def mean_staleness(self) -> float:
        """How many updates old a used group was on average; 0 where none was used."""
        return sum(age * number for age, number in self.staleness.items()) / max(1, self.staleness.total())

    def metrics(self) -> dict[str, float]:
        """Return all of it as numbers, by name.

        Example:
            >>> FeedbackCounts(used=2).metrics()["used"]
            2.0
        """
        return {
            "submitted": float(self.submitted),
            "held_back": float(self.held_back),
            "used": float(self.used),
            "stale": float(self.stale),
            "asked": float(self.asked),
            "failed": float(self.failed),
            "predicted": float(self.predicted),
            "staleness": self.mean_staleness,
            "seconds_waited": self.seconds_waited,
            "budget_spent": float(self.budget_spent),
        }
