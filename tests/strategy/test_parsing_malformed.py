"""What language models do to JSON, kind by kind, and to replies of many types: read as it was meant, and recorded as repaired."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from llm_brain.strategy.parsing import Unparsable, parse_reply
from tests.strategy.conftest import returning


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Item(BaseModel):
    name: str
    price: float = Field(ge=0)
    sold: bool = False


class Order(BaseModel):
    number: int
    items: list[Item]
    note: str | None
    colour: Colour
    day: date


@dataclass
class Point:
    x: int
    label: str


class Movie(TypedDict):
    title: str
    year: int


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


MAY = date(2024, 5, 1)
TWO_LINES = "a first line\nand a second"
VALUES: dict[str, tuple[Any, Any]] = {
    "model": (Item, Item(name=TWO_LINES, price=2, sold=True)),
    "nested model": (
        Order,
        Order(number=7, items=[Item(name="a", price=1), Item(name=TWO_LINES, price=2.5)], note=None, colour=Colour.RED, day=MAY),
    ),
    "list of models": (list[Item], [Item(name="a", price=1), Item(name=TWO_LINES, price=2)]),
    "dataclass": (Point, Point(3, TWO_LINES)),
    "typed dictionary": (Movie, Movie(title=TWO_LINES, year=1999)),
    "dictionary": (dict[str, list[int]], {"a": [1, 2], "b": [3]}),
    "list of numbers": (list[int], [1, 2, 30]),
    "list of texts": (list[str], ["one", TWO_LINES, "three, four"]),
    "tuple": (tuple[int, str, bool], (1, TWO_LINES, True)),
    "optional model": (Item | None, Item(name="b", price=3)),
    "union of models": (Cat | Dog, Dog(kind="dog", tricks=["sit", "roll"])),
    "number": (int, 42),
    "optional number": (int | None, 42),
    "date": (date, MAY),
}


def without_wrapper(text: str, is_wrapped: bool) -> str:
    value = json.loads(text)
    return json.dumps(value["return_value"] if is_wrapped else {"return_value": value})


KINDS: dict[str, Callable[[str], str]] = {
    "a fence": "```json\n{}\n```".replace("{}", "%s").__mod__,
    "a fence without a language": lambda text: f"```\n{text}\n```",
    "a fence that is not closed": lambda text: f"```json\n{text}",
    "prose around": lambda text: f"Sure! Here is the answer:\n\n{text}\n\nLet me know if you need more (I am happy to help).",
    "prose and a fence": lambda text: f"Of course.\n\n```json\n{text}\n```\n\nNote that I guessed [some] of it.",
    "a thinking block": lambda text: f'<think>\nPerhaps {{"return_value": 0}}? No: [9].\n</think>\n\n{text}',
    "the end of a thinking block": lambda text: f'Perhaps {{"return_value": 0}}? No.\n</think>\n{text}',
    "trailing commas": lambda text: re.sub(r"(?<=[^\s\[{])(\s*[\]}])", r",\1", text),
    "line comments": lambda text: re.sub(r"\n", " // a remark, with a comma\n", text),
    "block comments": lambda text: re.sub(r"\n", ' /* a "remark" */\n', text),
    "single quotes and Python's words": lambda text: repr(json.loads(text)),
    "unquoted keys": lambda text: re.sub(r'"(\w+)":', r"\1:", text),
    "a cut end": lambda text: text.rstrip("]} \n"),
    "numbers as strings": lambda text: re.sub(r"(?<=[:\s])(\d[\d.]*)(?=[,\s])", r'"\1"', text),
    "a doubled object": lambda text: text + text,
    "an object said twice": lambda text: f"{text}\n\nSo the answer is:\n{text}",
    "raw line ends in strings": lambda text: text.replace(r"\n", "\n"),
    "trailing text with braces": lambda text: f"{text}\nI hope {{this}} helps {{or not}}!",
    "leading text with braces": lambda text: f"For {{x}} in [the set]: {text}",
    "smart quotes": lambda text: re.sub(r'"((?:[^"\\]|\\.)*)"', r"“\1”", text),
    "missing commas": lambda text: re.sub(r",\n", "\n", text),
    "no outer braces": lambda text: text.strip()[1:-1],
    "a byte order mark": lambda text: "\ufeff" + text,
    "a string of JSON": json.dumps,
    "escaped quotes": lambda text: json.dumps(text)[1:-1],
}


def written(name: str) -> str:
    kind, value = VALUES[name]
    spec = returning(kind)
    plain = spec.adapter.dump_python(value, mode="json")
    return json.dumps({"return_value": plain} if spec.is_wrapped else plain, indent=1)


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("malform", KINDS.values(), ids=KINDS)
def test_each_kind_of_mistake_is_read_past_in_replies_of_each_type(malform: Callable[[str], str], name: str) -> None:
    kind, value = VALUES[name]
    text = written(name)
    broken = malform(text)
    parsed = parse_reply(broken, returning(kind))
    assert parsed.value == value
    assert type(parsed.value) is type(value)
    assert parsed.repaired or broken == text


@pytest.mark.parametrize("name", VALUES)
def test_a_wrapper_too_much_or_too_little_is_read_past(name: str) -> None:
    kind, value = VALUES[name]
    spec = returning(kind)
    parsed = parse_reply(without_wrapper(written(name), spec.is_wrapped), spec)
    assert parsed.value == value
    assert parsed.repaired


@pytest.mark.parametrize("name", VALUES)
@given(data=st.data())
def test_several_mistakes_at_once_are_read_past_or_complained_about(data: st.DataObject, name: str) -> None:
    kind, value = VALUES[name]
    # After these, others would change the texts themselves.
    kinds = [each for each in KINDS if each not in {"a string of JSON", "escaped quotes", "raw line ends in strings"}]
    chosen = data.draw(st.lists(st.sampled_from(kinds), min_size=2, max_size=3, unique=True))
    text = written(name)
    for each in chosen:
        try:
            text = KINDS[each](text)
        except ValueError:  # it wants JSON, which an earlier one has broken
            return
    try:
        assert parse_reply(text, returning(kind)).value == value
    except Unparsable as error:
        assert str(error)  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize("malform", KINDS.values(), ids=KINDS)
def test_no_mistake_makes_a_wrong_value_right(malform: Callable[[str], str]) -> None:
    for kind, wrong in ((Item, {"name": "a", "price": -1, "sold": True}), (list[int], {"return_value": [1, "many", 3]})):
        with pytest.raises(Unparsable):
            parse_reply(malform(json.dumps(wrong, indent=1)), returning(kind))


@pytest.mark.parametrize("field", ["name", "price"])
def test_a_field_that_is_missing_is_never_made_up(field: str) -> None:
    whole = {"name": "a", "price": 1}
    del whole[field]
    text = json.dumps(whole, indent=1)
    for broken in (
        text,
        text[:-1],
        f"{text[:-2]},\n {json.dumps(field)}",
        f"{text[:-2]},\n {json.dumps(field)}:",
        f"{text[:-2]},\n {field}: }}",
    ):
        for dress in KINDS.values():
            try:
                dressed = dress(broken)
            except ValueError:
                continue
            with pytest.raises(Unparsable):
                parse_reply(dressed, returning(Item))


def leaves(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [leaf for key, each in value.items() for leaf in (key, *leaves(each))]
    if isinstance(value, list):
        return [leaf for each in value for leaf in leaves(each)]
    return [value] if isinstance(value, str) else []


@given(st.data())
def test_wherever_a_reply_is_cut_its_texts_are_whole(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([written("nested model"), repr(json.loads(written("nested model")))]))
    whole = parse_reply(text, returning(dict[str, Any])).value
    cut = text[: data.draw(st.integers(1, len(text)))]
    try:
        value = parse_reply(cut, returning(dict[str, Any])).value
    except Unparsable:
        return
    assert set(leaves(value)) <= set(leaves(whole))
    assert value.keys() <= whole.keys()


def test_the_end_of_a_reply_is_only_mended_where_the_model_ended_it() -> None:
    for finish in ("unknown", "tool_calls"):
        with pytest.raises(Unparsable, match="cut off"):
            parse_reply('{"return_value": [1, 2', returning(list[int]), finish=finish)
        assert parse_reply("[1, 2]", returning(list[int]), finish=finish).value == [1, 2]
        assert parse_reply("42", returning(int), finish=finish).value == 42


@pytest.mark.parametrize("text", ['{"return_value": 0.', '{"return_value": [0.5, 12.', "[1, 0."])
def test_a_number_that_ends_at_its_point_is_not_made_up(text: str) -> None:
    with pytest.raises(Unparsable):
        parse_reply(text, returning(float if "[" not in text else list[float]))


@pytest.mark.parametrize(
    "text",
    ['{"n": 4', "[4, 5", "4", '```json\n{"return_value": 4', '"return_value": 4', "{'return_value': 4, ", 'So [a]: [3]. {"a": 4'],
)
def test_nothing_is_taken_from_a_reply_that_was_cut_off(text: str) -> None:
    for kind in (int, list[int], dict[str, int], Any, int | str, str | None):
        with pytest.raises(Unparsable, match=r"cut off|valid|no JSON|object"):
            parse_reply(text, returning(kind), finish="length")


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (Item, '{"name": "a", "price": -1}', r"`price`: .*greater than or equal to 0, got -1"),
        (Item, "{name: 'a', price: -1}", r"`price`: .*greater than or equal to 0, got -1"),
        (
            Order,
            '{"number": 1, "items": [{"name": "a"}], "note": null, "colour": "green", "day": "x"}',
            r"`items\[0\]\.price`: Field required",
        ),
        (Item, "I cannot say.", r"got 'I cannot say.'"),
        (int, '{"return_value": 3} or {"return_value": 4}', r"several answers that differ"),
        (list[int], "[1, , 3]", r"a value is missing before a comma at `, 3\]`"),
        (list[int], "[1, 2, ...]", r"something is left out at `...\]`"),
        (list[float], "[NaN]", r"NaN is no value that JSON has"),
        (float, '{"return_value": NaN}', r"a number that is not finite"),
        (dict[str, int], '{"a": 1, "a": 2,}', r"'a' stands there twice"),
        (dict[str, int], '{"a": }', r"the key 'a' has no value"),
        (str, "<think>Hm", r"the thinking never ends"),
        (int, "<think>Hm", r"the thinking never ends"),
        (list[str], r'["\ud800"]', r"half of a pair of surrogates"),
        (list[Any], "[" * 500 + "]" * 500, r"nested too deeply"),
        (Item, '{"name": "a", "price": 1', r"cut off by the length limit"),
    ],
)
def test_a_complaint_says_where_what_was_expected_and_what_was_there(kind: Any, text: str, words: str) -> None:
    with pytest.raises(Unparsable, match=words):
        parse_reply(text, returning(kind), finish="length" if "cut off" in words else "stop")
