"""Schemas as a grammar holds to them: what it lets through is valid, and what it cannot hold to is an error by name."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.backends.local.engine import Engine
from llm_brain.backends.local.grammar import Grammar, GrammarCompiler
from llm_brain.errors import DefinitionError

CAT = {"type": "object", "properties": {"kind": {"const": "cat", "default": "cat"}, "lives": {"type": "integer"}}}
DOG = {"type": "object", "properties": {"kind": {"const": "dog", "default": "dog"}, "name": {"type": "string"}}}
POINT = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
NAMED = {"type": "object", "properties": {"y": {"type": "integer"}}, "required": ["y"]}


@pytest.fixture(scope="module")
def compiler(tiny_engine: Engine) -> GrammarCompiler:
    return GrammarCompiler(tiny_engine.tokenizer, tiny_engine.vocabulary)


def lets_through(compiler: GrammarCompiler, engine: Engine, schema: dict[str, Any], value: Any) -> bool:
    return spelled(compiler, engine, schema, json.dumps(value, separators=(",", ":"), ensure_ascii=False))


def spelled(compiler: GrammarCompiler, engine: Engine, schema: dict[str, Any], text: str) -> bool:
    grammar = compiler.compile(schema)
    for token in engine.encode(text):
        allowed = grammar.allowed()
        if not allowed[token >> 3] >> (token & 7) & 1 or grammar.refuses(token):
            return False
        grammar.accept(token)
    return grammar.shortest_end(0) == []


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"oneOf": [CAT, DOG]}, [{"kind": "cat", "lives": 9}, {"kind": "dog"}], [{}, {"lives": 9}, {"kind": "cow"}]),
        ({"oneOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]}, [1, "a", None], [True, 1.5]),
        ({"oneOf": [POINT, NAMED]}, [{"x": 1}, {"y": 1}], [{}, {"x": 1, "y": 1}]),
        ({"oneOf": [{"enum": ["a", "b"]}, {"const": "c"}]}, ["a", "c"], ["d"]),
        ({"anyOf": [{"type": "string", "pattern": "(?=a)b"}, {"type": "integer"}]}, [1], ["b"]),
        ({"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}], "$defs": {"A": {"not": {}}}}, [None], [1]),
        ({"type": "object", "properties": {"a": {"not": {}}, "b": {"type": "null"}}}, [{"b": None}, {}], [{"a": 1}]),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "null"}, "b": {"type": "null"}, "c": {"type": "null"}},
                "minProperties": 2,
            },
            [{"a": None, "b": None}],
            [{}, {"a": None}],
        ),
        (
            {"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"}}, "maxProperties": 1},
            [{}, {"a": None}],
            [{"a": None, "b": None}],
        ),
        ({"type": "object", "required": ["a"], "additionalProperties": {"type": "null"}}, [{"a": None}], [{}, {"a": 1}]),
        (
            {"type": "object", "additionalProperties": {"type": "null"}, "propertyNames": {"enum": ["a", "b", 3]}},
            [{}, {"a": None}, {"a": None, "b": None}],
            [{"c": None}, {"3": None}],
        ),
        (
            {
                "type": "object",
                "additionalProperties": {"type": "null"},
                "propertyNames": {"$ref": "#/$defs/D"},
                "$defs": {"D": {"format": "date"}},
            },
            [{}, {"2024-02-29": None}],
            [{"2023-02-29": None}, {"a": None}],
        ),
        (
            {"type": "object", "additionalProperties": {"type": "null"}, "propertyNames": {"minLength": 2, "maxLength": 3}},
            [{"ab": None, "abc": None}],
            [{"a": None}, {"abcd": None}, {"": None}],
        ),
        ({"type": "object", "patternProperties": {"^k": {"type": "null"}}}, [{}, {"k1": None}], [{"a": None}, {"k": 1}]),
        ({"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, [[], [1, 2], [1, 11, 111]], [[1, 1], [2, 1, 2]]),
        ({"type": "array", "items": POINT, "uniqueItems": True}, [[{"x": 1}, {"x": 2}]], [[{"x": 1}, {"x": 1}]]),
        ({"type": "array", "items": {"type": "boolean"}, "uniqueItems": True}, [[True], [False, True]], [[True, True]]),
        ({"type": ["string", "null"], "maxLength": 2}, ["ab", None], ["abc", 1]),
        ({"enum": ["a", "abc"], "maxLength": 2, "type": "string"}, ["a"], ["abc"]),
        ({"minimum": 3}, [3, 4], [2]),
        ({"properties": {"a": {"type": "null"}}, "required": ["a"]}, [{"a": None}], [{}]),
        ({"allOf": [POINT, NAMED]}, [{"x": 1, "y": 2}], [{"x": 1}, {"y": 1}]),
        (
            {
                "$ref": "#/$defs/N",
                "$defs": {"N": {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/N"}}, {"type": "null"}]}},
            },
            [[[None], []]],
            [[1]],
        ),
        ({"type": "array", "items": {"$ref": "#"}}, [[[], [[]]]], [[1]]),
        ({"type": "object", "properties": {"a": {"type": "null"}, "b": {"$ref": "#/properties/a"}}}, [{"b": None}], [{"b": 1}]),
        ({"type": "string", "pattern": "^a", "format": "hostname"}, ["abc.com"], ["a", "cba.com"]),
        ({"type": "string", "format": "an-annotation"}, ["whatever"], [1]),
        ({"const": 'a\u0001"b\\\n'}, ['a\u0001"b\\\n'], ["a"]),
        ({"type": "string", "pattern": f"^{'ab' * 200}$"}, ["ab" * 200], ["ab"]),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1e-12}, [5e-13], [0, 1]),
        ({"type": "array", "prefixItems": [{"type": "null"}], "items": False}, [[], [None]], [[None, None]]),
        ({"type": "array", "prefixItems": [{"type": "null"}], "minItems": 1, "maxItems": 1}, [[None]], [[]]),
        ({"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:x", "type": "null"}, [None], [1]),
    ],
)
def test_what_fits_is_let_through_and_what_does_not_is_not(
    compiler: GrammarCompiler, tiny_engine: Engine, schema: dict[str, Any], good: list[Any], bad: list[Any]
) -> None:
    for value in good:
        if not isinstance(value, float):
            assert lets_through(compiler, tiny_engine, schema, value), value
        jsonschema.validate(value, schema)
    for value in bad:
        assert not lets_through(compiler, tiny_engine, schema, value), value


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "string", "pattern": "(?=a)b"}, "look-around"),
        ({"type": "string", "pattern": r"(a)\1"}, "look-around and back references"),
        ({"not": {"type": "null"}}, "'not'"),
        ({"type": "array", "items": {"if": {}, "then": {}}}, "'if'"),
        ({"type": "array", "contains": {"type": "null"}}, "'contains'"),
        ({"anyOf": [{"not": {}}, {"contains": {}}]}, "'contains'"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "told apart"),
        ({"oneOf": [POINT, {**POINT, "required": []}]}, "told apart"),
        (
            {"oneOf": [{"type": "object", "properties": {"x": {}}, "required": ["x"]}, {"type": "object", "properties": {}}]},
            "told apart",
        ),
        ({"type": "object", "additionalProperties": {}, "propertyNames": {"minLength": 2, "pattern": "a"}}, "one pattern"),
        ({"type": "object", "properties": {"a": {}}, "required": ["a"], "patternProperties": {"^a": {}}}, "beside rules"),
        ({"type": "integer", "minimum": 5, "maximum": 4}, "minimum"),
        ({"type": "string", "minLength": 5, "maxLength": 4}, "minLength"),
        ({"type": "array", "items": {"enum": [1, 2]}, "uniqueItems": True, "minItems": 3}, "minItems"),
        ({"$ref": "#/$defs/Nowhere"}, "refers to nothing"),
        ({"$ref": "https://example.com/schema"}, "refers to nothing"),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}, "refers to nothing"),
        ({"type": "string", "minLength": "three"}, "cannot be enforced"),
        ({"type": "nonsense"}, "cannot be enforced"),
        ({"properties": 3}, "cannot be enforced"),
        ({"anyOf": 3}, "cannot be enforced"),
        ({"anyOf": []}, "cannot be enforced"),
    ],
)
def test_what_cannot_be_enforced_is_an_error_that_says_why(compiler: GrammarCompiler, schema: dict[str, Any], why: str) -> None:
    with pytest.raises(DefinitionError, match="cannot be enforced while decoding") as caught:
        compiler.compile(schema)
    assert why in str(caught.value)


def test_half_of_a_surrogate_pair_is_never_written(compiler: GrammarCompiler, tiny_engine: Engine) -> None:
    grammar = compiler.compile({"type": "string"})
    for token in tiny_engine.encode('"\\'):
        grammar.accept(token)
    assert not allowed_tokens(grammar, tiny_engine) & set("xU")
    grammar.accept(*tiny_engine.encode("u"))
    assert allowed_tokens(grammar, tiny_engine) == {"0"}


def allowed_tokens(grammar: Grammar, engine: Engine) -> set[str]:
    allowed = grammar.allowed()
    return {engine.decode([token]) for token in range(engine.vocabulary) if allowed[token >> 3] >> (token & 7) & 1}


NUMBERS = st.sampled_from([0, 1, -1, 0.5, -0.5, 0.1, 2.5, 7.5, 10, 100, -99.9, 0.001, 1e-6, 12345.678])


@given(
    ends=st.tuples(NUMBERS, NUMBERS).map(sorted),
    exclusive=st.tuples(st.booleans(), st.booleans()),
    step=st.sampled_from([None, 0.5, 0.01, 0.1, 0.25, 3]),
    kind=st.sampled_from(["number", "integer"]),
    between=st.floats(-0.2, 1.2),
    places=st.integers(0, 4),
)
def test_no_number_outside_of_its_range_is_let_through(
    compiler: GrammarCompiler,
    tiny_engine: Engine,
    ends: list[float],
    exclusive: tuple[bool, bool],
    step: float | None,
    kind: str,
    between: float,
    places: int,
) -> None:
    schema: dict[str, Any] = {"type": kind, "exclusiveMinimum" if exclusive[0] else "minimum": ends[0]}
    schema["exclusiveMaximum" if exclusive[1] else "maximum"] = ends[1]
    if step is not None and kind == "number":
        schema["multipleOf"] = step
    exact = json.loads(json.dumps(schema), parse_float=Decimal)
    try:
        compiler.compile(schema)
    except DefinitionError:
        return  # no number is in this range
    for value in (*ends, 0, round(ends[0] + between * (ends[1] - ends[0]), places)):
        text = format(Decimal(str(value)), "f")
        for written in {text, text.rstrip("0").rstrip(".") if "." in text else text, f"-{text}"}:
            if spelled(compiler, tiny_engine, schema, written):
                jsonschema.validate(json.loads(written, parse_float=Decimal), exact)
