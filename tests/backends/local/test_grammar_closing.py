"""The length limit: a value under a schema is ended before it is cut, whatever the model would like to go on with."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.backends import LocalBackend, Message, Reply, Request, Sampling
from llm_brain.backends.local.closing import ESCAPED, IN_STRING, OUTSIDE, after
from llm_brain.backends.local.engine import Engine
from llm_brain.backends.local.grammar import GrammarCompiler

TREE: dict[str, Any] = {
    "$ref": "#/$defs/Tree",
    "$defs": {
        "Tree": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "tags": {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "uniqueItems": True},
                "weight": {"type": "number", "exclusiveMinimum": 0},
                "born": {"type": "string", "format": "date"},
                "branches": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
            },
            "required": ["name", "tags", "weight", "branches"],
        }
    },
}


@pytest.fixture(scope="module")
def compiler(tiny_engine: Engine) -> GrammarCompiler:
    return GrammarCompiler(tiny_engine.tokenizer, tiny_engine.vocabulary)


@pytest.mark.parametrize(
    ("schema", "begun", "end"),
    [
        ({"type": "string"}, "", '""'),
        ({"type": "string"}, '"ab', '"'),
        ({"type": "string"}, '"ab\\', '""'),
        ({"type": "string", "minLength": 3}, '"ab', ' "'),
        ({"type": "string", "pattern": "^a|b$"}, '"xyz', 'b"'),
        ({"type": "string", "pattern": r"^\w+@\w+\.(com|org)$"}, '"x', '@T.com"'),
        ({"type": "integer"}, "12", ""),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 0.5}, "0", ".1"),
        ({"type": "array", "items": {"type": "boolean"}}, "", "[]"),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 3}, "[false", ",false,false]"),
        ({"type": "array", "items": {"type": "boolean"}, "uniqueItems": True, "minItems": 2}, "[true", ",false]"),
        ({"type": "array", "items": {"enum": ["aa", "ab"]}, "uniqueItems": True, "minItems": 2}, '["aa"', ',"ab"]'),
        ({"anyOf": [{"type": "object"}, {"type": "null"}]}, "", "{}"),
        (TREE, "", '{"name":"","tags":[],"weight":1,"branches":[]}'),
        (TREE, '{"name":"a","tags":["red"', '],"weight":1,"branches":[]}'),
        (TREE, '{"name":"a","tags":[],"weight":2,"branches":[{"name":"', '","tags":[],"weight":1,"branches":[]}]}'),
    ],
)
def test_the_way_to_the_end_is_short(
    compiler: GrammarCompiler, tiny_engine: Engine, schema: dict[str, Any], begun: str, end: str
) -> None:
    grammar = compiler.compile(schema)
    for token in tiny_engine.encode(begun):
        grammar.accept(token)
    found = grammar.shortest_end(100)
    assert found is not None
    assert tiny_engine.decode(found) == end
    assert grammar.shortest_end(len(found)) == found
    assert not found or grammar.shortest_end(len(found) - 1) is None


def asked(model: LocalBackend, schema: dict[str, Any], limit: int, seed: int = 0) -> Reply:
    return model.chat_completion(Request((Message("user", "Go"),), Sampling(1.5, max_tokens=limit, seed=seed), schema))


SHORTEST = len('{"name":"","tags":[],"weight":1,"branches":[]}')


@given(limit=st.integers(SHORTEST, 150), seed=st.integers(0, 1000))
def test_no_limit_that_can_be_kept_cuts_a_value(tiny: LocalBackend, limit: int, seed: int) -> None:
    reply = asked(tiny, TREE, limit, seed)
    tree = json.loads(reply.text)
    assert {"name", "tags", "weight", "branches"} <= tree.keys()
    assert reply.usage is not None
    assert reply.usage.output_tokens <= limit
    if reply.finish_reason == "length":
        assert f"max_tokens={limit}" in reply.notes[0]


def test_a_limit_that_no_value_keeps_is_told(tiny: LocalBackend) -> None:
    reply = asked(tiny, TREE, SHORTEST - 1)
    assert reply.finish_reason == "length"
    assert reply.notes == (f"max_tokens={SHORTEST - 1} is too low for any value of the schema: give more",)


def test_a_value_that_fits_by_itself_is_left_alone(tiny: LocalBackend) -> None:
    reply = asked(tiny, {"enum": ["a value", "another value"]}, 200)
    assert (reply.finish_reason, reply.notes) == ("stop", ())


pieces = st.lists(st.sampled_from([b'"', b"a", b"\\", b'\\"', b'":"', b"\\\\", b'"\\', b"{", "é".encode()]), max_size=6)


@given(pieces=pieces)
def test_where_a_text_ends_is_told_however_it_is_cut_into_tokens(pieces: list[bytes]) -> None:
    place = OUTSIDE
    for piece in pieces:
        place = after(piece, place)
    assert place == after(b"".join(pieces), OUTSIDE)
    assert place in (OUTSIDE, IN_STRING, ESCAPED)
