"""Types whose values grow while their reply comes, values of them, and how they are written and read."""

from __future__ import annotations

import dataclasses
import json
from datetime import date
from enum import Enum
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID

import pydantic
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from typing_extensions import TypeAliasType, TypedDict

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


def written(kind: Any, value: Any) -> str:
    spec = returning(kind)
    plain = spec.adapter.dump_python(value, mode="json")
    return json.dumps({"return_value": plain} if spec.is_wrapped else plain, ensure_ascii=False, indent=1)
