"""What can be tuned of a pydantic model, as every peer can be told of it: flat knobs, some of which depend on another's value.

A tagged union is a categorical knob, its tag, with the fields of each member below it. The benchmark reads models by itself, so
that the library which it measures is not also the ruler.

    >>> from benchmarks.optimize.problems import PROBLEMS
    >>> [knob.name for knob in knobs_of(PROBLEMS["kernels"].hyperparameters)][:4]
    ['cost', 'epsilon', 'kernel.kind', 'kernel.linear.scale']
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

import numpy as np
from pydantic import BaseModel
from pydantic.fields import FieldInfo

Values = dict[str, Any]
"""Values of knobs by name; only those that hold."""


@dataclass(frozen=True)
class Knob:
    """One thing to tune.

    Attributes:
        name: Unique among the knobs: the fields on the way, and the tag where a union is on it.
        path: The fields on the way.
        choices: Of a categorical knob.
        low, high: Of a number.
        integer, log: How a number is searched.
        parent: The name of the tag which it depends on, if it does, and
        tag: the value which that has to have.
    """

    name: str
    path: tuple[str, ...]
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    integer: bool = False
    log: bool = False
    parent: str | None = None
    tag: str | None = None

    def from_unit(self, share: float) -> Any:
        """Give the value at a share of the range."""
        share = min(max(share, 0.0), 1.0)
        if self.choices:
            return self.choices[min(int(share * len(self.choices)), len(self.choices) - 1)]
        low, high = (self.low - 0.5, self.high + 0.5) if self.integer else (self.low, self.high)
        if self.log:
            low = max(low, self.low / 2)
            value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        else:
            value = low + share * (high - low)
        value = min(max(value, self.low), self.high)
        return round(value) if self.integer else value

    def to_unit(self, value: Any) -> float:
        """Give the share of the range at which a value stands."""
        if self.choices:
            return (self.choices.index(value) + 0.5) / len(self.choices)
        low, high = (self.low - 0.5, self.high + 0.5) if self.integer else (self.low, self.high)
        if self.log:
            low = max(low, self.low / 2)
            return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
        return float((value - low) / (high - low))


def knobs_of(model: type[BaseModel], path: tuple[str, ...] = (), name: str = "", **condition: Any) -> list[Knob]:
    """Give a model's knobs, a tag before what depends on it."""
    found: list[Knob] = []
    for field_name, field in model.model_fields.items():
        own_path, own_name = (*path, field_name), f"{name}{field_name}"
        annotation = field.annotation
        members = [part for part in get_args(annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
        if field.discriminator is not None and get_origin(annotation) is not Literal and members:
            assert isinstance(field.discriminator, str)
            tags = [get_args(member.model_fields[field.discriminator].annotation)[0] for member in members]
            parent = f"{own_name}.{field.discriminator}"
            found.append(Knob(parent, (*own_path, field.discriminator), choices=tuple(tags), **condition))
            for tag, member in zip(tags, members, strict=True):
                found += knobs_of(member, own_path, f"{own_name}.{tag}.", parent=parent, tag=tag)
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found += knobs_of(annotation, own_path, f"{own_name}.", **condition)
        elif (knob := _knob(own_name, own_path, field, condition)) is not None:
            found.append(knob)
    return found


def _knob(name: str, path: tuple[str, ...], field: FieldInfo, condition: dict[str, Any]) -> Knob | None:
    if get_origin(field.annotation) is Literal:
        choices = get_args(field.annotation)
        return Knob(name, path, choices=choices, **condition) if len(choices) > 1 else None  # a member's own tag
    if field.annotation is bool:
        return Knob(name, path, choices=(False, True), **condition)
    bounds = {kind: getattr(part, kind) for part in field.metadata for kind in ("ge", "le") if hasattr(part, kind)}
    extra = field.json_schema_extra
    log = bool(isinstance(extra, Mapping) and extra.get("log"))
    return Knob(name, path, (), bounds["ge"], bounds["le"], field.annotation is int, log, **condition)


def holds(knob: Knob, values: Mapping[str, Any]) -> bool:
    """Tell whether a knob does anything beside these values."""
    return knob.parent is None or values.get(knob.parent) == knob.tag


def active(knobs: list[Knob], values: Mapping[str, Any]) -> Values:
    """Keep only the values that hold."""
    return {knob.name: values[knob.name] for knob in knobs if holds(knob, values)}


def flat(knobs: list[Knob], model: BaseModel) -> Values:
    """Give a model's values by knob."""
    dumped = model.model_dump()
    found: Values = {}
    for knob in knobs:
        if holds(knob, found):
            value: Any = dumped
            for part in knob.path:
                value = value[part]
            found[knob.name] = value
    return found


def nested(knobs: list[Knob], values: Mapping[str, Any]) -> dict[str, Any]:
    """Give what the model is validated from; what does not hold is left out."""
    found: dict[str, Any] = {}
    for knob in knobs:
        if holds(knob, values):
            place = found
            for part in knob.path[:-1]:
                place = place.setdefault(part, {})
            place[knob.path[-1]] = values[knob.name]
    return found


def drawn(knobs: list[Knob], random: np.random.Generator) -> Values:
    """Draw uniformly, each knob on its own scale."""
    return active(knobs, {knob.name: knob.from_unit(float(random.random())) for knob in knobs})


def near(knobs: list[Knob], values: Mapping[str, Any], random: np.random.Generator, width: float, flips: float = 0.15) -> Values:
    """Draw around a point: numbers by a Gaussian of this width, as a share of the range, and now and then another choice."""
    found: Values = {}
    for knob in knobs:
        value = values.get(knob.name)
        if value is None or (knob.choices and random.random() < flips):
            found[knob.name] = knob.from_unit(float(random.random()))
        elif knob.choices:
            found[knob.name] = value
        else:
            found[knob.name] = knob.from_unit(knob.to_unit(value) + width * float(random.standard_normal()))
    return active(knobs, found)
