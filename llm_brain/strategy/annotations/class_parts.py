"""What a class says about the classes that it is derived from, and about its fields, with its arguments filled in."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from typing import Any, Generic, Protocol

from typing_extensions import is_typeddict

from llm_brain.strategy.annotations.parts import arguments_of, is_model, origin_of, parameters_of, remembered, replaced


@remembered
def arguments_as(kind: Any, ancestor: Any) -> tuple[Any, ...]:
    """Return the arguments that a type gives to one of its ancestors, through all classes in between; none where it gives none.

    Example:
        >>> Item = typing.TypeVar("Item")
        >>> class Box(typing.Generic[Item]):
        ...     pass
        >>> class Row(Box[list[Item]]):
        ...     pass
        >>> arguments_as(Row[int], Box)
        (list[int],)
    """
    origin, arguments = origin_of(kind), arguments_of(kind)
    if origin is ancestor:
        return arguments
    for base in bases_of(kind):
        found = arguments_as(base, ancestor) if ancestor in getattr(origin_of(base), "__mro__", ()) else ()
        if found:
            return found
    return ()


def bases_of(kind: Any) -> list[Any]:
    """List the classes that a class is derived from, with the arguments that it gives them.

    Example:
        >>> class Names(list[str]):
        ...     pass
        >>> bases_of(Names)
        [list[str]]
    """
    origin, arguments = origin_of(kind), arguments_of(kind)
    own: Mapping[str, Any] = getattr(origin, "__dict__", {})
    given = dict(zip(parameters_of(origin), arguments, strict=False))
    bases = []
    for base in own.get("__orig_bases__", getattr(origin, "__bases__", ())):
        if origin_of(base) in (Generic, Protocol):  # they only list the variables
            continue
        variables = () if is_model(base) or arguments_of(base) else parameters_of(base)
        # A base without arguments passes on the variables that it shares with the class.
        shared = bool(variables) and all(one in given for one in variables)
        bases.append(base[tuple(given[one] for one in variables)] if shared else replaced(base, given))
    return bases


@remembered
def fields_of(kind: Any) -> Mapping[str, Any]:
    """Return the annotated fields of a class (a model, dataclass, TypedDict, NamedTuple, or any other), its arguments filled in.

    Example:
        >>> Item = typing.TypeVar("Item")
        >>> class Box(typing.NamedTuple, typing.Generic[Item]):
        ...     content: list[Item]
        >>> fields_of(Box[int])
        {'content': list[int]}
    """
    if is_model(kind):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    origin = origin_of(kind)
    found: dict[str, Any] = {}
    for base in reversed(getattr(origin, "__mro__", ())):
        own = inspect.get_annotations(base)
        try:
            local = {variable.__name__: variable for variable in parameters_of(base)}
            hints = typing.get_type_hints(base, localns=local, include_extras=True)
        except (NameError, TypeError):  # it names classes that are local to a function
            continue
        arguments = arguments_of(kind) if is_typeddict(origin) else arguments_as(kind, base)
        given = dict(zip(parameters_of(base), arguments, strict=False))
        found.update({name: replaced(hints[name], given) for name in own if name in hints})
    return found
