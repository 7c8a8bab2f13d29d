"""Axes of a chart: from a value to a place in the picture, and where the ticks are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Axis:
    """An axis.

    Attributes:
        low, high: The values at its ends.
        begin, end: Where these are in the picture.

    Example:
        >>> axis = Axis(0.0, 10.0, 100.0, 0.0)
        >>> axis.place(2.5), axis.place(99.0), axis.ticks(4)
        (75.0, 0.0, [0.0, 2.5, 5.0, 7.5, 10.0])
    """

    low: float
    high: float
    begin: float
    end: float

    def place(self, value: float) -> float:
        """Give the place of a value; of one beyond the ends, that of the end."""
        share = (min(self.high, max(self.low, value)) - self.low) / ((self.high - self.low) or 1.0)
        return round(self.begin + share * (self.end - self.begin), 2)

    def ticks(self, about: int, *, whole: bool = False) -> list[float]:
        """Give round values between the ends, about so many."""
        rough = (self.high - self.low) / max(1, about) or 1.0
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * step for step in _STEPS if unit * step >= rough * 0.999)
        step = max(1.0, round(step)) if whole else step
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(number * step, 12) for number in range(first, last + 1)]


def span_of(values: Sequence[float], *, margin: float = 0.06) -> tuple[float, float]:
    """Give the ends of an axis that shows values; a few that lie far below the others are left to its lower end.

    Example:
        >>> span_of([0.5, 0.6, 0.7], margin=0.0), span_of([-1e9, *[0.5, 0.6] * 10], margin=0.0)
        ((0.5, 0.7), (0.3, 0.6))
    """
    if not values:
        return 0.0, 1.0
    ordered = sorted(values)
    high, tenth = ordered[-1], ordered[math.ceil(len(ordered) / 10)] if len(ordered) > 1 else ordered[0]
    width = high - tenth or abs(high) * 0.1 or 1.0
    low = max(ordered[0], tenth - 2 * width)
    space = margin * ((high - low) or width)
    return round(low - space, 12), round(high + space, 12)
