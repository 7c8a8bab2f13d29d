"""Knobs on scales that do not depend on their names, their units or their order: reals on [0, 1], whole numbers from 0.

So that a sampler draws the same, whatever the knobs are called and in whichever units they are told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from llm_brain.optimize.parts import Part
from llm_brain.optimize.space import Space

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.distributions import BaseDistribution


class Scale:
    """A knob's own scale.

    Args:
        part: The knob.
        name: What a sampler is told that it is called.

    Example:
        >>> from optuna.distributions import FloatDistribution
        >>> scale = Scale(Part("rate", ("rate",), FloatDistribution(0.01, 1.0, log=True)), "a")
        >>> round(scale.inward(0.1), 3), round(scale.outward(0.5), 3)
        (0.5, 0.1)
    """

    def __init__(self, part: Part, name: str) -> None:
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        self.part, self.name = part, name
        self.distribution: BaseDistribution
        self._told: Any = part.distribution
        told = self._told
        if isinstance(told, CategoricalDistribution):
            self.distribution = CategoricalDistribution(tuple(range(len(told.choices))))
        elif (steps := self._steps) is not None:
            self.distribution = IntDistribution(0, steps)
        elif isinstance(told, IntDistribution):
            self.distribution = told  # of whole numbers on a logarithmic scale the unit is one
        else:
            self.distribution = FloatDistribution(0.0, 1.0)

    def inward(self, value: Any) -> Any:
        """Translate a value of the knob."""
        told = self._told
        if hasattr(told, "choices"):
            return told.choices.index(value)
        if self._steps is not None:
            return round((value - told.low) / told.step)
        if isinstance(told.low, int):
            return value
        if told.high == told.low:
            return 0.0
        low, high, here = (math.log(x) if told.log else x for x in (told.low, told.high, value))
        return min(1.0, max(0.0, (here - low) / (high - low)))

    def outward(self, value: Any) -> Any:
        """Translate a value back."""
        told = self._told
        if hasattr(told, "choices"):
            return told.choices[value]
        if self._steps is not None:  # in decimals, as they are written: 0.1 + 2 * 0.1 is 0.3
            return type(told.low)(Decimal(str(told.low)) + int(value) * Decimal(str(told.step)))
        if isinstance(told.low, int):
            return int(value)
        if told.log:
            found = math.exp(math.log(told.low) + value * (math.log(told.high) - math.log(told.low)))
        else:
            found = told.low + value * (told.high - told.low)
        return min(told.high, max(told.low, found))

    def unit(self, value: Any) -> float:
        """Give the place of a value between 0 and 1; of a choice its number."""
        inside, told = self.inward(value), self._told
        if hasattr(told, "choices"):
            return float(inside)
        if self._steps is not None or isinstance(told.low, int):
            low, high, here = (math.log(x) if told.log else x for x in (told.low, told.high, value))
            return (here - low) / (high - low) if high > low else 0.0
        return float(inside)

    @property
    def is_choice(self) -> bool:
        """Whether its values have no order."""
        return hasattr(self._told, "choices")

    @property
    def _steps(self) -> int | None:
        """How many steps lead to its last value, where its values can be counted: whole numbers, and multiples of a unit."""
        told = self._told
        return None if self.is_choice or told.log or told.step is None else round((told.high - told.low) / told.step)

    def draw(self, trial: Trial) -> Any:
        """Let a sampler draw a value."""
        told: Any = self.distribution
        if self.is_choice:
            return self.outward(trial.suggest_categorical(self.name, list(told.choices)))
        if isinstance(told.low, int):
            return self.outward(trial.suggest_int(self.name, told.low, told.high, log=told.log))
        return self.outward(trial.suggest_float(self.name, told.low, told.high))


def scales(space: Space[Any]) -> dict[str, Scale]:
    """Give the scales of all knobs by their names, in an order that no name decides; a choice before what depends on it.

    Example:
        >>> from pydantic import BaseModel, Field
        >>> class Knobs(BaseModel):
        ...     fast: bool = False
        ...     rate: float = Field(0.5, ge=0, le=1)
        >>> [(name, scale.name) for name, scale in scales(Space(Knobs)).items()]
        [('fast', 'p00'), ('rate', 'p01')]
    """
    default = space.point(space.default)

    def order(part: Part) -> tuple[Any, ...]:
        scale = Scale(part, "")
        depth = 0
        parts = {other.name: other for other in space.knobs}
        above: Part | None = part
        while above is not None and above.condition is not None:
            depth, above = depth + 1, parts.get(above.condition[0])
        begins = round(scale.unit(default[part.name]), 9) if part.name in default else -1.0
        return depth, type(scale.distribution).__name__, str(scale.distribution), begins

    ordered = sorted(space.knobs, key=order)
    return {part.name: Scale(part, f"p{place:02}") for place, part in enumerate(ordered)}


def active(scales_of: Mapping[str, Scale], point: Mapping[str, Any]) -> dict[str, Any]:
    """Give the knobs that a point has.

    Example:
        >>> active({}, {"rate": 0.1})
        {}
    """
    return {name: point[name] for name in scales_of if name in point}
