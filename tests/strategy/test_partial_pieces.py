"""Text in pieces, and the items of an iterator, while their reply comes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.strategy.parsing import Unparsable, parse_reply
from llm_brain.strategy.partial import PartialReader
from tests.strategy.cases.growing import ITEMS, Item, shown
from tests.strategy.conftest import returning


@pytest.mark.parametrize(
    ("pieces", "given"),
    [
        (["Pa", "ris"], ["Pa", "ris"]),
        (["  \n", " Paris \n", "is. ", " \n"], ["Paris", " \nis."]),
        (["<thi", "nk>Oslo?</th", "ink>\n", "Par", "is"], ["Par", "is"]),
        (["<think>a</think> <thinking>b", "</thinking> c"], ["c"]),
        (["<", "b>bold"], ["<b>bold"]),
        (["[THINK]x[/THI", "NK]y"], ["y"]),
        (['{"not": ', '"read"}'], ['{"not":', ' "read"}']),
        (['{"ret', 'urn_value": "Paris"}'], []),
        (["{", "braces}"], ["{braces}"]),
        (["<think>never ends", " at all"], []),
        (["", ""], []),
    ],
)
def test_text_comes_in_pieces_without_thinking_and_blanks_around_it(pieces: list[str], given: list[str]) -> None:
    assert shown(str, *pieces) == given


@given(
    st.lists(st.text(max_size=8) | st.sampled_from(["<think>", "</think>", " ", "\n", "{", '"return_value"', "<"]), max_size=8)
)
def test_pieces_of_text_add_up_to_the_text(pieces: list[str]) -> None:
    text = "".join(pieces)
    try:
        whole = parse_reply(text, returning(str)).value
    except Unparsable:
        return
    joined = "".join(shown(str, *pieces))
    # What may be a wrapper or a tag is held back, and only the end of a block can tell that the text before it was thinking.
    assert joined == whole or (joined == "" and whole.startswith(("{", "<", "["))) or "</think>" in text


def items(kind: Any, *pieces: str) -> list[Any]:
    return shown(Iterator[kind], *pieces)


@pytest.mark.parametrize(
    "text",
    [
        '{"return_value": [{"name": "A}],", "price": 1}, {"name": "B", "price": 2}]}',
        '[{"name": "A}],", "price": 1}, {"name": "B", "price": 2}]',
        'Here [are] {two}:\n```json\n[{"name": "A}],", "price": 1}, {"name": "B", "price": 2}]\n```\nDone [3].',
        '<think>[{"name": "C"}]</think>{"why": "so", "return_value": [{"name": "A}],", "price": 1}, {"name": "B", "price": 2}]}',
        "[{'name': 'A}],', price: '1',} /* and */ {“name”: “B”, \"price\": 2},]",
    ],
)
def test_each_item_comes_once_when_it_is_complete(text: str) -> None:
    both = [Item(name="A}],", price=1), Item(name="B", price=2)]
    assert items(Item, text) == both
    assert items(Item, *text) == both
    first = text.index("2")
    assert items(Item, *text[:first]) == both[:1]


def test_how_many_items_were_given_is_known_at_the_end() -> None:
    reader = PartialReader(returning(Iterator[int]))
    assert [list(reader.feed(piece)) for piece in ("[1, 2", "3, 4")] == [[1], [23]]
    assert reader.given == 2
    assert parse_reply("[1, 23, 4", returning(Iterator[int])).value[reader.given :] == [4]


def test_an_item_that_does_not_fit_is_a_complaint_after_those_that_do() -> None:
    reader = PartialReader(returning(Iterator[Item]))
    given = reader.feed('[{"name": "A", "price": 1}, {"name": "B", "price": -1}, {"name": "C", "price": 1}]')
    assert next(iter(given)) == Item(name="A", price=1)
    with pytest.raises(Unparsable, match=r"item 1: `price`: Input should be greater than or equal to 0, got -1"):
        list(given)


@pytest.mark.parametrize("text", ['[1, {"a": }, 2]', "[1, 2,, 3]", "[1, NaN]", "[1, ...]"])
def test_items_that_cannot_be_read_on_are_a_complaint(text: str) -> None:
    with pytest.raises(Unparsable, match="no JSON"):
        items(int, text)


@pytest.mark.parametrize("text", ["", "no items", "{}", '{"return_value": 3}', '{"name": "A", "price": 1}', "[", "3"])
def test_a_reply_without_items_gives_none(text: str) -> None:
    assert items(Item, *text) == []


@given(st.lists(ITEMS, max_size=5), st.data())
def test_items_are_those_of_the_whole_wherever_a_reply_is_cut(values: list[Item], data: st.DataObject) -> None:
    text = json.dumps({"return_value": [value.model_dump() for value in values]}, ensure_ascii=False)
    cut = data.draw(st.integers(0, len(text)))
    before = items(Item, *text[:cut])
    assert before == values[: len(before)]
    assert items(Item, text[:cut], text[cut:]) == values
