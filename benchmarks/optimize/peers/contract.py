"""What every optimiser of the benchmark is: it is asked for points, and told their losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Protocol

from benchmarks.optimize.spaces import Knob, Values


class Peer(Protocol):
    """An optimiser at work on one problem.

    It is told the default and its loss before it is asked for anything: so has every method the default first.
    """

    def ask(self) -> Values:
        """Give the next point; knobs that do not hold may be in it."""

    def tell(self, values: Values, loss: float) -> None:
        """Learn of a point: the one asked for last, or, at the very beginning, the default."""


def told(knobs: Sequence[Knob]) -> list[dict[str, Any]]:
    """Put knobs into JSON."""
    return [asdict(knob) for knob in knobs]


def read(knobs: Sequence[dict[str, Any]]) -> list[Knob]:
    """Read knobs from JSON.

    Example:
        >>> knob = Knob("rate", ("rate",), low=0.1, high=1.0)
        >>> read(told([knob])) == [knob]
        True
    """
    return [Knob(**{**knob, "path": tuple(knob["path"]), "choices": tuple(knob["choices"])}) for knob in knobs]


def whole(knobs: Sequence[Knob], values: Values) -> Values:
    """Give every knob a value: those that do not hold stand in the middle of their range."""
    return {knob.name: values.get(knob.name, knob.from_unit(0.5)) for knob in knobs}
