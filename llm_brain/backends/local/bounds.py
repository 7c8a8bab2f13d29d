"""Bounds for what a JSON Schema leaves unbounded.

A small model that may write on does so: every failure to close a JSON value was an unbounded string or number. Bounds that a
schema has are kept, and no bound that it lacks makes impossible what it asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Final

LONGEST_STRING: Final = 240
LONGEST_NAME: Final = 40
LONGEST_LIST: Final = 8
LARGEST_NUMBER: Final = 10**15
LARGEST_INTEGER: Final = 2**63 - 1
SMALLEST_STEP: Final = 1e-9
MOST_STEPS: Final = 10**6
"""How many multiples of a fraction a number may be: of more, floating-point numbers no longer tell whether it is one."""

_SMALLEST: Final = Decimal("1e-9")
_LOWER: Final = ("minimum", "exclusiveMinimum")
_UPPER: Final = ("maximum", "exclusiveMaximum")


def taken(schema: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Take some keywords out of a schema, where it has them.

    Example:
        >>> taken({"type": "string", "minLength": 3}, "minLength", "maxLength")
        {'minLength': 3}
    """
    return {key: schema[key] for key in keys if key in schema}


def string_bounds(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Give a string a longest length.

    Example:
        >>> string_bounds({}), string_bounds({"minLength": 500}), string_bounds({"maxLength": 3})
        ({'maxLength': 240}, {'minLength': 500, 'maxLength': 500}, {'maxLength': 3})
    """
    return {**taken(schema, "minLength"), "maxLength": schema.get("maxLength", max(LONGEST_STRING, schema.get("minLength", 0)))}


def number_bounds(kind: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Give a number a range, and a smallest step, so that its digits come to an end.

    Bounds that a number must not reach become ones that it may, a step from them: llguidance lets 0 through where numbers have
    to be above it and below 1.

    Example:
        >>> number_bounds("integer", {"exclusiveMinimum": 0})
        {'minimum': 1, 'maximum': 1000000000000000}
        >>> number_bounds("number", {"minimum": 0, "exclusiveMaximum": 1, "multipleOf": 0.25})
        {'minimum': 0, 'maximum': 0.75, 'multipleOf': 0.25}
    """
    step = _step(kind, schema)
    lowest, highest = _lowest(schema, step), _highest(schema, step)
    if lowest is None:
        lowest = min(Decimal(-LARGEST_NUMBER), 10 * (highest or Decimal(0)))
    if highest is None:
        highest = max(Decimal(LARGEST_NUMBER), 10 * lowest)
    if lowest == highest and (step is None or lowest % step == 0):
        return {"const": _number(lowest)}
    largest = _largest(kind, schema)
    if lowest <= largest and highest >= -largest:  # unless the schema wants nothing less
        lowest, highest = max(lowest, -largest), min(highest, largest)
    made = {"minimum": lowest, "maximum": highest}
    made |= {} if step is None or (kind == "integer" and "multipleOf" not in schema) else {"multipleOf": step}
    return {key: _number(value) for key, value in made.items()}


def list_bounds(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Give a list a longest size.

    Example:
        >>> list_bounds({"minItems": 20}), list_bounds({"maxItems": 2})
        ({'minItems': 20, 'maxItems': 20}, {'maxItems': 2})
    """
    least = max(LONGEST_LIST, schema.get("minItems", 0), len(schema.get("prefixItems", ())))
    return {**taken(schema, "minItems"), "maxItems": schema.get("maxItems", least)}


def map_bounds(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Give a dict a largest size.

    Example:
        >>> map_bounds({}), map_bounds({"minProperties": 1, "maxProperties": 3})
        ({'maxProperties': 8}, {'minProperties': 1, 'maxProperties': 3})
    """
    least = max(LONGEST_LIST, schema.get("minProperties", 0))
    return {**taken(schema, "minProperties"), "maxProperties": schema.get("maxProperties", least)}


def counted(names: Sequence[str], required: Sequence[str], least: int, most: int) -> dict[str, bool]:
    """Choose among an object's fields, so that whichever of the optional ones come, there are enough fields and not too many.

    Returns:
        The fields that may come, and whether they must.

    Example:
        >>> counted(["a", "b", "c"], ["b"], 2, 2)
        {'a': True, 'b': True}
    """
    must = [name for name in names if name in required]
    may = [name for name in names if name not in required][: max(0, most - len(must))]
    must += may[: max(0, least - len(must))]
    return {name: name in must for name in names if name in must or name in may}


def _number(value: Decimal) -> int | float:
    return int(value) if value == int(value) else float(value)


def _step(kind: str, schema: Mapping[str, Any]) -> Decimal | None:
    """Tell by what steps a number goes; none in a range that is too narrow for the smallest one."""
    if "multipleOf" in schema:
        return Decimal(str(schema["multipleOf"]))
    if kind == "integer":
        return Decimal(1)
    ends = [Decimal(str(schema[key])) for key in (*_LOWER, *_UPPER) if key in schema]
    is_open = not {*_LOWER} & schema.keys() or not {*_UPPER} & schema.keys()
    return _SMALLEST if is_open or max(ends) - min(ends) >= 1000 * _SMALLEST else None


def _largest(kind: str, schema: Mapping[str, Any]) -> Decimal:
    """Tell beyond what no number goes: the grammar cannot count further, or whoever reads it finds no multiple any more."""
    if kind == "integer":
        return Decimal(LARGEST_INTEGER)
    step = Decimal(str(schema.get("multipleOf", 1)))
    return Decimal(LARGEST_NUMBER) if step == step.to_integral_value() else min(Decimal(LARGEST_NUMBER), MOST_STEPS * step)


def _lowest(schema: Mapping[str, Any], step: Decimal | None) -> Decimal | None:
    low = [Decimal(str(schema["minimum"]))] if "minimum" in schema else []
    if "exclusiveMinimum" in schema:
        end = Decimal(str(schema["exclusiveMinimum"]))
        low.append(end + _part(schema) if step is None else ((end / step).to_integral_value(ROUND_FLOOR) + 1) * step)
    return max(low, default=None)


def _highest(schema: Mapping[str, Any], step: Decimal | None) -> Decimal | None:
    high = [Decimal(str(schema["maximum"]))] if "maximum" in schema else []
    if "exclusiveMaximum" in schema:
        end = Decimal(str(schema["exclusiveMaximum"]))
        high.append(end - _part(schema) if step is None else ((end / step).to_integral_value(ROUND_CEILING) - 1) * step)
    return min(high, default=None)


def _part(schema: Mapping[str, Any]) -> Decimal:
    """Tell how far to stay away from the ends of a narrow range: a thousandth of it, or where it is none, past its other end."""
    ends = [Decimal(str(schema[key])) for key in (*_LOWER, *_UPPER) if key in schema]
    return (max(ends) - min(ends)) / 1000 or _SMALLEST
