"""From a reply's text to a value: what is read, what is repaired and recorded, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, Field
from typing_extensions import TypedDict

from llm_brain.strategy.parsing import Unparsable, parse_reply
from tests.strategy.conftest import returning

T = TypeVar("T")


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Item(BaseModel):
    name: str
    price: float = Field(ge=0)


class Order(BaseModel):
    items: list[Item]
    note: str | None = None


class Tree(BaseModel):
    value: int
    children: list[Tree] = []


class Box(BaseModel, Generic[T]):
    held: T


@dataclass
class Point:
    x: int
    y: int


class Pair(NamedTuple):
    a: int
    b: str


class Movie(TypedDict):
    title: str


def even(number: int) -> int:
    if number % 2:
        message = "odd"
        raise ValueError(message)
    return number


KINDS: list[tuple[Any, Any, Any, Any]] = [
    (int, 3, 3, "x"),
    (float, 1.5, 1.5, "x"),
    (bool, True, True, "perhaps"),
    (bytes, "ab", b"ab", 3),
    (Decimal, "1.50", Decimal("1.50"), "x"),
    (date, "2024-02-29", date(2024, 2, 29), "2023-02-29"),
    (datetime, "2024-02-29T10:00:00Z", datetime(2024, 2, 29, 10, tzinfo=UTC), "yesterday"),
    (time, "10:30", time(10, 30), "25:00"),
    (timedelta, "PT90S", timedelta(seconds=90), "long"),
    (UUID, "12345678-1234-5678-1234-567812345678", UUID("12345678-1234-5678-1234-567812345678"), "x"),
    (Literal["a", 1], 1, 1, "b"),
    (Colour, "red", Colour.RED, "green"),
    (int | None, None, None, "x"),
    (list[int], [1, 2], [1, 2], ["x"]),
    (tuple[int, str], [1, "a"], (1, "a"), [1]),
    (set[int], [1, 2], {1, 2}, "x"),
    (frozenset[str], ["a"], frozenset({"a"}), 1),
    (dict[str, int], {"a": 1}, {"a": 1}, {"a": "x"}),
    (Item, {"name": "a", "price": 1}, Item(name="a", price=1), {"name": "a", "price": -1}),
    (Order, {"items": [{"name": "a", "price": 1}]}, Order(items=[Item(name="a", price=1)]), {"items": [{"name": "a"}]}),
    (list[Item], [{"name": "a", "price": 1}], [Item(name="a", price=1)], [{"name": "a"}]),
    (Item | Tree, {"value": 1}, Tree(value=1), {"other": 1}),
    (Tree, {"value": 1, "children": [{"value": 2}]}, Tree(value=1, children=[Tree(value=2)]), {"children": []}),
    (Box[int], {"held": 1}, Box[int](held=1), {"held": "x"}),
    (Point, {"x": 1, "y": 2}, Point(1, 2), {"x": 1}),
    (Pair, [1, "b"], Pair(1, "b"), [1]),
    (Movie, {"title": "M"}, {"title": "M"}, {"name": "M"}),
    (Annotated[int, Field(ge=5)], 7, 7, 3),
    (Annotated[int, AfterValidator(even)], 4, 4, 3),
    (None, None, None, 1),
]


@pytest.mark.parametrize(("kind", "good", "value", "bad"), KINDS, ids=lambda part: str(part)[:30])
def test_every_kind_of_value_is_read_strictly_and_a_wrong_one_refused(kind: Any, good: Any, value: Any, bad: Any) -> None:
    spec = returning(kind)
    reply = {"return_value": good} if spec.is_wrapped else good
    parsed = parse_reply(json.dumps(reply), spec)
    assert parsed.value == value
    assert type(parsed.value) is type(value)
    assert not parsed.repaired
    wrong = {"return_value": bad} if spec.is_wrapped else bad
    with pytest.raises(Unparsable):
        parse_reply(json.dumps(wrong), spec)


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"return_value": [1, 2]}\n```',
        '```\n{"return_value": [1, 2]}\n```\nI hope that helps {or not}!',
        'Sure! Here it is: {"return_value": [1, 2]} Anything else?',
        '<think>Perhaps {"return_value": [9]}?</think>{"return_value": [1, 2]}',
        'Perhaps {"return_value": [9]}?</think>{"return_value": [1, 2]}',
        '{"return_value": [1, 2,],}',
        "{'return_value': [1, 2]}",
        "{return_value: [1, 2]}",
        '{"return_value": [1, 2] // two\n}',
        '{"return_value": [1, 2]',
        '{"return_value": ["1", "2"]}',
        '{"return_value": [1, 2]}{"return_value": [1, 2]}',
        '{"reasoning": "easy", "return_value": [1, 2]}',
        "[1, 2]",
        "(1, 2) is wrong; [1, 2] is right",
    ],
)
def test_what_small_models_do_to_json_is_repaired_and_recorded(text: str) -> None:
    parsed = parse_reply(text, returning(list[int]))
    assert parsed.value == [1, 2]
    assert parsed.repaired


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (list[int], "```json\n[]\n```", []),
        (date, "2024-05-01", date(2024, 5, 1)),
        (Item, '{"return_value": {"name": "a", "price": 1}}', Item(name="a", price=1)),
        (Item, '{"name": "two\nlines", "price": 1}', Item(name="two\nlines", price=1)),
        (int | None, "{'return_value': None}", None),
        (bool, "{'return_value': True}", True),
        (int, "42", 42),
    ],
)
def test_other_repairs(kind: Any, text: str, value: Any) -> None:
    parsed = parse_reply(text, returning(kind))
    assert parsed.value == value
    assert parsed.repaired


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (int, ""),
        (int, "The answer is 42."),
        (int, "I cannot tell."),
        (int, '{"return_value": 3} or {"return_value": 4}'),
        (int, "null"),
        (int, "[" * 100_000),
        (Tree, '{"value": 1, "children": [' * 20_000),
        (int, "1" * 5000),
        (list[int], "{}"),
        (dict[str, int], "no braces"),
        (list[str], '{"return_value": ["\\ud800"]}'),
        (int, '{"return_value": {"a": 1'),
    ],
    ids=lambda part: str(part)[:30],
)
def test_nothing_is_made_of_what_holds_no_value(kind: Any, text: str) -> None:
    with pytest.raises(Unparsable):
        parse_reply(text, returning(kind))


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", '"NaN"', '"inf"', "nan"])
@pytest.mark.parametrize("kind", [float, list[float], dict[str, float], float | None, Decimal])
def test_what_is_not_a_finite_number_is_refused(kind: Any, text: str) -> None:
    inner = f"[{text}]" if kind == list[float] else f'{{"a": {text}}}' if kind == dict[str, float] else text
    if kind is Decimal and text == "1e999":
        return  # a Decimal can hold it
    for reply in (inner, f'{{"return_value": {inner}}}', f"```\n{inner}\n```"):
        with pytest.raises(Unparsable):
            parse_reply(reply, returning(kind))


def test_the_name_nan_is_text_like_any_other() -> None:
    assert parse_reply('{"name": "Nan", "price": 1}', returning(Item)).value.name == "Nan"


def test_a_complaint_names_the_place_the_reason_and_what_was_there() -> None:
    with pytest.raises(Unparsable, match=r"`items\[1\]\.price`: Input should be greater than or equal to 0, got -1"):
        parse_reply('{"items": [{"name": "a", "price": 1}, {"name": "b", "price": -1}]}', returning(Order))


def test_a_reply_that_was_cut_off_is_not_mended() -> None:
    with pytest.raises(Unparsable, match="cut off"):
        parse_reply('{"return_value": [1, 2', returning(list[int]), finish="length")
    assert parse_reply('{"return_value": [1, 2]}', returning(list[int]), finish="length").value == [1, 2]


@pytest.mark.parametrize(
    ("text", "value", "repaired"),
    [
        (" Paris \n", "Paris", False),
        ("<think>Oslo?</think>\nParis", "Paris", True),
        ('{"not": "read"}', '{"not": "read"}', False),
        ("```\ncode\n```", "```\ncode\n```", False),
    ],
)
def test_text_is_taken_as_it_is_without_thinking(text: str, value: str, *, repaired: bool) -> None:
    parsed = parse_reply(text, returning(str))
    assert (parsed.value, parsed.repaired) == (value, repaired)


@pytest.mark.parametrize("text", ["", "  \n", "<think>Oslo?</think>", "<think>never ends"])
def test_text_that_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(Unparsable, match="no answer"):
        parse_reply(text, returning(str))


def test_text_is_checked_too() -> None:
    short = Annotated[str, Field(max_length=3)]
    with pytest.raises(Unparsable, match="at most 3"):
        parse_reply("Paris", returning(short))


WORDS = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers()),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (list[str], st.lists(WORDS, max_size=4)),
    (dict[str, int | None], st.dictionaries(WORDS, st.none() | st.integers(-5, 5), max_size=4)),
    (
        Any,
        st.recursive(st.none() | st.booleans() | st.integers() | WORDS, lambda inner: st.lists(inner, max_size=3), max_leaves=5),
    ),
    (Item, st.builds(Item, name=WORDS, price=st.floats(0, 1e9))),
]


@pytest.mark.parametrize(("kind", "values"), VALUES, ids=lambda part: str(part)[:20])
@pytest.mark.parametrize("dress", [str, "Well: ```json\n{}\n``` so.".replace("{}", "%s").__mod__], ids=["bare", "fenced"])
def test_any_value_survives_being_written_and_read(
    kind: Any, values: st.SearchStrategy[Any], dress: Callable[[str], str]
) -> None:
    spec = returning(kind)

    @given(values)
    def check(value: Any) -> None:
        plain = json.loads(spec.adapter.dump_json(value))
        text = json.dumps({"return_value": plain} if spec.is_wrapped else plain)
        if dress is str or "`" not in text:
            assert parse_reply(dress(text), spec).value == value

    check()


@given(st.text(max_size=60))
def test_any_text_is_a_value_or_a_complaint(text: str) -> None:
    for kind in (int, list[int], Item, dict[str, int], date, str):
        try:
            parse_reply(text, returning(kind))
        except Unparsable as error:
            assert str(error)  # noqa: PT017 - either outcome is right
