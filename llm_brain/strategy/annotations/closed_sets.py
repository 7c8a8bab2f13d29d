"""Types whose values are few, so that a model can choose among them; and how each value is put to a model."""

from __future__ import annotations

from enum import Enum, Flag
from types import NoneType
from typing import Annotated, Any, Literal, NewType, get_args, get_origin

from llm_brain.errors import ArgumentError
from llm_brain.strategy.annotations.parts import expanded, is_union
from llm_brain.strategy.words import plain_text


def closed_set(annotation: Any) -> tuple[Any, ...] | None:
    """List the values of a type that has few: bool, None, a Literal, an Enum, and unions of these. None for any other type.

    None, too, where two values read alike (`Literal["true", True]`), as no answer could tell them apart; and for a Flag,
    whose members add up to further values.

    Example:
        >>> closed_set(Literal["a", "b"] | None), closed_set(bool), closed_set(str)
        (('a', 'b', None), (True, False), None)
    """
    values = _values(annotation)
    return values if values and _can_be_told_apart(values) else None


def bare(annotation: Any) -> Any:
    """Return a type without the metadata of `Annotated`; of a type alias and of a `NewType`, what it stands for.

    Example:
        >>> bare(Annotated[int, "metres"]), bare(NewType("Metres", int))
        (<class 'int'>, <class 'int'>)
    """
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif (meaning := expanded(annotation)) is not None:
            annotation = meaning
        else:
            return annotation


def said(option: Any) -> Any:
    """Return what stands for an option in a prompt: a member's name where its Enum has other values than strings.

    Example:
        >>> Colour = Enum("Colour", ["RED", "GREEN"])
        >>> said(Colour.GREEN), said(True)
        ('GREEN', True)
    """
    if isinstance(option, Enum) and not all(isinstance(member.value, str) for member in type(option)):
        return option.name
    return option


def _values(annotation: Any) -> tuple[Any, ...] | None:
    kind = bare(annotation)
    if kind is bool:
        return (True, False)
    if get_origin(kind) is Literal:
        return get_args(kind)
    if isinstance(kind, type) and issubclass(kind, Enum) and not issubclass(kind, Flag):
        return tuple(kind)
    if is_union(kind):
        sets = [(None,) if member in (None, NoneType) else _values(member) for member in get_args(kind)]
        found = list({(type(value), value): value for values in sets for value in values or ()}.values())
        # True and 1 are one key of a dict, so a set that holds both has no probabilities to show.
        return tuple(found) if all(sets) and len(set(found)) == len(found) else None
    return None


def _can_be_told_apart(values: tuple[Any, ...]) -> bool:
    try:
        words = {plain_text(said(value)).strip() for value in values}
    except ArgumentError:  # which is said where the function is inspected
        return True
    return len(words) == len(values)
