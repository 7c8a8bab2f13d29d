"""JSON by the families of JSONTestSuite, as replies and in the wrapper: what is JSON, what is not, what a reader may decide."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from pydantic import JsonValue

from llm_brain.strategy.parsing import Parsed, Unparsable, parse_reply
from tests.strategy.cases.json_families import EITHER, INVALID, VALID
from tests.strategy.conftest import returning

KINDS: list[Any] = [Any, JsonValue, list[Any], dict[str, Any], int, str]


def read(text: str, kind: Any) -> Parsed | None:
    """Read a reply; None where it is refused."""
    try:
        return parse_reply(text, returning(kind))
    except Unparsable as error:
        words = str(error)
    assert words.encode()
    return None


@pytest.mark.parametrize("text", VALID.values(), ids=VALID)
def test_what_is_json_is_read_as_json_is(text: str) -> None:
    expected = json.loads(text)
    for kind in (Any, JsonValue):
        assert read(f'{{"return_value": {text}}}', kind) == Parsed(expected, repaired=False)
        assert read(text, kind) == Parsed(expected, repaired=True), "only the wrapper was missing"
    if isinstance(expected, dict):
        assert read(text, dict[str, Any]) == Parsed(expected, repaired=False)
    if isinstance(expected, list):
        assert read(f'{{"return_value": {text}}}', list[Any]) == Parsed(expected, repaired=False)


@pytest.mark.parametrize("text", INVALID.values(), ids=INVALID)
def test_what_is_no_json_is_never_taken_for_it(text: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        json.loads(text, parse_constant=int)  # NaN is no JSON, whatever Python's reader says
    for kind in KINDS:
        for reply in (text, f'{{"return_value": {text}}}'):
            parsed = read(reply, kind)
            if kind is str:
                assert parsed is None or parsed.value in {text.strip(), text.strip().lstrip("\ufeff"), reply}
            else:
                assert parsed is None or parsed.repaired
                assert parsed is None or not has_odd_number(parsed.value)


@pytest.mark.parametrize("text", EITHER.values(), ids=EITHER)
def test_what_is_left_to_the_reader_is_a_value_or_a_complaint(text: str) -> None:
    for kind in KINDS:
        for reply in (text, f'{{"return_value": {text}}}'):
            parsed = read(reply, kind)
            assert parsed is None or not has_odd_number(parsed.value)
            if parsed is not None and not parsed.repaired and kind is not str:
                expected = json.loads(reply)
                assert parsed.value in (expected, expected.get("return_value") if isinstance(expected, dict) else None)


def test_every_family_is_large() -> None:
    for family in ("array", "number", "object", "string", "whole"):
        assert sum(name.startswith(family) for name in VALID) >= 8
        assert sum(name.startswith(family) for name in INVALID) >= 20
    assert sum(name.startswith("encoding") for name in EITHER) >= 10
    assert len(VALID) + len(INVALID) + len(EITHER) >= 300


def has_odd_number(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(has_odd_number, value.values()))
    if isinstance(value, list):
        return any(map(has_odd_number, value))
    return isinstance(value, float) and not math.isfinite(value)
