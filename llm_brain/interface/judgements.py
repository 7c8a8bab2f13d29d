"""What a judge says of outputs, what it takes, and what is said where it says nothing."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from llm_brain.errors import LLMBrainError

DEADLINE: Final = 120.0
CONCURRENCY: Final = 16


class FeedbackWarning(UserWarning):
    """A judge gave no score at all where some were asked for.

    Example:
        >>> issubclass(FeedbackWarning, UserWarning)
        True
    """


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge says of one output.

    Attributes:
        task: What the network was given.
        output: What it answered, as the judge read it.
        score: Between 0 and 1; None where the evaluation failed.
        reason: The judge's, where one was given.
        error: Why there is no score.

    Example:
        >>> Judgement("Say hello.", "Hello!", 1.0, "It is one.").score
        1.0
    """

    task: str
    output: str
    score: float | None
    reason: str = ""
    error: LLMBrainError | None = None


@dataclass
class Tally:
    """What evaluations took.

    Attributes:
        evaluations: How many were asked for.
        failures: How many of them gave no score.
        calls: How many replies were asked of the model; what it was asked again counts again, and kept answers do not.
        cost: What they cost, in US dollars; None where that is not known.

    Example:
        >>> Tally().cost
        0.0
    """

    evaluations: int = 0
    failures: int = 0
    calls: int = 0
    cost: float | None = 0.0

    def add(self, *, failed: bool, calls: int, cost: float | None) -> None:
        """Add what one evaluation took."""
        self.evaluations += 1
        self.failures += failed
        self.calls += calls
        self.cost = None if self.cost is None or cost is None else self.cost + cost


def average(judgements: Sequence[Judgement]) -> float | None:
    """Average the scores that there are.

    Returns:
        The average; None where there is none.

    Example:
        >>> average([Judgement("a", "b", 0.5), Judgement("a", "c", None)])
        0.5
    """
    scores = [judgement.score for judgement in judgements if judgement.score is not None]
    return sum(scores) / len(scores) if scores else None


def warn_of_silence(number: int, error: LLMBrainError | None, consequence: str) -> None:
    """Warn that judgements were asked for and not one has a score.

    Args:
        number: How many.
        error: Why one of them has none; None: they were not there in time.
        consequence: What follows from it.

    Example:
        >>> with warnings.catch_warnings(record=True) as told:
        ...     warnings.simplefilter("always")
        ...     warn_of_silence(3, None, "there is no average")
        >>> str(told[0].message)
        'none of 3 evaluations gave a score: there is no average; none of them was there in time'
    """
    why = "none of them was there in time" if error is None else f"one of the reasons: {error}"
    message = f"none of {number} evaluations gave a score: {consequence}; {why}"
    warnings.warn(message, FeedbackWarning, stacklevel=4)
