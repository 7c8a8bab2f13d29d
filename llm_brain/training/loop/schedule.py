"""Learning rates over a training, as multiples of the largest: pure functions of how much of it is done."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final, Literal

ScheduleName = Literal["one_cycle", "cosine", "constant"]
WARM: Final = 0.1
LEAST: Final = 0.01


def one_cycle(done: float) -> float:
    """Rise for a tenth of the training, then fall along a cosine to a hundredth (Smith and Topin 2018).

    Args:
        done: The share of the updates that are behind, 0 to 1, with the one that is about to be made.

    Example:
        >>> one_cycle(0.05), one_cycle(0.1), round(one_cycle(1.0), 3)
        (0.5, 1.0, 0.01)
    """
    return done / WARM if done < WARM else cosine((done - WARM) / (1 - WARM))


def cosine(done: float) -> float:
    """Fall along a cosine to a hundredth (Loshchilov and Hutter 2017).

    Example:
        >>> cosine(0.0), round(cosine(1.0), 3)
        (1.0, 0.01)
    """
    return LEAST + (1 - LEAST) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def constant(done: float) -> float:  # noqa: ARG001 - all schedules are called alike
    """Stay.

    Example:
        >>> constant(0.7)
        1.0
    """
    return 1.0


SCHEDULES: Final[Mapping[ScheduleName, Callable[[float], float]]] = {
    "one_cycle": one_cycle,
    "cosine": cosine,
    "constant": constant,
}
