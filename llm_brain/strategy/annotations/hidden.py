"""Which fields a type keeps back: the marker, and what classes and annotations say with it.

    an annotation     hides its value, or has such a part somewhere inside
    a class           gives, once, the names that it declares, and which of them are hidden

Hidden are fields with `repr=False`, `exclude=True` or marked `Annotated[..., Hidden]`, and pydantic's secrets.
"""

from __future__ import annotations

import builtins
import functools
import re
import sys
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, ClassVar, ForwardRef, get_args, get_origin
from weakref import WeakKeyDictionary

from pydantic import BaseModel, Secret, SecretBytes, SecretStr
from pydantic.dataclasses import is_pydantic_dataclass
from typing_extensions import TypeAliasType, is_typeddict

from llm_brain.strategy.annotations.parts import expanded, is_model, remembered

SECRETS = (SecretStr, SecretBytes, Secret)
_MARKED = re.compile(r"\b(Annotated|Hidden|Secret\w*)\b")


class Hidden:
    """Marks what is never said in a prompt: a field, `api_key: Annotated[str, Hidden]`, or a parameter.

    In dataclasses and pydantic models, `field(repr=False)` says the same; this marker is for plain classes, typed dictionaries
    and parameters, and for fields that should stay in the repr. What is hidden is hidden in the objects inside an object, too,
    and in those that are arguments of a call.

    Example:
        >>> hides(Annotated[str, Hidden]), hides(str)
        (True, False)
    """


@dataclass(frozen=True, slots=True)
class Plan:
    """Which fields of a class's objects are read.

    Attributes:
        declared: The names that the class declares and does not hide.
        hidden: The names that it hides.
        others: The attribute that holds what an object has beyond them, where that is public, too.
        typed: The types of those declared ones in which a type hides something.

    Example:
        >>> class Shop:
        ...     city: str
        ...     api_key: Annotated[str, Hidden]
        >>> plan_of(Shop).declared, sorted(plan_of(Shop).hidden)
        (('city',), ['api_key'])
    """

    declared: tuple[str, ...]
    hidden: frozenset[str]
    others: str | None
    typed: Mapping[str, Any]

    def values(self, instance: object) -> Iterator[tuple[str, Any]]:
        """Give an object's public fields."""
        for name in self.declared:
            try:
                yield name, getattr(instance, name)
            except AttributeError:  # declared, and not set
                continue
        others = self.others and getattr(instance, self.others, None)
        if others:
            for name, value in others.items():
                if not name.startswith("_") and name not in self.hidden and name not in self.declared:
                    yield name, value


def plan_of(kind: type) -> Plan:
    """Return what is read of a class's objects; made once for each class.

    Example:
        >>> plan_of(int).declared
        ()
    """
    plan = _plans.get(kind)
    if plan is None:
        types = _field_types(kind)
        hidden = _hidden_names(kind, types)
        declared = tuple(name for name in types if name not in hidden and not name.startswith("_"))
        others = "model_extra" if issubclass(kind, BaseModel) else None if is_dataclass(kind) else "__dict__"
        typed = {name: types[name] for name in declared if mentions_hidden(types[name])}
        plan = _plans[kind] = Plan(declared, hidden, others, typed)
    return plan


_plans: WeakKeyDictionary[type, Plan] = WeakKeyDictionary()


@remembered
def hides(annotation: Any) -> bool:
    """Tell whether nothing of a type's values is said: the type is marked, or a secret, or a part of it is.

    Example:
        >>> hides(list[Annotated[str, Hidden]]), hides(SecretStr | None), hides(list[str])
        (True, True, False)
    """
    return _hides(annotation, frozenset())


@remembered
def mentions_hidden(annotation: Any) -> bool:
    """Tell whether a type hides something of its values: all of them, a field, or a field of what is inside.

    Example:
        >>> class Shop:
        ...     api_key: Annotated[str, Hidden]
        >>> mentions_hidden(dict[str, list[Shop]]), mentions_hidden(dict[str, list[int]])
        (True, False)
    """
    return _mentions(annotation, set())


def hidden_keys(kind: Any) -> Mapping[str, bool]:
    """Tell of each key of a TypedDict whether it is hidden.

    Example:
        >>> class Shop(typing.TypedDict):
        ...     city: str
        ...     api_key: Annotated[str, Hidden]
        >>> hidden_keys(Shop)
        {'city': False, 'api_key': True}
    """
    return {name: hides(annotation) for name, annotation in annotations_of(kind).items()}


@remembered
def annotations_of(kind: Any) -> Mapping[str, Any]:
    """Return the annotations of a class and its bases; one that cannot be resolved stays the text that it is.

    Example:
        >>> class Shop:
        ...     city: str
        ...     owner: Absent
        >>> annotations_of(Shop)
        {'city': <class 'str'>, 'owner': 'Absent'}
    """
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except Exception:  # noqa: BLE001 - an annotation is code, and may be about names that are not there at run time
        found: dict[str, Any] = {}
        for base in reversed(kind.__mro__):
            for name, annotation in vars(base).get("__annotations__", {}).items():
                found[name] = _resolved(annotation, base)
        return found


