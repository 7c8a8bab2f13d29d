"""Sets and names that the model makes: no item twice, whatever the model would like to say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.backends import LocalBackend, Message, Reply, Request, Sampling
from llm_brain.backends.local.unique import Watch, needs_watching
from llm_brain.errors import BackendError

BYTES = [bytes([byte]) for byte in range(256)]


def first_refused(schema: dict[str, Any], text: str) -> int | None:
    """Write a text byte by byte, and tell where it is refused."""
    watch = Watch(schema, BYTES)
    for place, byte in enumerate(text.encode()):
        if watch.refuses(byte):
            return place
        watch.accept(byte)
    return None


SETS = {"type": "array", "uniqueItems": True}
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(0, 3)
    | st.sampled_from([0.5, 1.0])
    | st.text(st.sampled_from('a"\\,]}é'), max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)


def alike(one: Any, other: Any) -> bool:
    """Tell whether two values are equal as JSON Schema has it: true is not 1, and 1.0 is."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    return bool(one == other)


@given(items=st.lists(values, max_size=5))
def test_a_set_is_refused_just_where_an_item_comes_again(items: list[Any]) -> None:
    text = json.dumps(items, separators=(",", ":"), ensure_ascii=False)
    repeats = any(alike(one, other) for place, one in enumerate(items) for other in items[:place])
    assert (first_refused(SETS, text) is not None) == repeats


@pytest.mark.parametrize(
    ("schema", "text", "refused_at"),
    [
        (SETS, '["a","a"', '["a","a"'),
        (SETS, "[1,1]", "[1,1]"),
        (SETS, "[[],{},[]]", "[[],{},[]"),
        ({"type": "array"}, "[1,1]", None),
        ({"properties": {"s": SETS}}, '{"t":[1,1],"s":[2,2]}', '{"t":[1,1],"s":[2,2]'),
        ({"items": {"$ref": "#/$defs/S"}, "$defs": {"S": SETS}}, "[[1],[1],[2,2]]", "[[1],[1],[2,2]"),
        ({"prefixItems": [SETS], "items": {"type": "array"}}, "[[1],[2,2],[3,3]]", None),
        ({"prefixItems": [SETS], "items": {"type": "array"}}, "[[1,1]]", "[[1,1]"),
        ({"anyOf": [{"type": "array"}, SETS]}, "[1,1]", "[1,1]"),
        ({"patternProperties": {"^a": SETS}}, '{"b":[1,1],"a":[2,2]}', '{"b":[1,1],"a":[2,2]'),
        ({"additionalProperties": SETS}, '{"a":[1],"b":[1,1]}', '{"a":[1],"b":[1,1]'),
        ({"type": "object"}, '{"a":1,"b":{"a":2},"a":3}', '{"a":1,"b":{"a":2},"a"'),
    ],
)
def test_a_repetition_is_seen_at_the_end_of_the_item_wherever_it_stands(
    schema: dict[str, Any], text: str, refused_at: str | None
) -> None:
    place = first_refused(schema, text)
    assert (None if place is None else text[: place + 1]) == refused_at


def test_what_was_taken_back_may_come_again() -> None:
    watch = Watch(SETS, BYTES)
    for byte in b'["a","b"':
        watch.accept(byte)
    watch.rollback(3)
    for byte in b'"b"':
        assert not watch.refuses(byte)
        watch.accept(byte)
    for byte in b',"a':
        watch.accept(byte)
    assert watch.refuses(ord('"'))


def test_only_what_may_repeat_is_watched() -> None:
    assert needs_watching({"type": "object", "additionalProperties": {"type": "string"}})
    assert needs_watching({"type": "object"})
    assert not needs_watching({"type": "object", "properties": {"a": {"type": "string"}}})
    assert not needs_watching({"type": "object", "properties": {}, "additionalProperties": False})
    assert not needs_watching({"type": "array", "items": {"enum": [{"uniqueItems": True}]}})


def asked(model: LocalBackend, schema: dict[str, Any], seed: int) -> Reply:
    return model.chat_completion(Request((Message("user", "Go"),), Sampling(1.3, max_tokens=120, seed=seed), schema))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"enum": ["ab", "abc", "b"]}, "uniqueItems": True, "minItems": 3},
        {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 3}, "uniqueItems": True, "minItems": 4},
        {"type": "array", "items": {"type": "string", "pattern": "^[xy]$"}, "uniqueItems": True, "minItems": 2},
        {
            "type": "object",
            "additionalProperties": {"type": "boolean"},
            "propertyNames": {"pattern": "^[pq]$"},
            "minProperties": 2,
        },
    ],
    ids=["enum", "numbers", "pattern", "names"],
)
def test_a_model_that_would_repeat_itself_goes_back_and_finds_what_is_left(tiny: LocalBackend, schema: dict[str, Any]) -> None:
    least = schema.get("minItems", 2)
    for seed in range(4):
        said = json.loads(asked(tiny, schema, seed).text)
        assert len({json.dumps(item) for item in said}) == len(said) >= least


def test_a_set_that_cannot_be_filled_is_an_error_of_its_own_caller(tiny: LocalBackend) -> None:
    schema = {"type": "array", "items": {"type": "string", "pattern": "^[xy]$"}, "uniqueItems": True, "minItems": 3}
    with pytest.raises(BackendError, match="uniqueItems") as caught:
        asked(tiny, schema, 0)
    assert caught.value.kind == "validation"
    assert asked(tiny, {"type": "boolean"}, 0).text in ("true", "false")
