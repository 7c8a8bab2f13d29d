"""From which confidence on the brain may answer itself, so that the cascade agrees with the model often enough.

    loss of a call at threshold t    1 where confidence >= t and the brain's answer is not the model's, 0 elsewhere
    threshold                        the smallest t with  n/(n+1) mean loss(t) + 1/(n+1) <= 1 - agreement

This is conformal risk control (Angelopoulos, Bates, Fisch, Lei and Schuster 2022, arXiv 2208.02814): the loss falls in t and is
at most 1. Where a new call is exchangeable with the n held-out ones, its expected loss is at most 1 - agreement: over the draw of
the held-out calls and of the new one, the cascade's answer is the model's with a probability of at least `agreement`. For one set
of held-out calls that was drawn, the agreement may lie below, by chance; the more calls, the less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from llm_brain.errors import ArgumentError


def threshold(confidences: Sequence[float], agrees: Sequence[bool], agreement: float) -> float:
    """Find from which confidence on the brain may answer itself.

    Args:
        confidences: How sure the brain is of its answer to each held-out call, in any unit.
        agrees: Whether that answer is the model's.
        agreement: The share of all calls, those that the model answers included, on which the answer shall be the model's.

    Returns:
        One of the confidences: the brain answers where it is at least that sure, and never where it is less sure than it was of
        any held-out call. Infinity where there is no such confidence: then the model answers everything.

    Raises:
        ArgumentError: There is not one confidence for each answer, one is not a number, or no number of calls can hold
            `agreement`.

    Example:
        >>> threshold([0.9, 0.8, 0.7, 0.6], [True, True, False, True], agreement=0.75)
        0.8
        >>> threshold([0.9, 0.8, 0.7, 0.6], [True, True, False, True], agreement=0.95), held_out_needed(0.95)
        (inf, 19)
    """
    if len(confidences) != len(agrees) or any(map(math.isnan, confidences)):
        message = f"{len(confidences)} confidences and {len(agrees)} answers: give one confidence, a number, for each answer"
        raise ArgumentError(message)
    # The condition in whole numbers: so many held-out calls may disagree at or above the threshold.
    allowed = math.floor(_tolerated(agreement) * (len(agrees) + 1)) - 1
    if allowed < 0:
        return math.inf
    lowest, disagreed = math.inf, 0
    by_confidence = sorted(zip(confidences, agrees, strict=True), reverse=True)
    for place, (confidence, agreed) in enumerate(by_confidence):
        disagreed += not agreed
        if disagreed > allowed:
            break
        # Calls of the same confidence are on the same side: only the last of them may become the threshold.
        if place + 1 == len(by_confidence) or by_confidence[place + 1][0] < confidence:
            lowest = confidence
    return lowest


def coverage(confidences: Sequence[float], threshold: float) -> float:
    """Tell which share of calls the brain answers itself.

    Raises:
        ArgumentError: There are no calls.

    Example:
        >>> coverage([0.9, 0.8, 0.7, 0.6], 0.8)
        0.5
    """
    if not confidences:
        message = "there are no confidences: a share of no calls is undefined"
        raise ArgumentError(message)
    return sum(confidence >= threshold for confidence in confidences) / len(confidences)


def held_out_needed(agreement: float) -> int:
    """Tell how many held-out calls it takes at least, all of them agreed on, for the brain to answer anything.

    Raises:
        ArgumentError: No number of calls can hold `agreement`.

    Example:
        >>> held_out_needed(0.9), held_out_needed(0.99)
        (9, 99)
    """
    return math.ceil(1 / _tolerated(agreement)) - 1


def _tolerated(agreement: float) -> Fraction:
    if not 0 < agreement < 1:
        message = f"agreement must lie between 0 and 1, got {agreement}; to agree always, ask the model alone"
        raise ArgumentError(message)
    # As it was written: 1 - 0.9 in floating point is less than a tenth, which would cost one call more.
    return 1 - Fraction(str(float(agreement)))
