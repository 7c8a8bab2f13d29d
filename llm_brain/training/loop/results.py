"""What a validation finds, and what comes of a training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Validation:
    """What a validation found.

    Attributes:
        score: The higher, the better.
        metrics: What else is to be seen in the trace; numbers stand in the history, too, as `validation_...`.
        tie: Of two validations of the same score, the better is the one with the higher; a number that says more than a share.

    Example:
        >>> Validation(0.9).metrics
        {}
    """

    score: float
    metrics: dict[str, Any] = field(default_factory=dict)
    tie: float = 0.0


@dataclass(frozen=True)
class TrainingResult:
    """What came of a training; the learner holds the best weights.

    Attributes:
        score: Their validation score; None without validation, and the weights are the last ones.
        history: Metrics of each epoch.
        resumed_steps: How many updates were taken over from an earlier, interrupted run.

    Example:
        >>> TrainingResult(0.9).resumed_steps
        0
    """

    score: float | None
    history: list[dict[str, float]] = field(default_factory=list)
    resumed_steps: int = 0
