"""A model whose names and ranges tell nothing: `p0` from 0 to 1, and choices that are called `c0`, `c1`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, Field, create_model

from benchmarks.optimize.spaces import Knob, Values, active, flat, knobs_of, nested


def obfuscated(model: type[BaseModel]) -> tuple[type[BaseModel], Callable[[BaseModel], BaseModel]]:
    """Give such a model, flat, and what turns its values back.

    Example:
        >>> from benchmarks.optimize.problems import PROBLEMS
        >>> hidden, back = obfuscated(PROBLEMS["kernels"].hyperparameters)
        >>> list(hidden.model_fields)[:3], back(hidden()).model_dump()["kernel"]["kind"]
        (['p0', 'p1', 'p2'], 'rbf')
    """
    knobs = knobs_of(model)
    default = flat(knobs, model())
    fields: dict[str, Any] = {f"p{place}": _field(knob, default) for place, knob in enumerate(knobs)}

    def back(values: BaseModel) -> BaseModel:
        told: Values = {}
        for place, knob in enumerate(knobs):
            given = getattr(values, f"p{place}")
            told[knob.name] = knob.choices[int(given[1:])] if knob.choices else knob.from_unit(given)
        return model.model_validate(nested(knobs, active(knobs, told)))

    return create_model("Values", **fields), back


def _field(knob: Knob, default: Values) -> tuple[Any, Any]:
    value = default.get(knob.name, knob.from_unit(0.5))
    if knob.choices:
        return Literal[tuple(f"c{place}" for place in range(len(knob.choices)))], f"c{knob.choices.index(value)}"
    return float, Field(round(knob.to_unit(value), 12), ge=0.0, le=1.0)
