"""What of a brain can be switched off, to see what it is good for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from llm_brain.brain.layers.modulators import Channel
from llm_brain.errors import ArgumentError

Ablation = Channel | Literal["eligibility", "plasticity"]
ABLATIONS: tuple[Ablation, ...] = (*get_args(Channel), "eligibility", "plasticity")


def checked_ablations(ablations: Iterable[Ablation]) -> frozenset[Ablation]:
    """Collect ablations by name.

    Raises:
        ArgumentError: There is none of that name.

    Example:
        >>> sorted(checked_ablations(["eligibility", "dopamine"]))
        ['dopamine', 'eligibility']
        >>> checked_ablations(["adrenaline"])
        Traceback (most recent call last):
        ...
        llm_brain.errors.ArgumentError: nothing called 'adrenaline' can be ablated: choose from dopamine, ...
    """
    chosen = frozenset(ablations)
    unknown = sorted(chosen.difference(ABLATIONS))
    if unknown:
        message = f"nothing called {unknown[0]!r} can be ablated: choose from {', '.join(ABLATIONS)}"
        raise ArgumentError(message)
    return chosen
