"""One call that ranks K answers in place of K calls: an order -> scores.

The best answer has the highest score, the worst the lowest, and the others lie evenly between them. Such a score compares the
answers of one group with each other, and says nothing of another group's.
"""

from __future__ import annotations

from collections.abc import Sequence

from llm_brain.errors import BackendError


def rank_scores(order: Sequence[int], number: int, score_range: tuple[float, float] = (0.0, 1.0)) -> tuple[float, ...]:
    """Turn an order into scores.

    Args:
        order: The places of the answers, best first.
        number: Of the answers.
        score_range: The score of the worst, and that of the best. A single answer has the middle.

    Returns:
        The score of each answer.

    Raises:
        BackendError: The order does not hold each place once.

    Example:
        >>> rank_scores([2, 0, 1], 3)
        (0.5, 0.0, 1.0)
    """
    if sorted(order) != list(range(number)):
        message = f"a ranking of {number} answers must hold each place from 0 to {number - 1} once, got {list(order)!r:.200}"
        raise BackendError(message, kind="validation", retryable=True)
    low, high = score_range
    if number == 1:
        return ((low + high) / 2,)
    places = {answer: place for place, answer in enumerate(order)}
    return tuple(high - (high - low) * places[answer] / (number - 1) for answer in range(number))
