"""What a small model may not do under any schema: write on for ever. And no bound makes impossible what was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from llm_brain.backends.local.bounds import LARGEST_NUMBER, LONGEST_LIST, LONGEST_STRING, SMALLEST_STEP, counted
from llm_brain.backends.local.enforceable import enforceable

SMALL, LARGE = -LARGEST_NUMBER, LARGEST_NUMBER


def bound(schema: dict[str, Any]) -> dict[str, Any]:
    return enforceable(schema, can_match=lambda _: True)


@pytest.mark.parametrize(
    ("schema", "limits"),
    [
        ({"type": "string"}, {"maxLength": LONGEST_STRING}),
        ({"type": "string", "maxLength": 3}, {"maxLength": 3}),
        ({"type": "string", "minLength": 999}, {"minLength": 999, "maxLength": 999}),
        ({"type": "string", "pattern": "a+"}, {"pattern": "a+", "maxLength": LONGEST_STRING}),
        ({"type": "integer"}, {"minimum": SMALL, "maximum": LARGE}),
        ({"type": "integer", "minimum": -4, "maximum": 9}, {"minimum": -4, "maximum": 9}),
        ({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 9}, {"minimum": 1, "maximum": 8}),
        ({"type": "integer", "exclusiveMinimum": 0.5, "multipleOf": 7}, {"minimum": 7, "maximum": LARGE, "multipleOf": 7}),
        ({"type": "integer", "minimum": 10**17}, {"minimum": 10**17, "maximum": 10**18}),
        ({"type": "integer", "maximum": -(10**17)}, {"minimum": -(10**18), "maximum": -(10**17)}),
        ({"type": "integer", "minimum": 0, "maximum": 10**30}, {"minimum": 0, "maximum": 2**63 - 1}),
        (
            {"type": "number", "minimum": -1e308, "maximum": 1e308},
            {"minimum": SMALL, "maximum": LARGE, "multipleOf": SMALLEST_STEP},
        ),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, {"minimum": 1e-9, "maximum": 1, "multipleOf": SMALLEST_STEP}),
        ({"type": "number"}, {"minimum": SMALL, "maximum": LARGE, "multipleOf": SMALLEST_STEP}),
        ({"type": "number", "multipleOf": 0.5, "minimum": 0, "maximum": 1}, {"multipleOf": 0.5, "minimum": 0, "maximum": 1}),
        ({"type": "number", "minimum": 0, "multipleOf": 0.01}, {"minimum": 0, "maximum": 10_000, "multipleOf": 0.01}),
        ({"type": "number", "minimum": 99_999, "multipleOf": 0.01}, {"minimum": 99_999, "maximum": LARGE, "multipleOf": 0.01}),
        ({"type": "number", "minimum": 0, "multipleOf": 5}, {"minimum": 0, "maximum": LARGE, "multipleOf": 5}),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1e-9}, {"minimum": 1e-12, "maximum": 1e-9}),
        ({"type": "number", "minimum": 2, "maximum": 2}, {"const": 2}),
        ({"type": "array", "items": False}, {"maxItems": LONGEST_LIST, "items": False}),
        ({"type": "array", "items": False, "minItems": 20}, {"minItems": 20, "maxItems": 20, "items": False}),
        (
            {"type": "array", "items": {"enum": [1, 2]}, "uniqueItems": True, "maxItems": 5},
            {"maxItems": 2, "items": {"enum": [1, 2]}},
        ),
        ({"type": "object", "properties": {}}, {"additionalProperties": False}),
    ],
)
def test_what_has_no_limit_gets_one_and_what_has_keeps_its_own(schema: dict[str, Any], limits: dict[str, Any]) -> None:
    assert bound(schema) == {"type": schema["type"], **limits}


@pytest.mark.parametrize(
    "schema", [{}, True, {"title": "Anything"}, {"type": "object", "properties": {"a": {}}, "required": ["a"]}]
)
def test_what_may_be_anything_is_bounded_too(schema: Any) -> None:
    made = bound({"type": "array", "items": schema})
    assert {"type": "string", "maxLength": LONGEST_STRING} in made["$defs"]["0"]["anyOf"]


@pytest.mark.parametrize(
    ("required", "least", "most", "chosen"),
    [
        ([], 0, 3, {"a": False, "b": False, "c": False}),
        (["b"], 0, 2, {"a": False, "b": True}),
        (["b"], 2, 3, {"a": True, "b": True, "c": False}),
        (["c"], 3, 3, {"a": True, "b": True, "c": True}),
        (["a", "c"], 0, 1, {"a": True, "c": True}),  # which no object fulfils; nothing is made up
    ],
)
def test_fields_are_chosen_so_that_their_number_fits(required: list[str], least: int, most: int, chosen: dict[str, bool]) -> None:
    assert counted(["a", "b", "c"], required, least, most) == chosen
