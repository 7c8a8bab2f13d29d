"""A JSON Schema as a person is asked for it: one place of it after another, references followed, unions laid flat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final, Literal

Kind = Literal["any", "entry", "list", "null", "object", "options", "union"]

WRAPPER_FIELD: Final = "return_value"
"""Where a value stands that is asked for in an object of this one field, since models are asked for objects."""

_ANNOTATIONS: Final = ("default", "description", "examples", "title")
_LINES: Final = ("entry", "options")
_KINDS: Final[Mapping[str, Kind]] = {
    "array": "list",
    "boolean": "options",
    "integer": "entry",
    "null": "null",
    "number": "entry",
    "object": "object",
    "string": "entry",
}


class Part:
    """One place of a schema, and what may stand there.

    Args:
        schema: The schema of the place.
        root: The whole schema, in which references are looked up; by default the place's own.
        name: What the place's type is called, where the schema does not say so.

    Attributes:
        schema: The place's schema, with references and `allOf` resolved.
        nullable: Whether null may stand there beside something else.
        alternatives: What may stand there: the members of a union without null, or the part itself.

    Example:
        >>> part = Part({"properties": {"age": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}})
        >>> part.kind, part.properties["age"].kind, part.properties["age"].nullable
        ('object', 'entry', True)
    """

    def __init__(self, schema: Any, root: Mapping[str, Any] | None = None, name: str = "") -> None:
        self._root = schema if root is None else root
        self.schema, found = _resolved(schema, self._root)
        self._name = found or name
        self.nullable = False
        self.alternatives: Sequence[Part] = (self,)
        members = self._members()
        if members:
            self._become(members)

    @property
    def name(self) -> str:
        """What its type is called; empty where nothing says so."""
        return str(self.schema.get("title", self._name))

    @property
    def description(self) -> str:
        """What the schema says of it."""
        return str(self.schema.get("description", ""))

    @cached_property
    def kind(self) -> Kind:
        """How it is asked for: a line, a menu, item by item, field by field."""
        if "const" in self.schema or "enum" in self.schema:
            return "options"
        if len(self.alternatives) > 1:
            return "entry" if all(member.kind in _LINES for member in self.alternatives) else "union"
        return _KINDS.get(self.type, "any")

    @property
    def type(self) -> str:
        """The type that JSON Schema calls it; empty where anything may stand there, or one of several."""
        told = self.schema.get("type", "")
        if isinstance(told, str) and told:
            return told
        if "properties" in self.schema or "additionalProperties" in self.schema:
            return "object"
        return "array" if "items" in self.schema or "prefixItems" in self.schema else ""

    @property
    def values(self) -> Sequence[Any]:
        """What can be chosen from, where the kind is "options"."""
        if "const" in self.schema:
            return (self.schema["const"],)
        return tuple(self.schema.get("enum", (True, False)))

    @cached_property
    def properties(self) -> Mapping[str, Part]:
        """The fields of an object, by name."""
        return {name: Part(told, self._root) for name, told in self.schema.get("properties", {}).items()}

    @property
    def required(self) -> Sequence[str]:
        """The fields that an object must have."""
        return tuple(self.schema.get("required", ()))

    @cached_property
    def takes_more(self) -> bool:
        """Whether an object is asked for keys beside its fields."""
        told = self.schema.get("additionalProperties", "properties" not in self.schema)
        return told is not False or "patternProperties" in self.schema

    @cached_property
    def patterns(self) -> Mapping[str, Part]:
        """The values of an object's further keys, by the patterns of these."""
        return {pattern: Part(told, self._root) for pattern, told in self.schema.get("patternProperties", {}).items()}

    @cached_property
    def more(self) -> Part | None:
        """The values of an object's further keys; None where there may be none."""
        told = self.schema.get("additionalProperties", {})
        return None if told is False or (self.patterns and told == {}) else Part(told, self._root)

    @cached_property
    def key(self) -> Part:
        """What an object's further keys must be."""
        return Part({"type": "string", **_mapping(self.schema.get("propertyNames"))}, self._root)

    @cached_property
    def first(self) -> Sequence[Part]:
        """The items of a list that have schemas of their own, by place."""
        return [Part(told, self._root) for told in self.schema.get("prefixItems", ())]

    @cached_property
    def rest(self) -> Part | None:
        """The items of a list after those; None where there may be none."""
        told = self.schema.get("items", True)
        return None if told is False else Part(told, self._root)

    def item(self, place: int) -> Part:
        """Return what a list holds at a place."""
        return self.first[place] if place < len(self.first) else self.rest or Part({})

    @property
    def fewest(self) -> int:
        """How many items a list must have, or entries an object."""
        return int(self.schema.get("minItems", self.schema.get("minProperties", 0)))

    @property
    def most(self) -> float:
        """How many items a list may have, or entries an object."""
        told = self.schema.get("maxItems", self.schema.get("maxProperties"))
        most = float("inf") if told is None else float(told)
        return min(most, len(self.first)) if self.type == "array" and self.rest is None else most

    def _members(self) -> list[Part]:
        """Return the members of a union, laid flat."""
        told = self.schema.get("type")
        if isinstance(told, list):
            shared = {key: value for key, value in self.schema.items() if key not in ("type", *_ANNOTATIONS)}
            return [Part({**shared, "type": kind}, self._root) for kind in told]
        shared = {key: value for key, value in self.schema.items() if key not in ("anyOf", "oneOf", "$defs", *_ANNOTATIONS)}
        members = []
        for schema in (*self.schema.get("anyOf", ()), *self.schema.get("oneOf", ())):
            member = Part({**shared, **_mapping(schema)}, self._root)
            members += [*member.alternatives, *([Part({"type": "null"})] if member.nullable else [])]
        return members

    def _become(self, members: Sequence[Part]) -> None:
        """Become a union, or its only member but null."""
        others = [member for member in members if member.type != "null"]
        self.nullable = len(others) < len(members) and bool(others)
        annotations = {key: value for key, value in self.schema.items() if key in _ANNOTATIONS}
        if len(others) == 1:
            self._name = others[0].name or self._name
            self.schema = {**others[0].schema, **annotations}
        elif others:
            self.alternatives = others
            self.schema = annotations
        else:
            self.schema = {**annotations, "type": "null"}


def _mapping(schema: Any) -> dict[str, Any]:
    return dict(schema) if isinstance(schema, Mapping) else {}


def _resolved(schema: Any, root: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Follow references and merge `allOf`; what stands beside a reference says more than what it refers to."""
    resolved, name, followed = _mapping(schema), "", set[str]()
    while "$ref" in resolved and resolved["$ref"] not in followed:
        place = str(resolved.pop("$ref"))
        followed.add(place)
        name = place.rpartition("/")[2]
        resolved = {**_looked_up(place, root), **resolved}
    for told in resolved.pop("allOf", ()):
        part, found = _resolved(told, root)
        name = name or found
        joined = {
            "properties": {**part.get("properties", {}), **resolved.get("properties", {})},
            "required": [*part.get("required", ()), *resolved.get("required", ())],
        }
        resolved = {**part, **resolved, **{key: value for key, value in joined.items() if value}}
    return resolved, name


def _looked_up(place: str, root: Any) -> dict[str, Any]:
    """Find what a reference such as `#/$defs/Order` refers to; nothing, where it leads nowhere."""
    found = root
    for step in place.removeprefix("#").strip("/").split("/"):
        if step:
            found = _mapping(found).get(step.replace("~1", "/").replace("~0", "~"))
    return _mapping(found)
