"""Every combination of what a generator of pairs is varied by, in random order."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Final

from llm_brain.errors import DataError

# So many are shuffled as a list; of more, which only documents by the thousand give, as many are drawn as are wanted.
_MOST_SHUFFLED: Final = 1_000_000


def combinations(values: Mapping[str, Sequence[str]], number: int, *, seed: int = 0) -> list[dict[str, str]]:
    """Draw combinations of values, none twice until all were drawn.

    Args:
        values: What each name may stand for.
        number: How many combinations.
        seed: Draws the order.

    Raises:
        DataError: A name has no values.

    Example:
        >>> drawn = combinations({"product": ["kettle"], "mood": ["happy", "unhappy"]}, 2)
        >>> sorted(one["mood"] for one in drawn), combinations({}, 1)
        (['happy', 'unhappy'], [{}])
    """
    empty = next((name for name, given in values.items() if not given), None)
    if empty is not None:
        message = f"`{empty}` has no values: there is nothing to combine"
        raise DataError(message)
    total = math.prod(map(len, values.values()))
    generator = random.Random(seed)
    if total <= _MOST_SHUFFLED:
        order = list(range(total))
        generator.shuffle(order)
    else:
        order = generator.sample(range(total), min(number, total))
    return [_combination(values, order[index % len(order)]) for index in range(number)]


def _combination(values: Mapping[str, Sequence[str]], place: int) -> dict[str, str]:
    """Give the combination at a place of the list in which the last name changes fastest."""
    chosen = {}
    for name, given in reversed(list(values.items())):
        place, index = divmod(place, len(given))
        chosen[name] = given[index]
    return {name: chosen[name] for name in values}
