"""Which pairs are learned from, which validate, and which calibrate a cascade."""

from __future__ import annotations

import random

from llm_brain.errors import DataError
from llm_brain.training.data import Pair, PairSet
from llm_brain.training.data.texts import normalized

FEWEST = 4


def split_pairs(pairs: PairSet, held_out: float, seed: int) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """Split pairs at random: to learn from, to validate with, and to calibrate with.

    Args:
        pairs: All of them.
        held_out: The share that is not learned from; half of it validates, half calibrates.
        seed: Of the order.

    Raises:
        DataError: There are too few.

    Example:
        >>> from llm_brain.training.answers import answer_for
        >>> pairs = PairSet(answer_for(bool))
        >>> _ = [pairs.add(Pair(f"text {number}", True)) for number in range(10)]
        >>> [len(part) for part in split_pairs(pairs, 0.4, seed=0)]
        [6, 2, 2]
    """
    if len(pairs.pairs) < FEWEST:
        message = f"{len(pairs.pairs)} pairs are too few to teach anything: give {FEWEST} at least; refused: {pairs.refusals()}"
        raise DataError(message)
    order = list(pairs.pairs)
    random.Random(seed).shuffle(order)
    each = max(1, round(len(order) * held_out / 2))
    return order[2 * each :], order[:each], order[each : 2 * each]


def set_aside(pairs: PairSet, held_out: PairSet, seed: int) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """Split pairs that are held out at random in two halves, and leave them out of those that are learned from.

    Args:
        pairs: To learn from.
        held_out: To validate with, and to calibrate with.
        seed: Of the order.

    Raises:
        DataError: Too few are held out.

    Example:
        >>> from llm_brain.training.answers import answer_for
        >>> pairs, aside = PairSet(answer_for(bool)), PairSet(answer_for(bool))
        >>> _ = [pairs.add(Pair(f"text {number}", True)) for number in range(10)]
        >>> _ = [aside.add(Pair(f"text {number}", True)) for number in range(8, 12)]
        >>> [len(part) for part in set_aside(pairs, aside, seed=0)]
        [8, 2, 2]
    """
    if len(held_out) < 2:  # noqa: PLR2004 - one for each half
        message = (
            f"{len(held_out)} pairs are held out: give 2 at least, to validate with one and to calibrate with the other; "
            f"refused: {held_out.refusals()}"
        )
        raise DataError(message)
    taken = {normalized(pair.text) for pair in held_out.pairs}
    order = list(held_out.pairs)
    random.Random(seed).shuffle(order)
    half = len(order) // 2
    return [pair for pair in pairs.pairs if normalized(pair.text) not in taken], order[:half], order[half:]
