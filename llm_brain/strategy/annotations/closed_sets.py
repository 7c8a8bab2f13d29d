"""Types whose values are few, so that a model can choose among them."""

from __future__ import annotations

from enum import Enum
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from llm_brain.strategy.annotations.parts import is_union


def closed_set(annotation: Any) -> tuple[Any, ...] | None:
    """List the values of a type that has few: bool, None, a Literal, an Enum, and unions of these. None for any other type.

    Example:
        >>> closed_set(Literal["a", "b"] | None), closed_set(bool), closed_set(str)
        (('a', 'b', None), (True, False), None)
    """
    kind = bare(annotation)
    if kind is bool:
        return (True, False)
    if get_origin(kind) is Literal:
        return get_args(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return tuple(kind)
    if is_union(kind):
        sets = [(None,) if member in (None, NoneType) else closed_set(member) for member in get_args(kind)]
        found = list({(type(value), value): value for values in sets for value in values or ()}.values())
        # True and 1 are one key of a dict, so a set that holds both has no probabilities to show.
        return tuple(found) if all(sets) and len(set(found)) == len(found) else None
    return None


def bare(annotation: Any) -> Any:
    """Return a type without the metadata of `Annotated`.

    Example:
        >>> bare(Annotated[int, "metres"])
        <class 'int'>
    """
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
