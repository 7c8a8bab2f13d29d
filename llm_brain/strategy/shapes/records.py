"""Records before they are complete: models, dataclasses, typed dictionaries, named tuples, with the fields that have arrived.

An instance is made without its constructor and validators: a field that has not arrived has its default, or None.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cached_property
from itertools import islice
from typing import Annotated, Any, get_origin

from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from llm_brain.strategy.annotations.class_parts import fields_of
from llm_brain.strategy.shapes.shape import NOTHING, Growing, Memory, Progress, Shape

ShapeOf = Callable[..., Shape]


class Record(Shape):
    """A type with named fields; the kinds of record are derived from it.

    Args:
        annotation: The type.
        shape_of: What gives the shape of a field's type.

    Example:
        >>> from typing import TypedDict
        >>> from llm_brain.strategy.shapes.of_types import shape_of
        >>> class Movie(TypedDict):
        ...     title: str
        ...     year: int
        >>> shape_of(Movie).partial(Growing({"title": "M"}), Memory())
        {'title': 'M'}
    """

    def __init__(self, annotation: Any, shape_of: ShapeOf) -> None:
        super().__init__(annotation)
        self._shape_of = shape_of

    @cached_property
    def fields(self) -> Mapping[str, tuple[str, Shape]]:
        """The name and shape of each field, by what it is called in JSON. Found late, as a type may hold itself.

        Example:
            >>> from llm_brain.strategy.shapes.of_types import shape_of
            >>> @dataclasses.dataclass
            ... class Point:
            ...     x: int
            >>> list(shape_of(Point).fields)
            ['x']
        """
        return {name: (name, self._shape_of(annotation)) for name, annotation in fields_of(self.annotation).items()}

    def partial(self, data: Growing, memory: Memory) -> Any:
        """Make a record of the fields that have arrived and fit."""
        if not isinstance(data.held, dict):
            return NOTHING
        progress = memory.of(data.held, self)
        parts: dict[str, Any] = progress.parts if progress.parts is not None else {}
        for key, value in islice(data.held.items(), progress.count, None):
            parts.update(self._entry(key, value, memory))
        progress.parts, progress.count = parts, len(data.held)
        found = {**parts, **({} if data.child is None else self._entry(data.key, data.child, memory))}
        return self.build(found, progress) if found else NOTHING

    def build(self, found: dict[str, Any], progress: Progress) -> Any:  # noqa: ARG002 - for the kinds that have defaults
        """Make a record of the fields found.

        Example:
            >>> Record(dict, Shape).build({"a": 1}, Progress())
            {'a': 1}
        """
        return found

    def _entry(self, key: str, data: Any, memory: Memory) -> dict[str, Any]:
        name, shape = self.fields.get(key, (key, None))
        value = NOTHING if shape is None else shape.of(data, memory)
        return {} if value is NOTHING else {name: value}


class Model(Record):
    """A pydantic model: `model_fields_set` names the fields that have arrived.

    Example:
        >>> from llm_brain.strategy.shapes.of_types import shape_of
        >>> class Person(BaseModel):
        ...     name: str
        ...     age: int
        >>> ada = shape_of(Person).partial(Growing({"name": "Ada"}), Memory())
        >>> ada, ada.model_fields_set
        (Person(name='Ada', age=None), {'name'})
    """

    @cached_property
    def fields(self) -> Mapping[str, tuple[str, Shape]]:
        """The name and shape of each field, by its aliases."""
        return _pydantic_fields(self.annotation.model_fields, self.annotation.model_config, self._shape_of)

    def build(self, found: dict[str, Any], progress: Progress) -> Any:
        """Make an instance."""
        kind: type[BaseModel] = self.annotation
        if progress.defaults is None:
            progress.defaults = {name: _default(info) for name, info in kind.model_fields.items()}
        values = {name: found.get(name, default) for name, default in progress.defaults.items()}
        extra = {name: value for name, value in found.items() if name not in values}
        private = {name: attribute.get_default() for name, attribute in kind.__private_attributes__.items()}
        instance = kind.__new__(kind)
        state: dict[str, Any] = {
            "__dict__": values,
            "__pydantic_fields_set__": set(found),
            "__pydantic_extra__": extra if kind.model_config.get("extra") == "allow" else None,
            "__pydantic_private__": {name: value for name, value in private.items() if value is not PydanticUndefined} or None,
        }
        for name, value in state.items():
            object.__setattr__(instance, name, value)
        return instance

    def _entry(self, key: str, data: Any, memory: Memory) -> dict[str, Any]:
        if key not in self.fields and self.annotation.model_config.get("extra") == "allow":
            value = self._shape_of(Any).of(data, memory)
            return {} if value is NOTHING else {key: value}
        return super()._entry(key, data, memory)


class Root(Shape):
    """A pydantic model that is a value of another type.

    Example:
        >>> import pydantic
        >>> from llm_brain.strategy.shapes.of_types import shape_of
        >>> shape_of(pydantic.RootModel[list[int]]).partial(Growing([1]), Memory())
        RootModel[list[int]](root=[1])
    """

    def __init__(self, annotation: Any, shape_of: ShapeOf) -> None:
        super().__init__(annotation)
        self._shape_of = shape_of

    @cached_property
    def _root(self) -> Shape:
        info = self.annotation.model_fields["root"]
        return self._shape_of(_annotated(info), discriminator=info.discriminator)

    def text(self, known: str) -> Any:
        """Make an instance of the beginning of a text."""
        return self._made(self._root.text(known))

    def partial(self, data: Growing, memory: Memory) -> Any:
        """Make an instance of what has arrived."""
        return self._made(self._root.partial(data, memory))

    def _made(self, root: Any) -> Any:
        return NOTHING if root is NOTHING else self.annotation.model_construct(root)


class Dataclass(Record):
    """A dataclass, frozen and with slots or not, of the standard library or of pydantic.

    Example:
        >>> from llm_brain.strategy.shapes.of_types import shape_of
        >>> @dataclasses.dataclass(frozen=True, slots=True)
        ... class Point:
        ...     x: int
        ...     y: int
        >>> shape_of(Point).partial(Growing({"x": 1}), Memory())
        Point(x=1, y=None)
    """

    @cached_property
    def _kind(self) -> Any:
        return get_origin(self.annotation) or self.annotation

    @cached_property
    def fields(self) -> Mapping[str, tuple[str, Shape]]:
        """The name and shape of each field that JSON gives."""
        known: Mapping[str, FieldInfo] | None = getattr(self._kind, "__pydantic_fields__", None)
        if known is not None and get_origin(self.annotation) is None:
            return _pydantic_fields(known, getattr(self._kind, "__pydantic_config__", {}), self._shape_of)
        given = {each.name for each in dataclasses.fields(self._kind) if each.init}
        return {name: field for name, field in super().fields.items() if name in given}

    def build(self, found: dict[str, Any], progress: Progress) -> Any:
        """Make an instance."""
        fields = dataclasses.fields(self._kind)
        if progress.defaults is None:
            known: Mapping[str, FieldInfo] = getattr(self._kind, "__pydantic_fields__", {})
            progress.defaults = {each.name: _default(known.get(each.name, each)) for each in fields}
        instance = object.__new__(self._kind)
        for name, default in progress.defaults.items():
            object.__setattr__(instance, name, found.get(name, default))
        return instance


class NamedRow(Record):
    """A named tuple, which JSON writes as an array or as an object.

    Example:
        >>> from typing import NamedTuple
        >>> from llm_brain.strategy.shapes.of_types import shape_of
        >>> class Pair(NamedTuple):
        ...     a: int
        ...     b: str
        >>> shape_of(Pair).partial(Growing([1]), Memory())
        Pair(a=1, b=None)
    """

    def partial(self, data: Growing, memory: Memory) -> Any:
        """Make a named tuple of the elements that have arrived and fit."""
        if isinstance(data.held, dict):
            return super().partial(data, memory)
        elements = [*data.held, *(() if data.child is None else (data.child,))]
        found: dict[str, Any] = {}
        for key, element in zip(self.fields, elements, strict=False):
            found.update(self._entry(key, element, memory))
        return self.build(found, Progress()) if found else NOTHING

    def build(self, found: dict[str, Any], progress: Progress) -> Any:  # noqa: ARG002 - its defaults cost nothing
        """Make an instance."""
        kind = get_origin(self.annotation) or self.annotation
        return kind._make(found.get(name, kind._field_defaults.get(name)) for name in kind._fields)


def _pydantic_fields(
    known: Mapping[str, FieldInfo], config: Mapping[str, Any], shape_of: ShapeOf
) -> Mapping[str, tuple[str, Shape]]:
    found = {}
    for name, info in known.items():
        alias = info.validation_alias or info.alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        keys = [choice for choice in choices if isinstance(choice, str)]
        if alias is None or config.get("populate_by_name") or config.get("validate_by_name"):
            keys.append(name)
        shape = shape_of(_annotated(info), discriminator=info.discriminator)
        found.update(dict.fromkeys(keys, (name, shape)))
    return found


def _annotated(info: FieldInfo) -> Any:
    return Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation


def _default(info: FieldInfo | dataclasses.Field[Any]) -> Any:
    """Return a field's default, or None where it has none."""
    try:
        if isinstance(info, FieldInfo):
            return None if info.is_required() else info.get_default(call_default_factory=True, validated_data={})
        if info.default_factory is not dataclasses.MISSING:
            return info.default_factory()
    except Exception:  # noqa: BLE001 - a default may be made of other fields, which have not arrived
        return None
    return None if info.default is dataclasses.MISSING else info.default
