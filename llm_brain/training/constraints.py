"""What an annotation says of its values beside their type: bounds, steps, and what a brain could not promise to keep."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, NewType, get_args, get_origin

import annotated_types
from pydantic import AllowInfNan, Strict
from pydantic.fields import FieldInfo

from llm_brain.strategy.annotations.parts import expanded

BOUNDS: Final = (annotated_types.Ge, annotated_types.Gt, annotated_types.Le, annotated_types.Lt, annotated_types.MultipleOf)
_HARMLESS: Final = (Strict, AllowInfNan, annotated_types.Unit)
_NAMES: Final = ("ge", "gt", "le", "lt", "multiple_of")


def unwrapped(annotation: Any) -> tuple[Any, list[Any]]:
    """Return a type without what is said about it, and what is said.

    Example:
        >>> from pydantic import Field
        >>> unwrapped(Annotated[int, Field(ge=0)])
        (<class 'int'>, [Ge(ge=0)])
    """
    constraints: list[Any] = []
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *parts = get_args(annotation)
            constraints += _flat(parts)
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif (meaning := expanded(annotation)) is not None:
            annotation = meaning
        else:
            return annotation, constraints


def first_unknown(constraints: Sequence[Any], known: tuple[type, ...]) -> Any | None:
    """Find what pydantic would check and a brain might not fulfil; what means nothing to pydantic means nothing here.

    Example:
        >>> first_unknown([annotated_types.Ge(0), "a rating", annotated_types.MinLen(1)], BOUNDS)
        MinLen(min_length=1)
    """
    for part in constraints:
        checked = isinstance(part, annotated_types.BaseMetadata) or hasattr(part, "__get_pydantic_core_schema__")
        if checked and not isinstance(part, (*known, *_HARMLESS)):
            return part
    return None


def bounds_of(constraints: Sequence[Any]) -> dict[str, list[Any]]:
    """Collect bounds and steps by name.

    Example:
        >>> bounds_of([annotated_types.Ge(0), annotated_types.Ge(2)])
        {'ge': [0, 2], 'gt': [], 'le': [], 'lt': [], 'multiple_of': []}
    """
    return {
        name: [getattr(part, name) for part in constraints if isinstance(part, one)]
        for name, one in zip(_NAMES, BOUNDS, strict=True)
    }


def real_range(ge: list[Any], gt: list[Any], le: list[Any], lt: list[Any], **_: object) -> tuple[float, float]:
    """Give the smallest and the largest float within bounds.

    Example:
        >>> real_range(ge=[0], gt=[], le=[], lt=[1])
        (0.0, 0.9999999999999999)
    """
    low = max([*map(float, ge), *(math.nextafter(bound, math.inf) for bound in gt)])
    high = min([*map(float, le), *(math.nextafter(bound, -math.inf) for bound in lt)])
    return low, high


def whole_range(ge: list[Any], gt: list[Any], le: list[Any], lt: list[Any], **_: object) -> tuple[int, int]:
    """Give the smallest and the largest whole number within bounds.

    Example:
        >>> whole_range(ge=[0.5], gt=[], le=[], lt=[4])
        (1, 3)
    """
    low = max([*map(math.ceil, ge), *(math.floor(bound) + 1 for bound in gt)])
    high = min([*map(math.floor, le), *(math.ceil(bound) - 1 for bound in lt)])
    return low, high


def _flat(parts: Sequence[Any]) -> Iterator[Any]:
    for part in parts:
        if isinstance(part, FieldInfo):
            yield from _flat(part.metadata)
        elif isinstance(part, annotated_types.GroupedMetadata):
            yield from _flat(list(part))
        else:
            yield part
