"""From a type to its shape: how its values look before they are complete."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, deque
from collections.abc import Collection, Mapping, MutableMapping, MutableSequence, MutableSet, Sequence
from collections.abc import Set as AbstractSet
from typing import Annotated, Any, get_args, get_origin

from annotated_types import BaseMetadata, GroupedMetadata
from pydantic import Discriminator, JsonValue, RootModel, Tag
from pydantic.fields import FieldInfo
from typing_extensions import is_typeddict

from llm_brain.strategy.annotations.parts import QUALIFIERS, expanded, is_model, is_union
from llm_brain.strategy.shapes.containers import Anything, Array, Row, Table, Text
from llm_brain.strategy.shapes.records import Dataclass, Model, NamedRow, Record, Root
from llm_brain.strategy.shapes.shape import Growing, Memory, Shape
from llm_brain.strategy.shapes.unions import Either

_ARRAYS: dict[Any, Any] = {
    **dict.fromkeys((list, Sequence, Collection, MutableSequence), list),
    **dict.fromkeys((set, MutableSet), set),
    **dict.fromkeys((frozenset, AbstractSet), frozenset),
    deque: deque,
}
_TABLES: dict[Any, Any] = {**dict.fromkeys((dict, Mapping, MutableMapping), dict), OrderedDict: OrderedDict}


def shape_of(annotation: Any) -> Shape:
    """Return the shape of a type.

    Example:
        >>> from llm_brain.strategy.shapes.shape import OpenText
        >>> shape_of(dict[str, list[int]]).partial(Growing({"a": [1]}, "b", Growing([2], "", OpenText("x"))), Memory())
        {'a': [1], 'b': [2]}
    """
    return _Shaper()(annotation)


class _Shaper:
    """Gives the same shape to a type wherever it stands in another, so that a type may hold itself."""

    def __init__(self) -> None:
        self._known: dict[Any, Shape] = {}

    def __call__(self, annotation: Any, *, discriminator: Any = None) -> Shape:
        key = (annotation, discriminator)
        try:
            known = self._known.get(key)
        except TypeError:  # what stands in Annotated need not be hashable
            return self._made(annotation, discriminator)
        if known is None:
            self._known[key] = late = _Late(annotation)
            known = self._known[key] = late.shape = self._made(annotation, discriminator)
        return known

    def _made(self, annotation: Any, discriminator: Any) -> Shape:
        origin = get_origin(annotation)
        if origin is Annotated:
            return self._annotated(annotation, discriminator)
        if (inner := _meant(annotation)) is not None:
            return self(inner, discriminator=discriminator)
        for plain, kind in ((str, Text), (Any, Anything), (object, Anything), (JsonValue, Anything)):
            if annotation is plain:
                return kind(annotation)
        if is_union(annotation):
            members = [self(member) for member in get_args(annotation)]
            key = discriminator.discriminator if isinstance(discriminator, Discriminator) else discriminator
            whole = annotation if key is None else Annotated[annotation, Discriminator(key)]
            return Either(whole, members, key if isinstance(key, str) else None)
        return self._container(annotation, origin or annotation) or self._record(annotation, origin or annotation)

    def _annotated(self, annotation: Any, discriminator: Any) -> Shape:
        inner, *notes = get_args(annotation)
        for note in notes:
            told = note.discriminator if isinstance(note, FieldInfo) else note if isinstance(note, Discriminator) else None
            discriminator = discriminator if told is None else told
        rules = [rule for note in notes for rule in (note.metadata if isinstance(note, FieldInfo) else [note]) if _is_rule(rule)]
        shape = self(inner, discriminator=discriminator)
        if not rules:
            return shape
        # A validator may ask for another form of JSON than its type has, and only what is complete can be checked.
        if any(_is_function(rule) for rule in rules) or type(shape) is Shape:
            return Shape(annotation)
        return _Constrained(annotation, shape)

    def _container(self, annotation: Any, origin: Any) -> Shape | None:
        arguments = get_args(annotation)
        if origin is tuple:
            if not arguments or arguments[-1] is Ellipsis:
                return Array(annotation, self(arguments[0] if arguments else Any), tuple)
            return Row(annotation, [self(each) for each in arguments])
        if origin in _ARRAYS:
            return Array(annotation, self(arguments[0] if arguments else Any), _ARRAYS[origin])
        if origin in _TABLES:
            key, value = arguments or (str, Any)
            return Table(annotation, key, self(value), _TABLES[origin])
        return None

    def _record(self, annotation: Any, origin: Any) -> Shape:
        if is_model(annotation):
            return (Root if issubclass(annotation, RootModel) else Model)(annotation, self)
        if is_typeddict(origin):
            return Record(annotation, self)
        if isinstance(origin, type) and dataclasses.is_dataclass(origin):
            return Dataclass(annotation, self)
        if isinstance(origin, type) and issubclass(origin, tuple) and hasattr(origin, "_field_defaults"):
            return NamedRow(annotation, self)
        return Shape(annotation)


class _Late(Shape):
    """A shape that is still being made where it is needed, since its type holds itself."""

    shape: Shape

    def of(self, data: Any, memory: Memory) -> Any:
        return self.shape.of(data, memory)

    def whole(self, data: Any) -> Any:
        return self.shape.whole(data)

    def text(self, known: str) -> Any:
        return self.shape.text(known)

    def partial(self, data: Growing, memory: Memory) -> Any:
        return self.shape.partial(data, memory)


class _Constrained(Shape):
    """A type whose values keep a rule when they are complete."""

    def __init__(self, annotation: Any, shape: Shape) -> None:
        super().__init__(annotation)
        self._shape = shape

    def partial(self, data: Growing, memory: Memory) -> Any:
        return self._shape.partial(data, memory)


def _meant(annotation: Any) -> Any:
    """Return the type that an alias, a `NewType`, or a remark about a field stands for; None for any other type."""
    if annotation is JsonValue:
        return None
    if get_origin(annotation) in QUALIFIERS:
        return get_args(annotation)[0]
    return getattr(annotation, "__supertype__", None) or expanded(annotation)


def _is_rule(note: Any) -> bool:
    return isinstance(note, BaseMetadata | GroupedMetadata) or _is_function(note)


def _is_function(note: Any) -> bool:
    return hasattr(note, "__get_pydantic_core_schema__") and not isinstance(note, Discriminator | Tag)
