"""Whether the members of a union can be told apart: no value that is made under one of them may be valid under another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from llm_brain.backends.local.json_schemas import listed, resolved

_ALL: Final = frozenset({"string", "number", "boolean", "null", "array", "object"})


def is_exclusive(made: Any, other: Any, root: Mapping[str, Any], *, closes: bool, depth: int = 8) -> bool:
    """Tell whether no value that is made under one schema is valid under another one. Where it cannot be told, it is not.

    Args:
        made: The schema that values are made under.
        other: The schema that they must not fit.
        root: What both stand in.
        closes: Whether an object that is made has only the fields that its schema names.
        depth: How deep to look.

    Raises:
        LookupError: A reference leads nowhere.

    Example:
        >>> cat = {"type": "object", "properties": {"kind": {"const": "cat"}}}
        >>> dog = {"type": "object", "properties": {"kind": {"const": "dog"}}}
        >>> is_exclusive(cat, dog, {}, closes=True), is_exclusive(cat, cat, {}, closes=True)
        (True, False)
    """
    one, two = resolved(made, root), resolved(other, root)
    if depth == 0 or not isinstance(one, Mapping) or not isinstance(two, Mapping):
        return one is False or two is False
    for key in ("anyOf", "oneOf"):
        if key in one or key in two:
            pairs = [(part, two) for part in one[key]] if key in one else [(one, part) for part in two[key]]
            return all(is_exclusive(left, right, root, closes=closes, depth=depth - 1) for left, right in pairs)
    shared = _types(one) & _types(two)
    values, others = listed(one), listed(two)
    if not shared or (values is not None and others is not None and not values.keys() & others.keys()):
        return True
    if shared != {"object"}:
        return False
    if _misses_a_field(one, two, closes=closes):
        return True
    fields, others_fields = one.get("properties", {}), two.get("properties", {})
    both = _always(one) & fields.keys() & others_fields.keys()
    return any(is_exclusive(fields[name], others_fields[name], root, closes=closes, depth=depth - 1) for name in both)


def is_tag(schema: Any) -> bool:
    """Tell whether a field has one possible value, so that the members of a union may be told apart by it.

    Example:
        >>> is_tag({"const": "cat"}), is_tag({"enum": ["cat", "dog"]})
        (True, False)
    """
    return len(listed(schema) or ()) == 1


def _misses_a_field(one: Mapping[str, Any], two: Mapping[str, Any], *, closes: bool) -> bool:
    """Tell whether the other one needs a field that is never made, or refuses one that always is."""
    fields, others = one.get("properties", {}), two.get("properties", {})
    if closes and fields and set(two.get("required", ())) - fields.keys():
        return True
    return two.get("additionalProperties") is False and "patternProperties" not in two and bool(_always(one) - others.keys())


def _always(schema: Mapping[str, Any]) -> set[str]:
    return {*schema.get("required", ()), *(name for name, field in schema.get("properties", {}).items() if is_tag(field))}


def _types(schema: Mapping[str, Any]) -> frozenset[str]:
    values = listed(schema)
    if values is not None:
        return frozenset(_type(json.loads(value)) for value in values)
    kinds = schema.get("type")
    if kinds is None:
        return _ALL
    return frozenset("number" if kind == "integer" else kind for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _type(value: Any) -> str:
    if value is None:
        return "null"
    kinds = ((bool, "boolean"), (int | float, "number"), (str, "string"), (list, "array"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "object")
