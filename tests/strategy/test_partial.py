"""The value of a reply while it comes: what is shown at every point of it, and what is held back."""

from __future__ import annotations

import dataclasses
import json
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import Enum
from itertools import pairwise
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID, uuid4

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, RootModel, field_validator, model_validator
from typing_extensions import TypeAliasType, TypedDict

from llm_brain.strategy.parsing import Unparsable, parse_reply
from llm_brain.strategy.partial import PartialReader
from tests.strategy.conftest import returning

T = TypeVar("T")


class Colour(Enum):
    RED = "red"
    DARK_RED = "red, dark"


class Item(BaseModel):
    name: str
    price: float = Field(ge=0)


class Order(BaseModel):
    number: int
    items: list[Item] = []
    colour: Colour | None = None
    note: str | None = None
    labels: dict[str, int] = Field(default_factory=dict)


class Tree(BaseModel):
    value: int
    children: list[Tree] = []


class Cat(BaseModel):
    kind: Literal["cat"]
    name: str
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str
    tricks: list[str]


class Square(BaseModel):
    side: float


class Circle(BaseModel):
    radius: float
    label: str = "round"


class Box(BaseModel, Generic[T]):
    held: T
    count: int


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int
    name: str = "here"


@pydantic.dataclasses.dataclass
class Stamp:
    day: date
    text: str = Field(alias="words")


class Movie(TypedDict, total=False):
    title: str
    year: int


class Pair(NamedTuple):
    a: int
    b: str = "none"


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]
Nested = TypeAliasType("Nested", int)
object.__setattr__(Nested, "__value__", list[Nested] | int)  # as `type Nested = list[Nested] | int` does in later Pythons
Row = TypeAliasType("Row", list[T], type_params=(T,))


def shown(kind: Any, *pieces: str) -> list[Any]:
    """Feed pieces, and list what was given."""
    reader = PartialReader(returning(kind))
    return [part for piece in pieces for part in reader.feed(piece)]


def last(kind: Any, text: str) -> Any:
    """Feed a text character by character, and return the last that was given; `...` where nothing was."""
    return (shown(kind, *text) or [...])[-1]


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


WORDS = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(
    ['a "b" c', "{", "[1, 2", "```", "\\", "it's", "\u2028"]
)
NUMBERS = st.integers(-1000, 10**20)
ITEMS = st.builds(Item, name=WORDS, price=st.floats(0, 1e9))
PETS = st.builds(Cat, kind=st.just("cat"), name=WORDS, lives=NUMBERS) | st.builds(
    Dog, kind=st.just("dog"), name=WORDS, tricks=st.lists(WORDS, max_size=3)
)
TREES = st.recursive(
    st.builds(Tree, value=NUMBERS),
    lambda inner: st.builds(Tree, value=NUMBERS, children=st.lists(inner, max_size=3)),
    max_leaves=6,
)
ORDERS = st.builds(
    Order,
    number=NUMBERS,
    items=st.lists(ITEMS, max_size=3),
    colour=st.none() | st.sampled_from(Colour),
    note=st.none() | WORDS,
    labels=st.dictionaries(WORDS, NUMBERS, max_size=3),
)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    Item: ITEMS,
    Order: ORDERS,
    Tree: TREES,
    Pet: PETS,
    Cat | Dog: PETS,
    list[Pet]: st.lists(PETS, max_size=4),
    Square | Circle: st.builds(Square, side=st.floats(0, 9)) | st.builds(Circle, radius=st.floats(0, 9), label=WORDS),
    list[Item | None]: st.lists(ITEMS | st.none(), max_size=4),
    Order | None: ORDERS,
    Box[list[Item]]: st.builds(Box[list[Item]], held=st.lists(ITEMS, max_size=3), count=NUMBERS),
    list[Item]: st.lists(ITEMS, max_size=4),
    dict[str, list[Item]]: st.dictionaries(WORDS, st.lists(ITEMS, max_size=2), max_size=3),
    dict[int, Colour]: st.dictionaries(NUMBERS, st.sampled_from(Colour), max_size=3),
    list[Colour]: st.lists(st.sampled_from(Colour), max_size=4),
    list[int | str | bool | None]: st.lists(NUMBERS | WORDS | st.booleans() | st.none(), max_size=5),
    list[date]: st.lists(st.dates(), max_size=3),
    tuple[int, str, Item]: st.tuples(NUMBERS, WORDS, ITEMS),
    list[Point]: st.lists(st.builds(Point, x=NUMBERS, y=NUMBERS, name=WORDS), max_size=3),
    list[Pair]: st.lists(st.builds(Pair, a=NUMBERS, b=WORDS), max_size=3),
    list[Movie]: st.lists(st.fixed_dictionaries({}, optional={"title": WORDS, "year": NUMBERS}), max_size=3),
    frozenset[int]: st.frozensets(NUMBERS, max_size=4),
    float: st.floats(allow_nan=False, allow_infinity=False),
    UUID: st.uuids(),
    bool | None: st.none() | st.booleans(),
    Any: st.recursive(
        NUMBERS | WORDS | st.none(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3)
    ),
}


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


def written(kind: Any, value: Any) -> str:
    spec = returning(kind)
    plain = spec.adapter.dump_python(value, mode="json")
    return json.dumps({"return_value": plain} if spec.is_wrapped else plain, ensure_ascii=False, indent=1)


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: str(kind)[:40])
@pytest.mark.parametrize(
    "dress", ["%s", "<think>{</think>Sure {a}:\n```json\n%s\n```\nThat is all [1]."], ids=["bare", "dressed"]
)
def test_a_value_grows_at_every_prefix_of_its_reply_and_ends_as_the_whole(kind: Any, dress: str) -> None:
    spec = returning(kind)

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

    @given(text | st.text(max_size=30))
    def check(text: str) -> None:
        shown(kind, *text)
        shown(kind, text)

    check()


@pytest.mark.parametrize("kind", [Order, Pet, list[Item], dict[str, list[Item]], Tree], ids=lambda kind: str(kind)[:40])
def test_broken_replies_are_shown_as_far_as_they_can_be_read(kind: Any) -> None:
    @given(st.data())
    def check(data: st.DataObject) -> None:
        text = list(written(kind, data.draw(VALUES[kind])))
        for place in data.draw(st.lists(st.integers(0, len(text) - 1), min_size=1, max_size=3)):
            text[place] = data.draw(st.sampled_from(["", "", ",", '"', "'", "}", "]", "x"]))
        for part in shown(kind, *"".join(text)):
            returning(kind).adapter.dump_python(part, warnings=False)

    check()


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
