"""What a type is made of: origin, arguments, type variables, fields; and the same type with other types in their place.

Pydantic models keep these things to themselves, everything else is asked through `typing`; who comes here need not know which.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, reduce, wraps
from operator import or_
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    ParamSpec,
    Required,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

from pydantic import BaseModel, BeforeValidator
from typing_extensions import NoDefault, ReadOnly, TypeAliasType

# They say something about a field, and nothing about its value.
QUALIFIERS = {Annotated, Required, NotRequired, ReadOnly, typing.Final, typing.ClassVar}


_MODELS = type(BaseModel)
Given = ParamSpec("Given")
Told = TypeVar("Told")


def remembered(function: Callable[Given, Told]) -> Callable[Given, Told]:
    """Keep what a function told about a type, for the next time that it is asked.

    Example:
        >>> remembered(repr)(list[int])
        'list[int]'
    """
    kept: Any = lru_cache(maxsize=1024)(function)

    @wraps(function)
    def remembering(*args: Given.args, **kwargs: Given.kwargs) -> Told:
        try:
            told: Told = kept(*args, **kwargs)
        except TypeError:  # what cannot be hashed may stand in an Annotated or a Literal
            return function(*args, **kwargs)
        return told

    return remembering


@remembered
def type_variables(annotation: Any) -> tuple[TypeVar, ...]:
    """List the type variables in a type, each once, in the order in which they stand there.

    Example:
        >>> Key, Value = TypeVar("Key"), TypeVar("Value")
        >>> type_variables(dict[Key, list[Value | Key]]), type_variables(int)
        ((~Key, ~Value), ())
    """
    return tuple(dict.fromkeys(_each_variable(annotation)))


def unresolved(annotation: Any, types: Mapping[TypeVar, Any]) -> tuple[TypeVar, ...]:
    """List the type variables that `substitute` would leave in a type: those without a type of their own and without a default.

    Example:
        >>> Key, Value = TypeVar("Key"), TypeVar("Value")
        >>> unresolved(dict[Key, Value], {Key: str})
        (~Value,)
    """
    return tuple(one for one in type_variables(annotation) if one not in types and default_of(one) is NoDefault)


def substitute(annotation: Any, types: Mapping[TypeVar, Any]) -> Any:
    """Write a type with other types in the places of its type variables.

    A variable that is not among the types gives way to its default (PEP 696), and stays where it has none.

    Example:
        >>> Item = TypeVar("Item")
        >>> substitute(dict[str, list[Item]], {Item: int})
        dict[str, list[int]]
    """
    variables = type_variables(annotation)
    if not variables:
        return annotation
    defaults = {one: default_of(one) for one in variables if one not in types and default_of(one) is not NoDefault}
    # A default may be written with variables that come before it.
    return replaced(annotation, {**types, **{one: replaced(default, types) for one, default in defaults.items()}})


def replaced(annotation: Any, types: Mapping[TypeVar, Any]) -> Any:
    """Write a type with other types in the places of its type variables, defaults aside.

    Example:
        >>> Item = TypeVar("Item", bound=int)
        >>> replaced(Item | None, {}), replaced(Item | None, {Item: bool})
        (typing.Optional[~Item], bool | None)
    """
    variables = type_variables(annotation)
    if not variables:
        return annotation
    if isinstance(annotation, TypeVar):
        return types.get(annotation, annotation)
    origin = origin_of(annotation)
    if origin is Callable:  # its arguments are a list within a tuple
        return annotation[tuple(types.get(one, one) for one in variables)]
    arguments = tuple(replaced(part, types) for part in arguments_of(annotation) or variables)
    if origin is Annotated:
        return Annotated[(arguments[0], *annotation.__metadata__)]
    if is_union(annotation):
        return union(arguments)
    return origin[arguments if len(arguments) != 1 else arguments[0]]


def default_of(variable: TypeVar) -> Any:
    """Return a type variable's default (PEP 696), or `NoDefault`.

    Example:
        >>> import typing_extensions
        >>> default_of(typing_extensions.TypeVar("Item", default=int)), default_of(TypeVar("Item"))
        (<class 'int'>, typing_extensions.NoDefault)
    """
    return getattr(variable, "__default__", NoDefault)


def is_model(kind: Any) -> bool:
    """Tell whether a type is a pydantic model, parametrised or not.

    Example:
        >>> class Ticket(BaseModel):
        ...     text: str
        >>> is_model(Ticket), is_model(list[Ticket])
        (True, False)
    """
    return isinstance(kind, _MODELS) and kind is not BaseModel


def is_union(annotation: Any) -> bool:
    """Tell whether a type is a union, however it is written.

    Example:
        >>> is_union(int | None), is_union(typing.Optional[int]), is_union(int)
        (True, True, False)
    """
    return get_origin(annotation) in (Union, UnionType)


def union(members: Iterable[Any]) -> Any:
    """Write the union of types.

    Example:
        >>> union([int, None])
        int | None
    """
    members = tuple(members)
    try:
        return reduce(or_, members)
    except TypeError:  # a name that is not defined yet
        return Union[members]  # noqa: UP007 - built from a tuple


def origin_of(kind: Any) -> Any:
    """Return a type without its arguments.

    Example:
        >>> origin_of(list[int]), origin_of(int)
        (<class 'list'>, <class 'int'>)
    """
    if is_model(kind):
        return kind.__pydantic_generic_metadata__["origin"] or kind
    return get_origin(kind) or kind


def arguments_of(kind: Any) -> tuple[Any, ...]:
    """Return a type's arguments; none for one that could have some and is written without.

    Example:
        >>> arguments_of(dict[str, int]), arguments_of(dict)
        ((<class 'str'>, <class 'int'>), ())
    """
    return kind.__pydantic_generic_metadata__["args"] if is_model(kind) else get_args(kind)


@remembered
def parameters_of(origin: Any) -> tuple[TypeVar, ...]:
    """Return the variables of a generic class, as it was defined.

    Example:
        >>> Item = TypeVar("Item")
        >>> class Box(typing.Generic[Item]):
        ...     pass
        >>> parameters_of(Box), parameters_of(int)
        ((~Item,), ())
    """
    if is_model(origin):
        return tuple(origin.__pydantic_generic_metadata__["parameters"])
    given = getattr(origin, "__type_params__" if isinstance(origin, TypeAliasType) else "__parameters__", ())
    return given if isinstance(given, tuple) else ()  # a class may have an attribute of this name for itself


def expanded(alias: Any) -> Any:
    """Write what a type alias stands for, with the alias's arguments in it; None if it is no `TypeAliasType`.

    Example:
        >>> Item = TypeVar("Item")
        >>> Row = TypeAliasType("Row", list[Item], type_params=(Item,))
        >>> expanded(Row[int]), expanded(list[int])
        (list[int], None)
    """
    origin = get_origin(alias) or alias
    if not isinstance(origin, TypeAliasType):
        return None
    return replaced(origin.__value__, dict(zip(parameters_of(origin), get_args(alias), strict=False)))


def gathered(annotation: Any) -> Any:
    """Write a type with a list in the place of each iterable, since what is read lazily would be checked too late, and only once.

    Example:
        >>> gathered(Iterable[int]).__origin__, gathered(dict[str, int])
        (list[int], dict[str, int])
    """
    meaning = expanded(annotation)
    kind = annotation if meaning is None else meaning
    origin = get_origin(kind) or kind
    if origin in _LAZY:
        items = gathered((get_args(kind) or (Any,))[0])
        return Annotated[list[items], BeforeValidator(_as_list)]  # type: ignore[valid-type]
    if origin is Annotated:
        inner = gathered(kind.__origin__)
        return annotation if inner is kind.__origin__ else Annotated[(inner, *kind.__metadata__)]
    if origin not in _HOLDERS and not is_union(kind):
        return annotation
    holder: Any = origin
    parts = tuple(part if part is Ellipsis else gathered(part) for part in get_args(kind))
    if all(new is old for new, old in zip(parts, get_args(kind), strict=True)):
        return annotation
    return union(parts) if is_union(kind) else holder[parts]


_LAZY = (Iterable, Iterator, Generator)
_HOLDERS = (list, set, frozenset, tuple, dict, Sequence, Mapping)


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str | bytes) else value


def _each_variable(annotation: Any) -> Iterator[TypeVar]:
    if isinstance(annotation, TypeVar):
        yield annotation
    elif is_model(annotation):
        yield from parameters_of(annotation)
    elif isinstance(annotation, list):  # the arguments of a Callable
        for part in annotation:
            yield from type_variables(part)
    elif get_origin(annotation) is Annotated:
        yield from type_variables(annotation.__origin__)
    elif get_origin(annotation) is not Literal:
        for part in get_args(annotation):
            yield from type_variables(part)
