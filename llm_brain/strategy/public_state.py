"""What of an object is said in the prompts of its methods: its public fields, and how to keep one back.

    the class      tells once which names it declares and which of them are hidden
    the object     gives its values, at every call

Hidden are `_names`, fields with `repr=False` or marked `Annotated[..., Hidden]`, secrets, and what cannot be written as JSON.
"""

from __future__ import annotations

import functools
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, ClassVar, get_args, get_origin
from weakref import WeakKeyDictionary

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from llm_brain.strategy.words import is_json

_SECRETS = (SecretStr, SecretBytes, Secret)
# In an annotation that cannot be resolved, the words alone have to do: rather too little is said than too much.
_SECRET_WORDS = re.compile(r"\b(Hidden|Secret\w*)\b")
_ALWAYS_JSON = frozenset({str, int, float, bool, type(None)})

_UNSAYABLE = object()


class Hidden:
    """Marks a field that is never said in a prompt: `api_key: Annotated[str, Hidden]`.

    In dataclasses and pydantic models, `field(repr=False)` says the same; this marker is for plain classes, and for fields
    that should stay in the repr. What is hidden is hidden in the objects inside an object, too, and in those that are arguments
    of a call.

    Example:
        >>> class Shop:
        ...     city: str
        ...     api_key: Annotated[str, Hidden]
        ...     def __init__(self):
        ...         self.city, self.api_key = "Oslo", "secret"
        >>> public_state(Shop())
        {'city': 'Oslo'}
    """


def public_state(instance: object) -> Mapping[str, Any] | None:
    """Collect an object's public fields, which go into the prompts of its methods; None if there are none.

    Fields are those that the class declares (in a dataclass, a pydantic model, a named tuple, `__slots__`, or by annotations)
    and, but for those of dataclasses and models, whatever else the object holds. Properties and cached values are no fields.

    Left out are names that begin with `_`, fields with `repr=False` (or `exclude=True`) or marked `Annotated[..., Hidden]`,
    pydantic's secrets, and what cannot be written as JSON, such as a lock.

    Example:
        >>> from dataclasses import field
        >>> @dataclass
        ... class Shop:
        ...     city: str
        ...     api_key: str = field(default="secret", repr=False)
        >>> public_state(Shop("Oslo"))
        {'city': 'Oslo'}
    """
    state = {}
    for name, value in _plan_of(type(instance)).values(instance):
        if type(value) in _ALWAYS_JSON:
            state[name] = value
        elif not isinstance(value, _SECRETS) and is_json(shown := _shown(value)):
            state[name] = shown
    return state or None


def without_hidden(value: Any) -> Any:
    """Return a value without the hidden fields of the objects in it; the value itself where it has none.

    Example:
        >>> from dataclasses import field
        >>> @dataclass
        ... class Shop:
        ...     city: str
        ...     api_key: str = field(default="secret", repr=False)
        >>> without_hidden([Shop("Oslo"), 4])
        [{'city': 'Oslo'}, 4]
    """
    kind = type(value)
    if kind in (list, tuple):
        items = [without_hidden(item) for item in value]
        return items if any(item is not given for item, given in zip(items, value, strict=True)) else value
    if kind is dict:
        given, hides = value, False
    elif issubclass(kind, BaseModel) or is_dataclass(kind):
        plan = _plan_of(kind)
        given, hides = dict(plan.values(value)), bool(plan.hidden)
    else:
        return value
    shown = {name: without_hidden(item) for name, item in given.items() if not isinstance(item, _SECRETS)}
    return shown if hides or any(shown.get(name) is not item for name, item in given.items()) else value


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which fields of a class's objects are read.

    Attributes:
        declared: The names that the class declares and does not hide.
        hidden: The names that it hides.
        others: The attribute that holds what an object has beyond them, where that is public, too.
    """

    declared: tuple[str, ...]
    hidden: frozenset[str]
    others: str | None

    def values(self, instance: object) -> Iterator[tuple[str, Any]]:
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


_plans: WeakKeyDictionary[type, _Plan] = WeakKeyDictionary()


def _plan_of(kind: type) -> _Plan:
    plan = _plans.get(kind)
    if plan is None:
        plan = _plans[kind] = _plan(kind)
    return plan


def _plan(kind: type) -> _Plan:
    if issubclass(kind, BaseModel):
        models = kind.model_fields.items()
        hides = {name: not field.repr or bool(field.exclude) or _is_hidden(field.rebuild_annotation()) for name, field in models}
        return _plan_from(hides, "model_extra")
    annotations = _annotations_of(kind)
    if is_dataclass(kind):
        return _plan_from({field.name: not field.repr or _is_hidden(annotations.get(field.name)) for field in fields(kind)}, None)
    hides = {name: _is_hidden(annotation) for name, annotation in annotations.items() if not _is_class_variable(annotation)}
    for base in kind.__mro__:
        hides |= {name: hides.get(name, False) for name in _slots_of(base)}
        hides |= {name: True for name, value in vars(base).items() if isinstance(value, functools.cached_property)}
    return _plan_from(hides, "__dict__")


def _plan_from(hides: Mapping[str, bool], others: str | None) -> _Plan:
    declared = tuple(name for name, hidden in hides.items() if not hidden and not name.startswith("_"))
    return _Plan(declared, frozenset(name for name, hidden in hides.items() if hidden), others)


def _shown(value: Any) -> Any:
    try:
        return without_hidden(value)
    except RecursionError:  # it contains itself
        return _UNSAYABLE


def _annotations_of(kind: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except Exception:  # noqa: BLE001 - an annotation is code, and may be about names that are not there at run time
        found: dict[str, Any] = {}
        for base in reversed(kind.__mro__):
            found |= vars(base).get("__annotations__", {})
        return found


def _slots_of(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _is_class_variable(annotation: Any) -> bool:
    if isinstance(annotation, str):
        return "ClassVar" in annotation
    bare = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    return bare is ClassVar or get_origin(bare) is ClassVar


def _is_hidden(annotation: Any) -> bool:
    return _SECRET_WORDS.search(annotation) is not None if isinstance(annotation, str) else _hides(annotation)


def _hides(part: Any) -> bool:
    kind = get_origin(part) or part
    if isinstance(kind, type) and issubclass(kind, (Hidden, *_SECRETS)):
        return True
    return isinstance(part, Hidden) or any(map(_hides, get_args(part)))
