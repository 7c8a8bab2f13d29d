"""Answers made about as frequent as each other, by leaving out some of the frequent ones."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from statistics import median_low


def balanced(answers: Sequence[int], options: int, *, most: float = 1.5, seed: int = 0) -> list[int]:
    """Choose at random which answers to keep, so that none stands there more than `most` times as often as the middle one.

    The middle one is the lower median of the frequencies, and of two options the rarer: the others are not thrown away for an
    option that hardly ever comes.

    Args:
        answers: Each by the number of its option.
        options: How many options there are. Where one has no answer, all are kept.
        most: At least 1.
        seed: Draws.

    Returns:
        The places of those that are kept, in their order.

    Example:
        >>> len(balanced([0, 0, 0, 0, 1], 2, most=2.0)), len(balanced([0, 0, 0, 0, 1, 1, 2], 3, most=1.5))
        (3, 6)
    """
    by_answer: dict[int, list[int]] = defaultdict(list)
    for place, answer in enumerate(answers):
        by_answer[answer].append(place)
    if len(by_answer) < options:
        return list(range(len(answers)))
    limit = int(most * median_low(map(len, by_answer.values())))
    generator = random.Random(seed)
    return sorted(place for group in by_answer.values() for place in generator.sample(group, min(limit, len(group))))
