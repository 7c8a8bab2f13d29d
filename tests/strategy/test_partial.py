"""A value while its reply comes: what is shown at a point of it, and what is held back."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import pydantic
import pytest
from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, RootModel, field_validator, model_validator

from tests.strategy.cases.growing import (
    Box,
    Cat,
    Circle,
    Colour,
    Dog,
    Item,
    Movie,
    Nested,
    Order,
    Pair,
    Pet,
    Point,
    Row,
    Square,
    Stamp,
    Tree,
    last,
    shown,
)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Item, '{"name": "Al', Item.model_construct({"name"}, name="Al", price=None)),
        (Item, '{"name": "Al", "pri', Item.model_construct({"name"}, name="Al", price=None)),
        (Item, '{"price": 12', ...),
        (Item, '{"price": 12,', Item.model_construct({"price"}, name=None, price=12)),
        (Item, '{"price": -1, "name": "A', Item.model_construct({"name"}, name="A", price=None)),
        (Item, "{", ...),
        (Item, '```json\n{"name": "A', Item.model_construct({"name"}, name="A", price=None)),
        (Item, '<think>{"name": "B"}</think>{"name": "A', Item.model_construct({"name"}, name="A", price=None)),
        (Item, "Sure {this one}: {'name': 'A', ", Item.model_construct({"name"}, name="A", price=None)),
        (Item, '{"return_value": {"name": "A"', Item.model_construct({"name"}, name="A", price=None)),
        (Item, "[1] says: {name: 'A', price: 2}", Item(name="A", price=2)),
        (list[Item], '{"return_value": [{"name": "A", "price": 1}, {"pri', [Item(name="A", price=1)]),
        (
            list[Item],
            '[{"name": "A", "price": 1}, {"name": "B',
            [Item(name="A", price=1), Item.model_construct({"name"}, name="B", price=None)],
        ),
        (list[int], '{"return_value": [1, 2, 3', [1, 2]),
        (list[int], '{"return_value": [', ...),
        (list[int], '{"return_value": []', []),
        (list[int], '{"return_value": [1, "x", 3]', [1, 3]),
        (list[str], '{"return_value": ["one", "tw', ["one", "tw"]),
        (set[str], '{"return_value": ["one", "tw', {"one"}),
        (deque[int], '{"return_value": [1, 2,', deque([1, 2])),
        (tuple[int, ...], '{"return_value": [1, 2,', (1, 2)),
        (tuple[int, str, int], '{"return_value": [1, "a', (1, "a", None)),
        (Pair, '{"return_value": [1', ...),
        (Pair, '{"return_value": [1,', Pair(1, "none")),
        (Point, '{"x": 1, "na', Point(1, None, "here")),
        (Movie, '{"title": "M', {"title": "M"}),
        (dict[str, int], '{"a": 1, "b": 2', {"a": 1}),
        (dict[int, str], '{"1": "a", "x": "y", "2": "b', {1: "a", 2: "b"}),
        (dict[Colour, int], '{"red": 1, "blue": 2, ', {Colour.RED: 1}),
        (Colour, '{"return_value": "red', ...),
        (Literal["a", "ab"], '{"return_value": "a', ...),
        (date, '{"return_value": "2024-05-0', ...),
        (date, '{"return_value": "2024-05-01"', ...),
        (date, '{"return_value": "2024-05-01"}', date(2024, 5, 1)),
        (int | None, '{"return_value": nul', ...),
        (str | None, '{"return_value": "nul', "nul"),
        (int | str, '{"return_value": "1', "1"),
        (Annotated[str, Field(max_length=3)], '{"return_value": "ab', ...),
        (Annotated[list[int], Field(min_length=3)], '{"return_value": [1, ', [1]),
        (Annotated[list[int], AfterValidator(sum)], '{"return_value": [1, 2, ', ...),
        (Annotated[list[int], AfterValidator(sum)], '{"return_value": [1, 2]}', 3),
        (Pet, '{"return_value": {"name": "Rex", "lives": 3, ', ...),
        (Pet, '{"return_value": {"kind": "do', ...),
        (Pet, '{"kind": "dog", "name": "R', Dog.model_construct({"kind", "name"}, kind="dog", name="R", tricks=None)),
        (Cat | Dog, '{"kind": "dog", "name": "R', Dog.model_construct({"kind", "name"}, kind="dog", name="R", tricks=None)),
        (Square | Circle, '{"radius": 1, ', Circle.model_construct({"radius"}, radius=1)),
        (Square | Circle, '{"return_value": {"label": "x', Circle.model_construct({"label"}, radius=None, label="x")),
        (Item | list[Item], '{"return_value": [{"name": "A', [Item.model_construct({"name"}, name="A", price=None)]),
        (Tree, '{"value": 1, "children": [{"value": 2}, {"val', Tree(value=1, children=[Tree(value=2)])),
        (Box[list[int]], '{"held": [1, 2', Box[list[int]].model_construct({"held"}, held=[1], count=None)),
        (RootModel[list[int]], '{"return_value": [1, 2', RootModel[list[int]]([1])),
        (Nested, '{"return_value": [1, [2, ', [1, [2]]),
        (Row[Item], '{"return_value": [{"name": "A', [Item.model_construct({"name"}, name="A", price=None)]),
        (Any, '{"return_value": {"a": [1, 2, "x', {"a": [1, 2, "x"]}),
        (pydantic.JsonValue, '{"return_value": {"a": [1, 2, "x', {"a": [1, 2, "x"]}),
        (Sequence[int], '{"return_value": [1, 2,', [1, 2]),
        (Mapping[str, Sequence[int]], '{"a": [1, 2,', {"a": [1, 2]}),
        (Decimal, '{"return_value": "1.5"}', Decimal("1.5")),
        (list[float], '{"return_value": [1.5, "nan", 2,', [1.5, 2]),
    ],
    ids=lambda part: str(part)[:40],
)
def test_what_has_arrived_is_shown_and_what_may_still_change_is_not(kind: Any, text: str, value: Any) -> None:
    seen = last(kind, text)
    assert seen == value
    assert type(seen) is type(value)


def test_a_reply_with_mistakes_comes_as_one_without() -> None:
    text = (
        "{'number': '7', // seven\n items: [{'name': 'A', 'price': 1,}, {“name”: “B” 'price': 2}], 'note': None, 'colour': 'red'"
    )
    assert last(Order, text + "}") == Order(
        number=7, items=[Item(name="A", price=1), Item(name="B", price=2)], colour=Colour.RED, note=None
    )
    assert last(Order, text).items == [Item(name="A", price=1), Item(name="B", price=2)]


def test_what_has_arrived_can_be_told_from_defaults() -> None:
    first, *_, end = shown(Order, *'{"number": 1, "items": [], "note": "now"}')
    assert first.model_fields_set == {"number"}
    assert first.items == []
    assert end.model_fields_set == {"number", "items", "note"}


def test_a_value_is_given_only_when_it_has_changed() -> None:
    class Stamped(BaseModel):
        key: UUID = Field(default_factory=uuid4)
        text: str
        number: int

    seen = shown(Stamped, *'{"text": "ab",      "number":    1234  }   ')
    assert [(each.text, each.number) for each in seen] == [("a", None), ("ab", None), ("ab", 1234)]
    assert seen[0].key == seen[1].key


def test_validators_see_only_what_is_complete() -> None:
    class Range(BaseModel):
        low: int
        high: int
        name: str = "range"

        @model_validator(mode="after")
        def ordered(self) -> Range:
            assert self.low <= self.high
            return self

        @field_validator("name")
        @classmethod
        def upper(cls, name: str) -> str:
            return name.upper()

    seen = shown(Range, *'{"low": 1, "name": "ab", "high": 2}')
    assert [(each.low, each.high, each.name) for each in seen] == [
        (1, None, "range"), (1, None, "a"), (1, None, "ab"), (1, 2, "AB")
    ]  # fmt: skip
    assert last(Range, '{"low": 3, "high": 2}').high == 2


def test_a_validator_that_fails_in_its_own_way_hides_its_value_only() -> None:
    def surprised(value: int) -> int:
        raise KeyError(value)

    class Odd(BaseModel):
        a: Annotated[int, AfterValidator(surprised)]
        b: int

    assert last(Odd, '{"a": 1, "b": 2,').model_fields_set == {"b"}


def test_fields_arrive_under_their_aliases() -> None:
    class Named(BaseModel):
        model_config = ConfigDict(validate_by_name=True, extra="allow")
        first: str = Field(alias="firstName")
        second: str = Field(validation_alias=AliasChoices("secondName", "second_name"))
        _count: int = 3

        @property
        def counted(self) -> int:
            return self._count

    assert last(Stamp, '{"words": "Hel').text == "Hel"
    part = last(Named, '{"firstName": "A", "second_name": "B", "other": [1, 2')
    assert (part.first, part.second, part.other, part.counted) == ("A", "B", [1], 3)
