"""What a small model may not do under any schema: write on for ever."""

from __future__ import annotations

from typing import Any

import pytest

from llm_brain.backends.grammar import LARGEST_NUMBER, LONGEST_LIST, LONGEST_STRING, SMALLEST_STEP, bound


@pytest.mark.parametrize(
    ("schema", "limits"),
    [
        ({"type": "string"}, {"maxLength": LONGEST_STRING}),
        ({"type": "string", "maxLength": 3}, {"maxLength": 3}),
        ({"type": "string", "pattern": "a+"}, {"pattern": "a+"}),
        ({"type": "integer"}, {"minimum": -LARGEST_NUMBER, "maximum": LARGEST_NUMBER}),
        ({"type": "integer", "exclusiveMinimum": 0, "maximum": 9}, {"exclusiveMinimum": 0, "maximum": 9}),
        ({"type": "number"}, {"minimum": -LARGEST_NUMBER, "maximum": LARGEST_NUMBER, "multipleOf": SMALLEST_STEP}),
        ({"type": "number", "multipleOf": 0.5, "minimum": 0, "maximum": 1}, {"multipleOf": 0.5, "minimum": 0, "maximum": 1}),
        ({"type": "array"}, {"maxItems": LONGEST_LIST}),
        ({"type": "array", "minItems": 20}, {"minItems": 20, "maxItems": 20}),
        ({"type": "array", "uniqueItems": True, "maxItems": 2}, {"maxItems": 2}),
        ({"type": "object", "properties": {}}, {"properties": {}, "additionalProperties": False}),
    ],
)
def test_what_has_no_limit_gets_one_and_what_has_keeps_its_own(schema: dict[str, Any], limits: dict[str, Any]) -> None:
    assert bound(schema) == {"type": schema["type"], **limits}
