"""How to read a JSON Schema: its parts, its references, its types, and the values that it lists."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_KINDS: Final = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
    "object": (
        "properties",
        "required",
        "additionalProperties",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
    ),
}
_VALUES: Final = ("const", "enum", "default", "examples")


def parts(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Go through a schema and all schemas in it.

    Example:
        >>> [part.get("type") for part in parts({"type": "array", "items": {"type": "null"}})]
        ['array', 'null']
    """
    if isinstance(schema, Mapping):
        yield schema
        for key, value in schema.items():
            if key not in _VALUES:
                yield from parts(value)
    elif isinstance(schema, Sequence) and not isinstance(schema, str):
        for member in schema:
            yield from parts(member)


def keywords(kind: str) -> tuple[str, ...]:
    """Name the keywords that say something about values of a type.

    Example:
        >>> keywords("string")
        ('minLength', 'maxLength', 'pattern', 'format')
    """
    return _KINDS.get("number" if kind == "integer" else kind, ())


def kinds_of(schema: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Tell of which types a schema's values are: as it says, or as its keywords have it; None where neither does.

    Example:
        >>> kinds_of({"type": "string"}), kinds_of({"minimum": 3}), kinds_of({"const": 1})
        (('string',), ('number',), None)
    """
    kind = schema.get("type")
    if kind is not None:
        return (kind,) if isinstance(kind, str) else tuple(kind)
    if schema.keys() & {"const", "enum"}:
        return None
    return tuple(kind for kind, keys in _KINDS.items() if schema.keys() & set(keys)) or None


def resolved(schema: Any, root: Any) -> Any:
    """Follow a reference into the schema that it is written in.

    Raises:
        LookupError: It leads nowhere, or out of the schema.

    Example:
        >>> resolved({"$ref": "#/$defs/A"}, {"$defs": {"A": {"type": "null"}}})
        {'type': 'null'}
    """
    seen = set()
    while isinstance(schema, Mapping) and "$ref" in schema:
        pointer = str(schema["$ref"])
        if pointer in seen or not pointer.startswith("#"):
            message = f"{pointer!r} refers to nothing in the schema"
            raise LookupError(message)
        seen.add(pointer)
        part: Any = root
        for step in pointer[1:].split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            place: Any = int(name) if isinstance(part, Sequence) and name.isdigit() else name
            part = part[place]
        schema = part
    return schema


def listed(schema: Any) -> dict[str, Any] | None:
    """List the values of an enumeration, by what makes them equal; None where there is none.

    Example:
        >>> listed({"enum": [1, 1.0, "a"]}), listed({"type": "boolean"}), listed({"type": "string"})
        ({'1': 1.0, '"a"': 'a'}, {'false': False, 'true': True}, None)
    """
    if not isinstance(schema, Mapping):
        return None
    if "const" in schema:
        return {canonical(schema["const"]): schema["const"]}
    if "enum" in schema:
        return {canonical(value): value for value in schema["enum"]}
    return {"false": False, "true": True} if schema.get("type") == "boolean" else None


def canonical(value: Any) -> str:
    """Write a value as JSON, so that equal ones are written alike: JSON Schema knows no difference between 1 and 1.0.

    Example:
        >>> canonical({"b": 1.0, "a": True})
        '{"a": true, "b": 1}'
    """
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return {name: _plain(item) for name, item in value.items()} if isinstance(value, dict) else value
