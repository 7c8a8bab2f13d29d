"""Return types, each with the JSON of a value, the value, and JSON that must not be taken for one."""

from __future__ import annotations

import dataclasses
import enum
from collections import OrderedDict, defaultdict, deque
from collections.abc import Mapping, MutableSequence, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypeVar
from uuid import UUID

import pydantic
from annotated_types import Len
from pydantic import (
    AfterValidator,
    AnyUrl,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    HttpUrl,
    Json,
    PositiveInt,
    RootModel,
    SecretStr,
    StringConstraints,
    conlist,
    field_validator,
    model_validator,
)
from typing_extensions import TypeAliasType, TypedDict

T = TypeVar("T")
Key = TypeVar("Key")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Mood(enum.StrEnum):
    GOOD = "good"
    BAD = "bad"


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


class Crate(BaseModel, Generic[Key, T]):
    by_key: dict[Key, list[T]]


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Span(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    low: int = Field(alias="from")
    high: int = Field(alias="to")

    @field_validator("low")
    @classmethod
    def even(cls, low: int) -> int:
        if low % 2:
            message = "must be even"
            raise ValueError(message)
        return low

    @model_validator(mode="after")
    def ordered(self) -> Span:
        if self.low > self.high:
            message = "must not end before it begins"
            raise ValueError(message)
        return self


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Vertex:
    name: str
    at: Point


@dataclasses.dataclass
class Pile(Generic[T]):
    parts: list[T]


@pydantic.dataclasses.dataclass
class Stamp:
    day: date
    place: str = Field(min_length=2)


class Movie(TypedDict):
    title: str
    year: int


class Hint(TypedDict, total=False):
    text: str
    weight: float


class Pair(NamedTuple):
    a: int
    b: str = "none"


class Numbers(RootModel[list[int]]):
    pass


class Grid(RootModel[dict[str, Point]]):
    pass


def doubled(number: int) -> int:
    return number * 2


def split(text: Any) -> Any:
    return text.split(",") if isinstance(text, str) else text


UserId = NewType("UserId", int)
Row = TypeAliasType("Row", list[T], type_params=(T,))
Names = TypeAliasType("Names", list[str])
Pet = Annotated[Cat | Dog, Field(discriminator="kind")]

# The type; the JSON of a value, as the model is asked for it, without a wrapper; the value; JSON of something else.
RETURN_TYPES: dict[str, tuple[Any, str, Any, str]] = {
    "int": (int, "3", 3, '"three"'),
    "float": (float, "1.5", 1.5, '"one"'),
    "bool": (bool, "true", True, '"perhaps"'),
    "None": (None, "null", None, "1"),
    "bytes": (bytes, '"ab"', b"ab", "3"),
    "complex": (complex, '"1+2j"', 1 + 2j, '"x"'),
    "text or nothing": (str | None, '"Paris"', "Paris", "3"),
    "literal": (Literal["a", "b"], '"a"', "a", '"c"'),
    "literal of several kinds": (Literal["a", 1, True], "1", 1, '"b"'),
    "enum": (Colour, '"red"', Colour.RED, '"green"'),
    "integer enum": (Level, "2", Level.HIGH, "3"),
    "text enum": (Mood, '"bad"', Mood.BAD, '"so-so"'),
    "optional": (int | None, "null", None, '"x"'),
    "optional model": (Item | None, '{"name": "a", "price": 1}', Item(name="a", price=1), '{"name": "a"}'),
    "union of plain types": (int | str, '"1"', "1", "[1]"),
    "union of models": (Item | Tree, '{"value": 1}', Tree(value=1), '{"other": 1}'),
    "discriminated union": (
        Pet,
        '{"kind": "dog", "tricks": ["sit"]}',
        Dog(kind="dog", tricks=["sit"]),
        '{"kind": "cow", "lives": 1}',
    ),
    "list of a discriminated union": (
        list[Pet],
        '[{"kind": "cat", "lives": 9}]',
        [Cat(kind="cat", lives=9)],
        '[{"kind": "cat"}]',
    ),
    "datetime": (datetime, '"2024-02-29T10:00:00Z"', datetime(2024, 2, 29, 10, tzinfo=UTC), '"yesterday"'),
    "datetime with a zone": (
        AwareDatetime,
        '"2024-02-29T10:00:00Z"',
        datetime(2024, 2, 29, 10, tzinfo=UTC),
        '"2024-02-29T10:00:00"',
    ),
    "date": (date, '"2024-02-29"', date(2024, 2, 29), '"2023-02-29"'),
    "time": (time, '"10:30"', time(10, 30), '"25:00"'),
    "timedelta": (timedelta, '"PT90S"', timedelta(seconds=90), '"long"'),
    "Decimal": (Decimal, '"1.50"', Decimal("1.50"), '"x"'),
    "Decimal with places": (Annotated[Decimal, Field(decimal_places=2)], '"1.50"', Decimal("1.50"), '"1.505"'),
    "Fraction": (Fraction, '"1/3"', Fraction(1, 3), '"x"'),
    "UUID": (UUID, '"12345678-1234-5678-1234-567812345678"', UUID("12345678-1234-5678-1234-567812345678"), '"x"'),
    "path": (Path, '"a/b.txt"', Path("a/b.txt"), "3"),
    "web address": (HttpUrl, '"https://example.org/"', HttpUrl("https://example.org/"), '"ftp://example.org"'),
    "any address": (AnyUrl, '"ftp://example.org/x"', AnyUrl("ftp://example.org/x"), '"no address"'),
    "IPv4 address": (IPv4Address, '"127.0.0.1"', IPv4Address("127.0.0.1"), '"127.0.0"'),
    "IPv6 network": (IPv6Network, '"fe80::/64"', IPv6Network("fe80::/64"), '"x"'),
    "size in bytes": (ByteSize, '"1 KiB"', ByteSize(1024), '"large"'),
    "secret": (SecretStr, '"sesame"', SecretStr("sesame"), "3"),
    "JSON in a string": (Json[list[int]], '"[1, 2]"', [1, 2], '"[1, x]"'),
    "model": (Item, '{"name": "a", "price": 1}', Item(name="a", price=1), '{"name": "a", "price": -1}'),
    "nested model": (
        Order,
        '{"items": [{"name": "a", "price": 1}]}',
        Order(items=[Item(name="a", price=1)]),
        '{"items": [{"name": "a"}]}',
    ),
    "recursive model": (
        Tree,
        '{"value": 1, "children": [{"value": 2}]}',
        Tree(value=1, children=[Tree(value=2)]),
        '{"children": []}',
    ),
    "model with aliases and validators": (
        Span,
        '{"from": 2, "to": 3}',
        Span.model_validate({"from": 2, "to": 3}),
        '{"from": 4, "to": 3}',
    ),
    "model that forbids more": (
        Span,
        '{"from": 2, "to": 2}',
        Span.model_validate({"from": 2, "to": 2}),
        '{"from": 2, "to": 3, "by": 1}',
    ),
    "generic model": (Box[int], '{"held": 1}', Box[int](held=1), '{"held": "x"}'),
    "generic model of models": (
        Box[list[Item]],
        '{"held": [{"name": "a", "price": 1}]}',
        Box[list[Item]](held=[Item(name="a", price=1)]),
        '{"held": [{}]}',
    ),
    "generic model of two types": (
        Crate[int, date],
        '{"by_key": {"1": ["2024-05-01"]}}',
        Crate[int, date](by_key={1: [date(2024, 5, 1)]}),
        '{"by_key": {"x": []}}',
    ),
    "root model": (Numbers, "[1, 2]", Numbers([1, 2]), '["x"]'),
    "root model of a dictionary": (Grid, '{"a": {"x": 1}}', Grid({"a": Point(1)}), '{"a": 1}'),
    "dataclass": (Point, '{"x": 1, "y": 2}', Point(1, 2), '{"y": 1}'),
    "frozen dataclass with slots": (Vertex, '{"name": "a", "at": {"x": 1}}', Vertex("a", Point(1)), '{"name": "a"}'),
    "generic dataclass": (Pile[int], '{"parts": [1]}', Pile([1]), '{"parts": ["x"]}'),
    "pydantic dataclass": (
        Stamp,
        '{"day": "2024-05-01", "place": "Oslo"}',
        Stamp(date(2024, 5, 1), "Oslo"),
        '{"day": "2024-05-01", "place": "O"}',
    ),
    "list of dataclasses": (list[Point], '[{"x": 1}]', [Point(1)], "[1]"),
    "typed dictionary": (Movie, '{"title": "M", "year": 1931}', {"title": "M", "year": 1931}, '{"title": "M"}'),
    "typed dictionary of which parts may lack": (Hint, '{"weight": 0.5}', {"weight": 0.5}, '{"weight": "heavy"}'),
    "named tuple": (Pair, '[1, "b"]', Pair(1, "b"), '["x"]'),
    "tuple": (tuple[int, str], '[1, "a"]', (1, "a"), "[1]"),
    "tuple of any length": (tuple[int, ...], "[1, 2, 3]", (1, 2, 3), '[1, "x"]'),
    "empty tuple": (tuple[()], "[]", (), "[1]"),
    "tuple of models": (
        tuple[Item, Point],
        '[{"name": "a", "price": 1}, {"x": 1}]',
        (Item(name="a", price=1), Point(1)),
        '[{"name": "a"}, {"x": 1}]',
    ),
    "list": (list[int], "[1, 2]", [1, 2], '["x"]'),
    "list of anything": (list, '[1, "a"]', [1, "a"], "3"),
    "list with a length": (conlist(int, min_length=2), "[1, 2]", [1, 2], "[1]"),
    "list of lists": (list[list[int]], "[[1], []]", [[1], []], "[1]"),
    "set": (set[int], "[1, 2]", {1, 2}, '"x"'),
    "frozen set": (frozenset[str], '["a"]', frozenset({"a"}), "1"),
    "deque": (deque[int], "[1, 2]", deque([1, 2]), '["x"]'),
    "sequence": (Sequence[int], "[1, 2]", [1, 2], '["x"]'),
    "mutable sequence": (MutableSequence[int], "[1, 2]", [1, 2], '["x"]'),
    "abstract set": (AbstractSet[int], "[1, 2]", frozenset({1, 2}), '["x"]'),
    "mapping": (Mapping[str, int], '{"a": 1}', {"a": 1}, '{"a": "x"}'),
    "dictionary": (dict[str, int], '{"a": 1}', {"a": 1}, '{"a": "x"}'),
    "dictionary by numbers": (dict[int, str], '{"1": "a"}', {1: "a"}, '{"x": "a"}'),
    "dictionary by an enum": (dict[Colour, int], '{"red": 1}', {Colour.RED: 1}, '{"green": 1}'),
    "dictionary by dates": (dict[date, int], '{"2024-05-01": 1}', {date(2024, 5, 1): 1}, '{"x": 1}'),
    "dictionary of models": (dict[str, Item], '{"a": {"name": "a", "price": 1}}', {"a": Item(name="a", price=1)}, '{"a": {}}'),
    "dictionary with defaults": (defaultdict[str, list[int]], '{"a": [1]}', defaultdict(list, {"a": [1]}), '{"a": 1}'),
    "ordered dictionary": (OrderedDict[str, int], '{"b": 1, "a": 2}', OrderedDict(b=1, a=2), '{"a": "x"}'),
    "integer in a range": (Annotated[int, Field(ge=5, le=9)], "7", 7, "3"),
    "positive integer": (PositiveInt, "1", 1, "0"),
    "multiple": (Annotated[float, Field(multiple_of=0.5)], "1.5", 1.5, "1.2"),
    "text of a pattern": (Annotated[list[Annotated[str, Field(pattern="^[a-z]+$")]], Len(1)], '["ab"]', ["ab"], '["A1"]'),
    "text that is trimmed": (Annotated[str, StringConstraints(strip_whitespace=True)] | None, '" a "', "a", "3"),
    "validated after": (Annotated[int, AfterValidator(doubled)], "4", 8, '"x"'),
    "validated before": (Annotated[list[str], BeforeValidator(split)], '"a,b"', ["a", "b"], "3"),
    "new type": (UserId, "7", UserId(7), '"x"'),
    "alias": (Names, '["a"]', ["a"], "[1]"),
    "generic alias": (Row[int], "[1, 2]", [1, 2], '["x"]'),
    "anything": (Any, '{"a": [1, null]}', {"a": [1, None]}, '{"a": '),
    "any JSON": (pydantic.JsonValue, '[1, "a", {"b": null}]', [1, "a", {"b": None}], '{"a": '),
    "containers within containers": (
        dict[str, list[tuple[int, Item | None] | Mapping[str, set[int]]]],
        '{"a": [[1, {"name": "a", "price": 1}], [2, null], {"b": [3, 3]}]}',
        {"a": [(1, Item(name="a", price=1)), (2, None), {"b": {3}}]},
        '{"a": [[1]]}',
    ),
}
