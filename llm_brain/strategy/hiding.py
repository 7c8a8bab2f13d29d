"""Values without what is hidden in them: what prompts and traces say of an argument.

    a class      tells once how its values are read: item by item, field by field, or not at all
    the value    comes back as it is where nothing in it is hidden, and else as lists and dictionaries of the rest

What is hidden is told by the classes of the objects inside (`annotations.hidden`) and, for the keys of a TypedDict, by the
type that was declared for the value.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from dataclasses import is_dataclass
from enum import Enum
from types import GeneratorType
from typing import Any, get_args, get_origin
from weakref import WeakKeyDictionary

from pydantic import BaseModel, RootModel
from pydantic.dataclasses import is_pydantic_dataclass
from typing_extensions import is_typeddict

from llm_brain.strategy.annotations.hidden import SECRETS, annotations_of, bare_type, hidden_keys, hides, mentions_hidden, plan_of
from llm_brain.strategy.annotations.parts import is_union
from llm_brain.strategy.words import by_schema

PLAIN = frozenset({str, int, float, bool, type(None)})


def without_hidden(value: Any, annotation: Any = None) -> Any:
    """Return a value without what is hidden in it; the value itself where nothing is.

    Args:
        value: Anything.
        annotation: The type declared for it, where there is one: only that tells what a TypedDict hides.

    Raises:
        RecursionError: The value contains itself.

    Example:
        >>> from dataclasses import dataclass, field
        >>> @dataclass
        ... class Shop:
        ...     city: str
        ...     api_key: str = field(default="secret", repr=False)
        >>> without_hidden([Shop("Oslo"), 4])
        [{'city': 'Oslo'}, 4]
    """
    kind = type(value)
    if kind in PLAIN:
        return value
    if annotation is not None and mentions_hidden(annotation):
        return _by_type(value, annotation)
    try:
        reader = _readers[kind]
    except KeyError:
        reader = _readers[kind] = _reader(kind)
    return value if reader is None else reader(value)


_readers: WeakKeyDictionary[type, Callable[[Any], Any] | None] = WeakKeyDictionary()


def _reader(kind: type) -> Callable[[Any], Any] | None:  # noqa: PLR0911 - one for each kind
    if issubclass(kind, BaseModel) or is_pydantic_dataclass(kind):
        return _model
    if is_dataclass(kind):
        return _record
    if issubclass(kind, Enum):
        return _member
    if issubclass(kind, (str, bytes, bytearray, memoryview, range)):
        return None
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _named_tuple
    if issubclass(kind, Mapping):
        return _mapping
    if issubclass(kind, (Sequence, AbstractSet, ValuesView, deque)):
        return _items
    return _lazy_items if issubclass(kind, GeneratorType) else None


def _items(value: Iterable[Any]) -> Any:
    changed, items = False, []
    for item in value:
        shown = item if type(item) in PLAIN else without_hidden(item)
        changed = changed or shown is not item
        items.append(shown)
    return items if changed else value


def _lazy_items(value: Iterable[Any]) -> Any:
    # Only who writes it as JSON may use it up.
    return (without_hidden(item) for item in value)


def _mapping(value: Mapping[Any, Any]) -> Any:
    changed, shown = False, {}
    for key, item in value.items():
        if type(item) in PLAIN and type(key) in PLAIN:
            shown[key] = item
            continue
        if isinstance(item, SECRETS):
            changed = True
            continue
        said_key, said = without_hidden(key), without_hidden(item)
        if said_key is not key:  # what is left of an object can be no key
            changed = True
            continue
        changed = changed or said is not item
        shown[key] = said
    return shown if changed else value


def _member(value: Enum) -> Any:
    said = without_hidden(value.value)
    return value if said is value.value else said


def _named_tuple(value: Any) -> Any:
    plan = plan_of(type(value))
    if plan.hidden or plan.typed:
        shown = {name: without_hidden(item, plan.typed.get(name)) for name, item in plan.values(value)}
        hides_one = any(name in plan.hidden for name in value._fields)
        return shown if hides_one or any(shown[name] is not getattr(value, name) for name in shown) else value
    return _items(value)


def _record(value: Any) -> Any:
    plan = plan_of(type(value))
    left_out, inner = _parts(value)
    if not left_out and not inner:
        return value
    return {name: inner.get(name, item) for name, item in plan.values(value) if name not in left_out}


def _parts(value: Any) -> tuple[set[str], dict[str, Any]]:
    """Name the fields that are left out, and give those others that hide something inside."""
    plan = plan_of(type(value))
    left_out, inner = set(plan.hidden), {}
    for name, item in plan.values(value):
        if type(item) in PLAIN:
            continue
        if isinstance(item, SECRETS):
            left_out.add(name)
        elif (said := without_hidden(item, plan.typed.get(name) if plan.typed else None)) is not item:
            inner[name] = said
    return left_out, inner


def _model(value: Any) -> Any:
    """Write a model as its serializers do, but for what is hidden."""
    kind = type(value)
    left_out, inner = _parts(value)
    if issubclass(kind, BaseModel):
        if kind.__pydantic_decorators__.computed_fields:
            _compute(value, left_out, inner)
        extra = value.model_extra
        if extra:
            left_out |= {name for name in extra if name.startswith("_")}
    if not left_out and not inner:
        return value
    if issubclass(kind, RootModel):
        return None if "root" in left_out else inner["root"]
    names = {name: field.serialization_alias or name for name, field in kind.__pydantic_fields__.items()}
    if kind.__pydantic_decorators__.model_serializers:  # it may write what it likes, the hidden too
        plan = plan_of(kind)
        given = ((name, inner.get(name, item)) for name, item in plan.values(value) if name not in left_out)
        return {names.get(name, name): item for name, item in given}
    dumped = kind.__pydantic_serializer__.to_python(
        value, mode="json", by_alias=True, exclude=left_out | inner.keys(), fallback=by_schema, warnings=False
    )
    shown = {}
    for name, written in names.items():
        if name in inner:
            shown[written] = inner.pop(name)
        elif written in dumped:
            shown[written] = dumped.pop(written)
    return {**shown, **dumped, **inner}


def _compute(value: Any, left_out: set[str], inner: dict[str, Any]) -> None:
    for name, computed in type(value).model_computed_fields.items():
        if not computed.repr or hides(computed.return_type):
            left_out.add(name)
            continue
        try:
            item = getattr(value, name)
        except Exception:  # noqa: BLE001, S112 - it is the user's, and is complained of where it is written
            continue
        said = without_hidden(item, computed.return_type)
        if said is not item and type(item) not in PLAIN and said != item:
            inner[name] = said


def _by_type(value: Any, annotation: Any) -> Any:  # noqa: PLR0911 - one for each kind
    """Follow a declared type into a value, as far as there are typed dictionaries to be found by it."""
    kind = bare_type(annotation)
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if is_union(kind):
        for member in arguments:
            if mentions_hidden(member):
                value = _by_type(value, member)
        return without_hidden(value)
    if is_typeddict(origin) and isinstance(value, Mapping):
        hidden, types = hidden_keys(origin), annotations_of(origin)
        return {name: without_hidden(item, types.get(name)) for name, item in value.items() if not hidden.get(name)}
    if not arguments or not isinstance(origin, type) or isinstance(value, str | bytes | bytearray):
        return without_hidden(value)
    if issubclass(origin, Mapping) and isinstance(value, Mapping):
        return without_hidden({key: without_hidden(item, arguments[-1]) for key, item in value.items()})
    if issubclass(origin, tuple) and isinstance(value, tuple) and Ellipsis not in arguments:
        return [without_hidden(item, part) for item, part in zip(value, arguments, strict=False)]
    if issubclass(origin, Iterable) and isinstance(value, (Sequence, AbstractSet, deque)):
        return [without_hidden(item, arguments[0]) for item in value]
    return without_hidden(value)
