"""From any JSON Schema to one that decoding can be held to: what fits the second fits the first, and it comes to an end.

What cannot be enforced token by token is rewritten, where something that says less can be; or else it is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from llm_brain.backends.local.bounds import LONGEST_NAME, counted, list_bounds, map_bounds, number_bounds, string_bounds, taken
from llm_brain.backends.local.exclusive import is_exclusive, is_tag
from llm_brain.backends.local.formats import format_pattern
from llm_brain.backends.local.json_schemas import keywords, kinds_of, listed, parts, resolved

_ANY: Final = "#any"
_UNENFORCEABLE: Final = (
    "not",
    "if",
    "contains",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedProperties",
    "unevaluatedItems",
    "$dynamicRef",
    "$recursiveRef",
)
_APPLICATORS: Final = frozenset({"allOf", "anyOf", "oneOf", "$ref"})
_OBJECT: Final = frozenset({"properties", "required", "additionalProperties", "patternProperties", "propertyNames"})
_OPEN: Final = frozenset({"maxProperties", "patternProperties", "propertyNames"})


class UnenforceableError(ValueError):
    """A schema asks for something that decoding cannot be held to; the message says what.

    Example:
        >>> enforceable({"not": {}}, can_match=lambda pattern: True)
        Traceback (most recent call last):
        ...
        llm_brain.backends.local.enforceable.UnenforceableError: 'not' cannot be enforced token by token
    """


def enforceable(schema: Mapping[str, Any], *, can_match: Callable[[str], bool], bounded: bool = True) -> dict[str, Any]:
    """Rewrite a schema so that it can be enforced.

    Args:
        schema: The schema, whole.
        can_match: Tells whether a pattern can be enforced.
        bounded: Whether what has no bound gets one.

    Raises:
        UnenforceableError: Something can neither be enforced nor rewritten.

    Example:
        >>> enforceable({"type": "array", "items": {"type": "string"}}, can_match=lambda pattern: True)
        {'type': 'array', 'maxItems': 8, 'items': {'type': 'string', 'maxLength': 240}}
    """
    return _Rewriting(schema, can_match, bounded=bounded).root()


class _Rewriting:
    def __init__(self, schema: Mapping[str, Any], can_match: Callable[[str], bool], *, bounded: bool) -> None:
        self._schema = schema
        self._can_match = can_match
        self._bounded = bounded
        # An intersection of objects of which each refuses what it does not name would refuse everything.
        self._closes = not any(_OBJECT & part.keys() and _APPLICATORS & part.keys() for part in parts(schema)) and not any(
            len(part.get("allOf", ())) > 1 for part in parts(schema)
        )
        self._names: dict[str, str] = {}
        self._definitions: dict[str, Any] = {}

    def root(self) -> dict[str, Any]:
        made = self._rewritten(self._schema)
        if not isinstance(made, dict):
            message = "no value fits the schema"
            raise UnenforceableError(message)
        return {**made, "$defs": self._definitions} if self._definitions else made

    def _rewritten(self, schema: Any) -> Any:
        if schema is True or schema == {}:
            return self._anything()
        if not isinstance(schema, Mapping):
            return schema
        refused = [key for key in _UNENFORCEABLE if key in schema]
        if refused:
            message = f"{refused[0]!r} cannot be enforced token by token"
            raise UnenforceableError(message)
        made = {**taken(schema, "const", "enum"), **self._combined(schema)}
        kinds = kinds_of(schema)
        if kinds is None:
            return made or self._anything()
        made["type"] = kinds[0] if len(kinds) == 1 else list(kinds)
        for kind in kinds:  # values that are listed need no bounds
            made |= taken(schema, *keywords(kind)) if made.keys() & {"const", "enum"} else self._keywords(kind, schema)
        return made

    def _combined(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Rewrite what a schema takes from others."""
        made: dict[str, Any] = {}
        if "$ref" in schema:
            made["$ref"] = self._reference(schema["$ref"])
        every = [self._rewritten(part) for part in schema.get("allOf", ())]
        if "anyOf" in schema:
            made["anyOf"] = self._some(schema["anyOf"])
        if "oneOf" in schema:
            self._check_exclusive(schema["oneOf"])
            members = [self._rewritten(member) for member in schema["oneOf"]]
            if "anyOf" in made:
                every.append({"anyOf": members})
            else:
                made["anyOf"] = members
        return {**made, "allOf": every} if every else made

    def _anything(self) -> dict[str, Any]:
        if not self._bounded:
            return {}
        kinds = ("string", "number", "boolean", "null", "array", "object")
        return self._defined(_ANY, lambda: {"anyOf": [self._rewritten({"type": kind}) for kind in kinds]})

    def _reference(self, pointer: str) -> str:
        def define() -> Any:
            try:
                return self._rewritten(resolved({"$ref": pointer}, self._schema))
            except LookupError as error:
                message = f"$ref {pointer!r} refers to nothing in the schema"
                raise UnenforceableError(message) from error

        return str(self._defined(pointer, define)["$ref"])

    def _defined(self, pointer: str, define: Callable[[], Any]) -> dict[str, str]:
        if pointer not in self._names:
            name = self._names[pointer] = str(len(self._names))  # before it is rewritten, as it may refer to itself
            try:
                self._definitions[name] = define()
            except UnenforceableError:
                del self._names[pointer]
                raise
        return {"$ref": f"#/$defs/{self._names[pointer]}"}

    def _some(self, members: Sequence[Any]) -> list[Any]:
        """Rewrite the members of a union, and leave out those that cannot be enforced, unless that is all of them."""
        made, refused = [], None
        for member in members:
            try:
                made.append(self._rewritten(member))
            except UnenforceableError as error:
                refused = error
        if refused is not None and not made:
            raise refused
        return made

    def _check_exclusive(self, members: Sequence[Any]) -> None:
        for place, one in enumerate(members):
            for other in (*members[:place], *members[place + 1 :]):
                if not is_exclusive(one, other, self._schema, closes=self._closes):
                    message = "the members of 'oneOf' cannot be told apart: give each a field with a value of its own"
                    raise UnenforceableError(message)

    def _keywords(self, kind: str, schema: Mapping[str, Any]) -> dict[str, Any]:
        if kind in ("number", "integer"):
            return number_bounds(kind, schema)
        rewrite = {"string": self._string, "array": self._array, "object": self._object}.get(kind)
        return rewrite(schema) if rewrite is not None else {}

    def _string(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        by_format = format_pattern(str(schema.get("format", "")))
        made = string_bounds(schema) if self._bounded and not by_format else taken(schema, "minLength", "maxLength")
        patterns = [self._checked(pattern) for pattern in (schema.get("pattern"), by_format) if pattern is not None]
        made |= {"pattern": patterns[0]} if patterns else {}
        return {**made, "allOf": [{"pattern": patterns[1]}]} if patterns[1:] else made

    def _array(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        made = list_bounds(schema) if self._bounded else taken(schema, "minItems", "maxItems")
        first = schema.get("prefixItems", [])
        made |= {"prefixItems": [self._rewritten(part) for part in first]} if first else {}
        if schema.get("maxItems", len(first) + 1) > len(first):
            made["items"] = self._rewritten(schema.get("items", True))
        values = listed(resolved(schema.get("items"), self._schema)) if schema.get("uniqueItems") and not first else None
        return made if values is None else {**made, "maxItems": min(made.get("maxItems", len(values)), len(values))}

    def _object(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        fields = dict(schema.get("properties", {}))
        for name in schema.get("required", ()):
            fields.setdefault(name, schema.get("additionalProperties", True))
        if not fields:
            return self._map(schema)
        self._check_names(schema, fields)
        required = [*schema.get("required", ()), *(name for name, part in fields.items() if is_tag(part))]
        chosen = counted(list(fields), required, schema.get("minProperties", 0), schema.get("maxProperties", len(fields)))
        made: dict[str, Any] = {}
        for name, must in chosen.items():
            try:
                made[name] = self._rewritten(fields[name])
            except UnenforceableError:
                if must:
                    raise
        others = {"additionalProperties": False} if self._closes else taken(schema, "additionalProperties")
        return {"properties": made, "required": [name for name in made if chosen[name]], **others}

    def _check_names(self, schema: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
        """Refuse rules for names that would have to be looked at beside the fields that are named."""
        ruled = "propertyNames" in schema or not self._closes
        matching = [p for p in schema.get("patternProperties", ()) if any(re.search(self._checked(p), name) for name in fields)]
        if (ruled and _OPEN & schema.keys()) or matching:
            message = "fields that are named beside rules for the names of others cannot be enforced token by token"
            raise UnenforceableError(message)

    def _map(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Rewrite an object without fields of its own, such as a dict."""
        values = schema.get("additionalProperties", True)
        patterns: Mapping[str, Any] = schema.get("patternProperties", {})
        if "propertyNames" in schema:
            rule = resolved(schema["propertyNames"], self._schema)
            names = listed(rule)
            if patterns or not isinstance(rule, Mapping):
                message = "'propertyNames' beside 'patternProperties' cannot be enforced token by token"
                raise UnenforceableError(message)
            if names is not None:
                named = {name: values for name in names.values() if isinstance(name, str)}
                counts = taken(schema, "minProperties", "maxProperties")
                return self._object({"properties": named, **counts}) if named else {**counts, "additionalProperties": False}
            patterns = {self._name_pattern(rule): values}
        elif not patterns and values is not False and not ("properties" in schema and values is True and self._closes):
            patterns = {f"^[^\\x00-\\x1f]{{1,{LONGEST_NAME}}}$": values}
        made = map_bounds(schema) if self._bounded and patterns else taken(schema, "minProperties", "maxProperties")
        rewritten = {self._checked(pattern): self._rewritten(part) for pattern, part in patterns.items()}
        return {**made, **({"patternProperties": rewritten} if rewritten else {}), "additionalProperties": False}

    def _name_pattern(self, rule: Mapping[str, Any]) -> str:
        by_format = format_pattern(str(rule.get("format", "")))
        patterns = [pattern for pattern in (rule.get("pattern"), by_format) if pattern is not None]
        least, most = rule.get("minLength"), rule.get("maxLength")
        if len(patterns) > 1 or (patterns and (least, most) != (None, None)) or _APPLICATORS & rule.keys():
            message = f"names that fulfil {dict(rule)} cannot be enforced token by token: give them one pattern"
            raise UnenforceableError(message)
        shortest = least or 0
        return patterns[0] if patterns else f"^[^\\x00-\\x1f]{{{shortest},{shortest + LONGEST_NAME if most is None else most}}}$"

    def _checked(self, pattern: str) -> str:
        if not self._can_match(pattern):
            message = f"the pattern {pattern!r} cannot be enforced token by token: do without look-around and back references"
            raise UnenforceableError(message)
        return pattern
