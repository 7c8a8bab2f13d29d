"""What is not worth a trial: a point whose neighbours all did badly, and one that was tried with other digits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from llm_brain.optimize.proposers.contract import History
from llm_brain.optimize.proposers.scales import Scale, scales

NEIGHBOURS: Final = 3
LEAST_TRIALS: Final = 8
WORST: Final = 1 / 3
NEAR: Final = 0.25
"""How far apart neighbours are at most, as a share of a side of the space, in the mean over the knobs."""

ALIKE: Final = 0.0005
"""How far apart, as a share of a side, numbers are told apart."""


def is_repeated(history: History[Any], point: Mapping[str, Any]) -> bool:
    """Tell whether a point was tried already, but for digits that do not matter: a language model rounds what it repeats.

    Args:
        history: What was tried.
        point: What is proposed.

    Example:
        >>> from pydantic import BaseModel, Field
        >>> from llm_brain.optimize.space import Space
        >>> from llm_brain.optimize.study import Trial
        >>> class Knobs(BaseModel):
        ...     rate: float = Field(0.5, ge=0.0, le=1.0)
        >>> history = History(Space(Knobs), [Trial(0, "core", None, {"rate": 0.123456})])
        >>> is_repeated(history, {"rate": 0.1235}), is_repeated(history, {"rate": 0.2})
        (True, False)
    """
    scaled = scales(history.space)
    return any(
        trial.point.keys() == point.keys() and all(_alike(scaled.get(name), point[name], trial.point[name]) for name in point)
        for trial in history.trials
    )


def is_hopeless(history: History[Any], point: Mapping[str, Any]) -> bool:
    """Tell whether all neighbours of a point are among the worst third of all trials. Of texts nothing is known.

    Args:
        history: What was tried.
        point: What is proposed.

    Example:
        >>> from pydantic import BaseModel, Field
        >>> from llm_brain.optimize.space import Space
        >>> from llm_brain.optimize.study import Trial
        >>> class Knobs(BaseModel):
        ...     rate: float = Field(0.5, ge=0.0, le=1.0)
        >>> trials = [Trial(n, "core", None, {"rate": n / 10}, status="complete", score=n / 10) for n in range(10)]
        >>> history = History(Space(Knobs), trials)
        >>> is_hopeless(history, {"rate": 0.05}), is_hopeless(history, {"rate": 0.95})
        (True, False)
    """
    scaled = scales(history.space)
    fidelity = history.trials[-1].fidelity if history.trials else 1.0
    tried = [trial for trial in history.trials if trial.fidelity == fidelity]
    if not scaled or len(tried) < LEAST_TRIALS or any(name in point for name in history.space.texts):
        return False
    values = [-math.inf if trial.score is None else trial.score for trial in tried]
    threshold = sorted(values)[math.ceil(len(values) * WORST) - 1]
    near = sorted((_distance(scaled, point, trial.point), place) for place, trial in enumerate(tried))[:NEIGHBOURS]
    return all(distance <= NEAR and values[place] <= threshold for distance, place in near)


def _distance(scaled: Mapping[str, Scale], one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    parts: Sequence[float] = [
        _apart(scale, one[name], other[name]) if name in one and name in other else 1.0
        for name, scale in scaled.items()
        if name in one or name in other
    ]
    return sum(parts) / len(parts) if parts else 0.0


def _apart(scale: Scale, one: Any, other: Any) -> float:
    if scale.is_choice:
        return float(one != other)
    return abs(scale.unit(one) - scale.unit(other))


def _alike(scale: Scale | None, one: Any, other: Any) -> bool:
    if scale is None or not isinstance(other, float):
        return bool(one == other)
    return abs(scale.unit(one) - scale.unit(other)) <= ALIKE
