"""Which types the type variables of a signature stand for in one call, read from the values of its arguments.

    resolve_type_variables   walks every parameter's type beside its value, and gathers what each place says about a variable
    claims                   one for each place: said outright (`a: T`, `G[int]` for `G[T]`, `type[T]`), or only implied by
                             the elements of a container or the fields of an object; the latter must be within what is outright
    the object               whose method is called comes first: in a `Store[int]` its `T` is int, whatever the arguments are

Several claims must agree: the wider type stands where one is a subclass of the other (`float` where ints and floats are mixed,
as type checkers see it; but a bool is never taken for an int). None says nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import GenericAlias
from typing import Any, Literal, TypeVar, get_args, get_origin

from typing_extensions import NoDefault, is_typeddict

from llm_brain.errors import ArgumentError
from llm_brain.strategy.annotations.claims import Claims, bare, union_of
from llm_brain.strategy.annotations.class_parts import arguments_as, bases_of, fields_of
from llm_brain.strategy.annotations.parts import (
    QUALIFIERS,
    arguments_of,
    default_of,
    expanded,
    is_union,
    origin_of,
    parameters_of,
    remembered,
    substitute,
    type_variables,
    union,
    unresolved,
)

__all__ = ["resolve_type_variables", "substitute", "type_variables", "unresolved"]


def resolve_type_variables(
    parameters: Mapping[str, Any], arguments: Mapping[str, Any], *, owner: object | None = None
) -> dict[TypeVar, Any]:
    """Find out what the type variables of a signature stand for in one call.

    A variable about which the arguments say nothing (an empty list, None for `T | None`) has its default (PEP 696), and is left
    out where it has none: see `unresolved`. The values themselves are not checked here; they are to be checked against the
    types that `substitute` then gives. To save time, ask only where a parameter or the return type has a type variable at all.

    Args:
        parameters: Each parameter's type.
        arguments: Each argument's value.
        owner: The object (or class) whose method is called; its class may be generic, too.

    Raises:
        ArgumentError: Two places contradict each other, a type is outside a variable's bound or constraints, or `a: T` is None.

    Example:
        >>> Item = TypeVar("Item")
        >>> resolve_type_variables({"items": list[Item], "limit": int}, {"items": ["a", "b"], "limit": 3})
        {~Item: <class 'str'>}
    """
    claims = Claims(_said_by_owner(owner))
    try:
        if owner is not None and not isinstance(owner, type):
            _match_fields(type(owner), owner, "self", claims.implied(gives_way=True))
        for name, annotation in parameters.items():
            if name in arguments and type_variables(annotation):
                _match_value(annotation, arguments[name], name, claims)
    except RecursionError as error:
        message = "an argument contains itself, or is nested too deeply to tell its type"
        raise ArgumentError(message) from error
    found = claims.settled()
    for annotation in parameters.values():
        for variable in type_variables(annotation):
            if variable not in found and default_of(variable) is not NoDefault:
                found[variable] = substitute(default_of(variable), found)
    return found


def _match_value(annotation: Any, value: Any, place: str, claims: Claims) -> None:
    """Walk a type beside a value of it."""
    if isinstance(annotation, TypeVar):
        _match_variable(annotation, value, place, claims)
    elif not type_variables(annotation):
        return
    elif get_origin(annotation) in QUALIFIERS:
        _match_value(get_args(annotation)[0], value, place, claims)
    elif (meaning := expanded(annotation)) is not None:
        _match_value(meaning, value, place, claims)
    elif value is None:
        return
    elif is_union(annotation):
        _match_union(annotation, value, place, claims)
    elif get_origin(annotation) is type:
        _match_type(get_args(annotation)[0], value, place, claims)
    elif parameters_of(origin_of(annotation)):
        _match_object(annotation, value, place, claims)
    elif not isinstance(value, str | bytes):
        _match_container(annotation, value, place, claims)


def _match_variable(variable: TypeVar, value: Any, place: str, claims: Claims) -> None:
    if value is not None:
        claims.add(variable, _type_of(value), place)
    elif not claims.is_implied and variable not in claims.fixed and default_of(variable) is NoDefault:
        message = f"`{place}` is None, which does not tell what type its `{variable.__name__}` is"
        raise ArgumentError(message)


def _match_union(annotation: Any, value: Any, place: str, claims: Claims) -> None:
    """Take the one member of a union that the value must belong to; a member without variables comes first and says nothing."""
    members = get_args(annotation)
    if any(_belongs(value, member) for member in members if not type_variables(member)):
        return
    variables = [member for member in members if isinstance(member, TypeVar)]
    others = [member for member in members if type_variables(member) and not isinstance(member, TypeVar)]
    fitting = [member for member in others if _belongs(value, member)] or variables or others
    if len(fitting) == 1:
        _match_value(fitting[0], value, place, claims)


def _match_object(annotation: Any, value: Any, place: str, claims: Claims) -> None:
    """Compare the arguments of a generic class with those of a value's class, or else its fields with the value's."""
    origin = origin_of(annotation)
    given = arguments_as(_class_of(value), origin)
    for wanted, argument in zip(arguments_of(annotation) or parameters_of(origin), given, strict=False):
        _match_type(wanted, argument, place, claims)
    if not given or any(argument is Any or type_variables(argument) for argument in given):
        _match_fields(annotation, value, place, claims.implied())


def _match_fields(kind: Any, value: Any, place: str, claims: Claims) -> None:
    for name, annotation in fields_of(kind).items():
        if type_variables(annotation):
            found = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
            _match_value(annotation, found, f"{place}.{name}", claims)


def _match_container(annotation: Any, value: Any, place: str, claims: Claims) -> None:
    first, *others = get_args(annotation)
    given = arguments_as(type(value), origin_of(annotation))  # as `class Names(list[str])` has them
    implied = claims.implied()
    if given:
        _match_type(annotation, type(value), place, claims)
    elif not isinstance(value, Collection):  # an iterator could be asked only once
        return
    elif origin_of(annotation) is tuple and others != [Ellipsis]:
        for index, (part, element) in enumerate(zip((first, *others), value, strict=False)):
            _match_value(part, element, f"{place}[{index}]", implied)
    elif isinstance(value, Mapping) and others:
        _match_elements(first, value, f"{place}.keys()", implied)
        _match_elements(others[0], value.values(), f"{place}.values()", implied)
    else:
        _match_elements(first, value, place, implied)


def _match_elements(wanted: Any, elements: Iterable[Any], place: str, claims: Claims) -> None:
    seen: set[type] = set()
    for index, element in enumerate(elements):
        kind = type(element)
        if kind in seen:
            continue
        if isinstance(wanted, TypeVar) and _is_plain(kind):  # another of its kind says the same
            seen.add(kind)
        _match_value(wanted, element, f"{place}[{index}]", claims)


def _match_type(wanted: Any, given: Any, place: str, claims: Claims) -> None:
    """Walk a type beside another one, which a class declares."""
    if isinstance(wanted, TypeVar):
        claims.add(wanted, given, place, is_read=False)
        return
    given = bare(given)
    if not type_variables(wanted):
        return
    if (meaning := expanded(wanted)) is not None or bare(wanted) is not wanted:
        _match_type(bare(wanted) if meaning is None else meaning, given, place, claims)
    elif is_union(wanted):
        parts = get_args(given) if is_union(given) else (given,)
        open_members = [member for member in get_args(wanted) if type_variables(member)]
        rest = tuple(part for part in parts if part not in get_args(wanted))
        if len(open_members) == 1 and rest:
            _match_type(open_members[0], union(rest), place, claims)
    else:
        origin = origin_of(wanted)
        # A `list[int]` is a `Sequence[int]`, though no class says so.
        arguments = arguments_as(given, origin) or arguments_of(given)
        for part, argument in zip(arguments_of(wanted) or parameters_of(origin), arguments, strict=False):
            _match_type(part, argument, place, claims)


def _type_of(value: Any) -> Any:
    """Read the type off a value, with its arguments where it has some."""
    kind = _class_of(value)
    if kind in (list, set, frozenset):
        return GenericAlias(kind, _union_of(value)) if value else kind
    if kind is dict:
        return GenericAlias(dict, (_union_of(value), _union_of(value.values()))) if value else dict
    if kind is tuple:
        return GenericAlias(tuple, tuple(map(_type_of, value)))
    variables = type_variables(kind) or parameters_of(kind)
    if not variables:
        return kind
    claims = Claims({})
    _match_fields(kind, value, origin_of(kind).__name__, claims.implied())
    found = claims.settled()
    return kind[tuple(found[one] for one in variables)] if found.keys() >= set(variables) else kind


def _union_of(values: Iterable[Any]) -> Any:
    kinds: dict[Any, None] = {}
    for value in values:
        kind = type(value)
        if kind not in kinds:
            kinds[kind if _is_plain(kind) else _type_of(value)] = None
    return union_of(kinds)


def _is_plain(kind: type) -> bool:
    """Tell whether all objects of a class are of the same type: it is no container, and not generic."""
    return kind not in (list, set, frozenset, dict, tuple) and not parameters_of(kind)


def _class_of(value: Any) -> Any:
    """Return a value's class, with the arguments with which it was made: `Box[int](1)` remembers them."""
    kind = type(value)
    made = getattr(value, "__orig_class__", kind) if parameters_of(kind) else kind
    origin = origin_of(made)  # a class above, where an object became one of an implemented class
    return made if isinstance(origin, type) and issubclass(kind, origin) else kind


def _belongs(value: Any, member: Any) -> bool:
    """Tell whether a value belongs to a member of a union, from the outside."""
    member = expanded(bare(member)) or bare(member)
    if get_origin(member) is Literal:
        return any(type(value) is type(option) and value == option for option in get_args(member))
    origin = origin_of(getattr(member, "__supertype__", member))
    if is_typeddict(origin):
        return isinstance(value, dict)
    try:
        return isinstance(value, origin) and not (isinstance(value, bool) and origin is int)
    except TypeError:  # Any, or a protocol that cannot tell
        return origin is Any


@remembered
def _said_by_class(kind: Any) -> dict[TypeVar, Any]:
    """Return what a class and those that it is derived from say about their variables."""
    given = zip(parameters_of(origin_of(kind)), arguments_of(kind), strict=False)
    found = {variable: said for variable, said in given if said is not Any and not type_variables(said)}
    for base in bases_of(kind):
        found = _said_by_class(base) | found
    return found


def _said_by_owner(owner: object | None) -> Mapping[TypeVar, Any]:
    if owner is None:
        return {}
    return _said_by_class(owner if isinstance(owner, type) else _class_of(owner))