def bare_type(annotation: Any) -> Any:
    """Return what an annotation says of the values: no `Annotated`, alias, `NewType` or `Required` around it.

    Example:
        >>> bare_type(Annotated[int, "metres"])
        <class 'int'>
    """
    while True:
        if get_origin(annotation) in _QUALIFIERS:
            annotation = get_args(annotation)[0]
        elif (meaning := _meaning(annotation)) is not None:
            annotation = meaning
        else:
            return annotation


_QUALIFIERS = (Annotated, typing.Required, typing.NotRequired, typing.Final)


def _field_types(kind: type) -> Mapping[str, Any]:
    if issubclass(kind, BaseModel):
        return {name: field.rebuild_annotation() for name, field in kind.model_fields.items()}
    annotations = annotations_of(kind)
    if is_dataclass(kind):
        return {field.name: annotations.get(field.name, Any) for field in fields(kind)}
    types = {name: annotation for name, annotation in annotations.items() if not _is_class_variable(annotation)}
    for base in kind.__mro__:
        types |= {name: types.get(name, Any) for name in _slots_of(base)}
    return types


def _hidden_names(kind: type, types: Mapping[str, Any]) -> frozenset[str]:
    hidden = {name for name, annotation in types.items() if hides(annotation)}
    checked: Any = kind
    if issubclass(kind, BaseModel) or is_pydantic_dataclass(kind):
        described = getattr(checked, "__pydantic_fields__", {}).items()  # pydantic's own BaseModel has none
        hidden |= {name for name, field in described if not field.repr or field.exclude}
    if is_dataclass(kind):
        return frozenset(hidden | {field.name for field in fields(kind) if not field.repr or field.name.startswith("_")})
    if not issubclass(kind, BaseModel):
        for base in kind.__mro__:
            hidden |= {name for name, value in vars(base).items() if isinstance(value, functools.cached_property)}
    return frozenset(hidden)


def _hides(part: Any, seen: frozenset[Any]) -> bool:
    if isinstance(part, str | ForwardRef):
        # Nothing is known of what it says, and a marker may be in it: rather too little is said than too much.
        return _MARKED.search(part if isinstance(part, str) else part.__forward_arg__) is not None
    kind = get_origin(part) or part
    if isinstance(kind, type) and issubclass(kind, (Hidden, *SECRETS)):
        return True
    meaning = None if kind in seen else _meaning(part)
    if meaning is not None:
        return _hides(meaning, seen | {kind})
    if kind is typing.Literal:
        return False
    if kind is Annotated:
        return _hides(part.__origin__, seen) or any(map(_is_marker, part.__metadata__))
    return any(_hides(argument, seen) for argument in get_args(part) if not isinstance(argument, list))


def _is_marker(part: Any) -> bool:
    return isinstance(part, Hidden) or (isinstance(part, type) and issubclass(part, (Hidden, _Absent)))


def _mentions(part: Any, seen: set[Any]) -> bool:
    if hides(part):
        return True
    alias = get_origin(part) or part
    if isinstance(alias, TypeAliasType):  # it may be recursive: its arguments are looked at each time, what it means once
        told = any(_mentions(argument, seen) for argument in get_args(part))
        if told or alias in seen:
            return told
        seen.add(alias)
    part = bare_type(part)
    kind = get_origin(part) or part
    if isinstance(kind, type) and kind not in seen:
        seen.add(kind)
        types = annotations_of(kind) if is_typeddict(kind) else _field_types(kind)
        if not is_typeddict(kind) and _hidden_names(kind, types):
            return True
        if any(_mentions(annotation, seen) for annotation in types.values()):
            return True
    if kind is typing.Literal or is_model(part):
        return False
    return any(_mentions(argument, seen) for argument in get_args(part) if not isinstance(argument, list | str))


def _meaning(annotation: Any) -> Any:
    meaning = expanded(annotation)
    if isinstance(meaning, str | ForwardRef):  # a recursive alias has to be written so
        meaning = _resolved(meaning, get_origin(annotation) or annotation)
    return getattr(annotation, "__supertype__", None) if meaning is None else meaning


class _Absent:
    """Stands for a name that is not there at run time: a type that hides nothing; as a marker, perhaps `Hidden` itself."""

    def __class_getitem__(cls, _: Any) -> type[_Absent]:
        return cls


class _Names(dict[str, Any]):
    """The names of a class and its module, whatever is asked for."""

    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, _Absent)


def _resolved(annotation: Any, base: Any) -> Any:
    alone = type("Alone", (), {"__annotations__": {"it": annotation}})
    module = vars(sys.modules[base.__module__]) if base.__module__ in sys.modules else {}
    # In this order the module's names come first: a field may be called as its type is.
    own = dict(getattr(base, "__dict__", {}))
    tries = [dict(module)]
    if isinstance(annotation, str) and not annotation.isidentifier():
        tries.append(_Names({**own, **module}))
    for names in tries:
        try:
            return typing.get_type_hints(alone, own, names, include_extras=True)["it"]
        except Exception:  # noqa: BLE001, S112 - see `annotations_of`
            continue
    return annotation


def _slots_of(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _is_class_variable(annotation: Any) -> bool:
    if isinstance(annotation, str):
        return "ClassVar" in annotation
    bare = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    return bare is ClassVar or get_origin(bare) is ClassVar
