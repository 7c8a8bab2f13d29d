"""The JSON Schema of a reply as a model should see it: what pydantic says, less what says nothing, and with tags required."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

_DECIMAL: Final = r"^-?\d+(\.\d+)?$"
_WHOLE: Final = r"^(0|-?[1-9]\d{0,17})$"
_NAMED = ("properties", "$defs", "patternProperties")
_REFUSED = ("discriminator", "uniqueItems")
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")


class ReplySchema(GenerateJsonSchema):
    r"""Says of a number that stands in quotes that it is one: pydantic's own schema lets any text be a Decimal, or an int's key.

    Example:
        >>> from decimal import Decimal
        >>> from pydantic import TypeAdapter
        >>> TypeAdapter(Decimal).json_schema(schema_generator=ReplySchema)["anyOf"][1]["pattern"]
        '^-?\\d+(\\.\\d+)?$'
    """

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        """Generate the schema of a Decimal."""
        made = super().decimal_schema(schema)
        members = [{**part, "pattern": _DECIMAL} if part.get("type") == "string" else part for part in made.get("anyOf", ())]
        return {**made, "anyOf": members} if members else made

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Generate the schema of a dict."""
        made = super().dict_schema(schema)
        keys: Any = schema.get("keys_schema", {})
        if keys.get("type") != "int" or "patternProperties" in made:
            return made
        return {**made, "propertyNames": {"pattern": _WHOLE}}


def reply_schema(schema: Mapping[str, Any], name: str | None = None) -> dict[str, Any]:
    """Clean a schema that pydantic made.

    - A field with one possible value is required, default or not: it is the tag by which the members of a union are told apart.
    - Titles that only repeat a name go, and so does the signature that a dataclass without a docstring has in its place.
    - What servers refuse goes: `discriminator`, which is OpenAPI's, and `uniqueItems`, which cannot be enforced token by token.

    Args:
        schema: The schema, or a part of it.
        name: The property or the definition that the part stands under.

    Example:
        >>> reply_schema({"type": "object", "properties": {"kind": {"const": "a", "default": "a", "title": "Kind"}}})
        {'type': 'object', 'properties': {'kind': {'const': 'a'}}, 'required': ['kind']}
    """
    cleaned: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _REFUSED or (key == "title" and name is not None and _letters(value) == _letters(name)):
            continue
        if key == "description" and str(value).startswith(f"{schema.get('title')}("):
            continue
        if key in _NAMED and isinstance(value, Mapping):
            cleaned[key] = {held: reply_schema(part, held) for held, part in value.items()}
        elif key in _LISTED and isinstance(value, list):
            cleaned[key] = [reply_schema(part) for part in value]
        else:
            cleaned[key] = reply_schema(value) if isinstance(value, Mapping) and key not in ("default", "const") else value
    tags = [tag for tag, part in cleaned.get("properties", {}).items() if "const" in part]
    for tag in tags:
        cleaned["properties"][tag].pop("default", None)
    required = list(dict.fromkeys([*tags, *cleaned.get("required", [])]))
    return {**cleaned, "required": required} if required else cleaned


def without_defaults(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the defaults, which may be values of fields that are hidden.

    Example:
        >>> without_defaults({"properties": {"default": {"type": "string", "default": "secret"}}})
        {'properties': {'default': {'type': 'string'}}}
    """
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _NAMED and isinstance(value, Mapping):
            kept[key] = {held: without_defaults(part) for held, part in value.items()}
        elif key in _LISTED and isinstance(value, list):
            kept[key] = [without_defaults(part) for part in value]
        elif key != "default":
            kept[key] = without_defaults(value) if isinstance(value, Mapping) and key != "const" else value
    return kept


def _letters(text: object) -> str:
    return "".join(filter(str.isalnum, str(text))).casefold()
