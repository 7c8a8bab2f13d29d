"""A value while its reply comes, at every prefix of it: it only grows, and ends as the whole, at a cost that stays small."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from llm_brain.strategy.parsing import parse_reply
from tests.strategy.cases.growing import VALUES, Item, Order, Pet, Tree, shown, written
from tests.strategy.conftest import returning


def arrived(value: Any, path: tuple[Any, ...] = ()) -> set[tuple[Any, ...]]:
    """List the places of a value at which something is."""
    if isinstance(value, BaseModel):
        inner: Any = [(name, getattr(value, name)) for name in value.model_fields_set]
    elif isinstance(value, Mapping):
        inner = list(value.items())
    elif isinstance(value, list | tuple):
        inner = [(place, each) for place, each in enumerate(value) if each is not None]
    else:
        return {path}
    return {path}.union(*(arrived(each, (*path, name)) for name, each in inner))


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: str(kind)[:40])
@pytest.mark.parametrize(
    "dress", ["%s", "<think>{</think>Sure {a}:\n```json\n%s\n```\nThat is all [1]."], ids=["bare", "dressed"]
)
def test_a_value_grows_at_every_prefix_of_its_reply_and_ends_as_the_whole(kind: Any, dress: str) -> None:
    spec = returning(kind)

    @settings(max_examples=40)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        value = data.draw(VALUES[kind])
        text = dress % written(kind, value)
        whole = parse_reply(written(kind, value), spec).value
        seen = shown(kind, *text)
        assert seen
        assert seen[-1] == whole
        assert type(seen[-1]) is type(whole)
        places = [arrived(each) for each in seen]
        assert all(before <= after for before, after in pairwise(places))
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
        pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        in_pieces = shown(kind, *pieces)
        assert in_pieces[-1] == whole
        assert all(each in seen for each in in_pieces)

    check()


PUNCTUATION = st.sampled_from(
    [*"{}[]()\"'`“”,:\\/#*-_.=<> \n\t01ae\ud800\0", "null", "return_value", "```", "<think>", "</think>"]
)


@pytest.mark.parametrize("kind", [*VALUES, str], ids=lambda kind: str(kind)[:40])
def test_no_text_makes_a_partial_value_fail(kind: Any) -> None:
    text = st.lists(PUNCTUATION | st.sampled_from(['"name"', '"kind"', '"cat"', '"x"', "{'a'"]), max_size=30).map("".join)

    @settings(max_examples=40)
    @given(text | st.text(max_size=30))
    def check(text: str) -> None:
        shown(kind, *text)
        shown(kind, text)

    check()


@pytest.mark.parametrize("kind", [Order, Pet, list[Item], dict[str, list[Item]], Tree], ids=lambda kind: str(kind)[:40])
def test_broken_replies_are_shown_as_far_as_they_can_be_read(kind: Any) -> None:
    @settings(max_examples=40)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        text = list(written(kind, data.draw(VALUES[kind])))
        for place in data.draw(st.lists(st.integers(0, len(text) - 1), min_size=1, max_size=3)):
            text[place] = data.draw(st.sampled_from(["", "", ",", '"', "'", "}", "]", "x"]))
        for part in shown(kind, *"".join(text)):
            returning(kind).adapter.dump_python(part, warnings=False)

    check()


def big_order(count: int) -> str:
    order = {
        "number": 1,
        "items": [{"name": f"item {place}", "price": place} for place in range(count)],
        "note": "x" * count * 20,
    }
    return json.dumps(order)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Order, big_order(2000)),
        (list[int], json.dumps({"return_value": list(range(20_000))})),
        (dict[str, int], json.dumps({f"key {place}": place for place in range(6000)})),
        (list[str], json.dumps({"return_value": ['\\"\n' * 15_000]})),
        (Any, json.dumps({"return_value": [[place, {"a": str(place)}] for place in range(5000)]})),
        (str, "word " * 20_000),
        (str, "<think>" + "word " * 20_000),
        (Item, "prose [1] {2} " * 7000),
        (Item, '{"name": "x"' + " " * 100_000),
        (Item, "{" * 100_000),
    ],
    ids=["model", "numbers", "dictionary", "escapes", "anything", "text", "thinking", "prose", "blanks", "braces"],
)
def test_a_long_reply_in_small_pieces_takes_no_quadratic_time(kind: Any, text: str) -> None:
    began = time.process_time()
    shown(kind, *(text[place : place + 5] for place in range(0, len(text), 5)))
    assert time.process_time() - began < 20  # some take one second; a quadratic one took minutes
