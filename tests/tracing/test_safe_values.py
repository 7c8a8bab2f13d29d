"""Any value becomes JSON: valid, small, and without asking the value for anything dear."""

import dataclasses
import datetime as dt
import enum
import json
import math
import pathlib
import tempfile
import uuid
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr

from llm_brain.tracing import json_safe, read_spans, record, span
from llm_brain.tracing.safe import MAX_DEPTH, MAX_ITEMS, MAX_NODES, MAX_TEXT
from llm_brain.tracing.tracer import MAX_LINE


class Colour(enum.Enum):
    RED = "red"
    MANY = (1, 2)


class Level(enum.IntEnum):
    LOW = 1


class Word(str):
    __slots__ = ()


class Model(BaseModel):
    name: str
    key: SecretStr
    hidden: str = Field(default="unseen", exclude=True)
    inner: dict[str, float] = {}


@dataclasses.dataclass
class Point:
    x: float
    label: Colour
    api_key: str = dataclasses.field(default="unseen", repr=False)
    other: Any = None


class Hostile:
    """Raises at every question."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise RuntimeError("repr")

    __str__ = __repr__

    def __len__(self) -> int:
        raise RuntimeError("len")

    def __iter__(self) -> Iterator[object]:
        raise RuntimeError("iter")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    __hash__ = object.__hash__


class Unhelpful:
    """Looks like an array and is none."""

    dtype = "float32"

    @property
    def shape(self) -> tuple[int, ...]:
        raise RuntimeError("shape")


class HostileDict(dict[str, int]):
    def items(self) -> Any:
        raise RuntimeError("items")


class Pair(NamedTuple):
    left: int
    right: str


@pytest.mark.parametrize(
    ("value", "safe"),
    [
        (None, None),
        (True, True),
        (12, 12),
        (0.5, 0.5),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        ("text", "text"),
        ("lone \ud800 one", "lone \ufffd one"),
        (Word("word"), "word"),
        (b"caf\xc3\xa9", "café"),
        (b"\xff\xfe\x00", "<3 bytes>"),
        (bytearray(b"ab"), "ab"),
        ((1, [2, {"a": (3,)}]), [1, [2, {"a": [3]}]]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        ({1: "a", None: "b", (1, 2): "c", "1": "d"}, {"1": "a", "null": "b", "[1, 2]": "c", "1 <3>": "d"}),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (Pair(1, "x"), [1, "x"]),
        (Colour.RED, "red"),
        (Colour.MANY, [1, 2]),
        (Level.LOW, 1),
        (10**400, "<int of 1329 bits>"),
        (Decimal("1.50"), "1.50"),
        (Fraction(1, 3), "1/3"),
        (1 + 2j, "(1+2j)"),
        (range(3), "range(0, 3)"),
        (dt.datetime(2026, 1, 2, 3, 4, 5), "2026-01-02 03:04:05"),
        (dt.timedelta(seconds=1.5), "0:00:01.500000"),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (int, "builtins.int"),
        (ValueError("no"), "ValueError: no"),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array(2.5), 2.5),
        (np.zeros((2, 3), dtype=np.int8), "<ndarray int8 [2, 3]>"),
        (Point(1.0, Colour.RED), {"x": 1.0, "label": "red", "other": None}),
        (Model(name="a", key=SecretStr("unseen")), {"name": "a", "key": "<SecretStr>", "inner": {}}),
        (object(), "<object>"),
        (len, "<builtin_function_or_method>"),
        ((number for number in [1]), "<generator>"),
        (Hostile(), "<Hostile: unreadable>"),
        (HostileDict(a=1), "<HostileDict: unreadable>"),
        ([1, Hostile(), 2], [1, "<Hostile: unreadable>", 2]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_becomes(value: object, safe: object) -> None:
    assert json_safe(value) == safe


def test_tensors_are_told_by_their_shape_and_scalars_by_their_value() -> None:
    torch = pytest.importorskip("torch")
    assert json_safe(torch.zeros(2, 3)) == "<Tensor float32 [2, 3]>"
    assert json_safe(torch.tensor(2.5, requires_grad=True)) == 2.5
    assert json_safe(torch.nn.Parameter(torch.zeros(4, dtype=torch.bfloat16))) == "<Parameter bfloat16 [4]>"
    assert json_safe(torch.zeros((), device="meta")) == "<Tensor float32 [] meta>"


def test_a_generator_is_not_run() -> None:
    numbers = iter([1, 2, 3])
    json_safe({"numbers": numbers})
    assert list(numbers) == [1, 2, 3]


def test_a_value_that_holds_itself_says_so() -> None:
    loop: dict[str, Any] = {"a": [1]}
    loop["a"].append(loop)
    assert json_safe(loop) == {"a": [1, "<dict: contains itself>"]}
    point = Point(0.0, Colour.RED)
    point.other = [point]
    assert json_safe(point) == {"x": 0.0, "label": "red", "other": ["<Point: contains itself>"]}
    shared = [1]
    assert json_safe([shared, shared]) == [[1], [1]]


def test_limits_are_kept_and_told() -> None:
    assert json_safe("x" * MAX_TEXT) == "x" * MAX_TEXT
    assert json_safe("x" * (MAX_TEXT + 5)) == "x" * MAX_TEXT + "<5 characters left out>"
    assert json_safe(b"x" * (MAX_TEXT + 5)) == f"<{MAX_TEXT + 5} bytes>"
    assert json_safe(list(range(MAX_ITEMS + 7)))[-2:] == [MAX_ITEMS - 1, "<7 items left out>"]  # type: ignore[index]
    many = json_safe(dict.fromkeys(range(MAX_ITEMS + 7), 0))
    assert isinstance(many, dict)
    assert (len(many), many["<left out>"]) == (MAX_ITEMS + 1, 7)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert json.dumps(json_safe(deep)).count("[") == MAX_DEPTH


def test_a_value_that_doubles_at_each_level_stays_small() -> None:
    laughs: list[Any] = ["ha"]
    for _ in range(40):
        laughs = [laughs, laughs]
    assert len(json.dumps(json_safe(laughs))) < 40 * MAX_NODES


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=20),
    st.binary(max_size=20),
    st.complex_numbers(),
    st.decimals(),
    st.fractions(),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    st.sampled_from([Colour.RED, Level.LOW, Unhelpful(), object(), len, int, np.float64("nan"), np.zeros(3), 10**4000]),
    st.just("\udcff\x00\x1b[31m\u202e\u2028"),
)
hashable = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=5))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(hashable, inner, max_size=4),
        st.sets(hashable, max_size=4),
        st.builds(lambda other: Point(0.0, Colour.RED, other=other), inner),
        st.builds(lambda text: Model(name=text, key=SecretStr("k")), st.text(max_size=5)),
    ),
    max_leaves=20,
)


@given(values)
def test_any_value_becomes_strict_json_that_reads_back_the_same(value: object) -> None:
    safe = json_safe(value)
    line = json.dumps(safe, ensure_ascii=False, allow_nan=False).encode("utf-8")
    assert json.loads(line.decode("utf-8")) == safe


@given(st.from_type(object).filter(lambda value: not isinstance(value, type)))
@settings(deadline=None)
def test_any_object_that_can_be_thought_of_becomes_json(value: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        safe = json_safe(value)
        assert json.loads(json.dumps(safe, allow_nan=False)) == safe


@given(st.dictionaries(st.text(st.characters(), max_size=10), values, max_size=5), st.text(st.characters(), max_size=20))
@settings(max_examples=60, deadline=None)
def test_any_span_becomes_one_valid_line(attributes: dict[str, object], name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with record(folder) as tracer, span(name, attributes) as s:
            s.set("one", attributes)
            s.content("two", [attributes])
        [path] = (Path(folder) / "spans").iterdir()
        lines = path.read_bytes().decode("utf-8").split("\n")
        assert (len(lines), lines[1], tracer.lost) == (2, "", 0)
        json.loads(lines[0], parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
        [one] = read_spans(folder)
        assert len(one.attributes) >= 2


def test_an_attribute_whose_name_is_no_valid_text_is_kept(tmp_path: Path) -> None:
    with record(tmp_path) as tracer, span("odd", {"lone \ud800": 1}) as s:
        s.set("\udfff", [2])
    [one] = read_spans(tmp_path)
    assert (one.attributes, tracer.lost) == ({"lone \ufffd": 1, "\ufffd": [2]}, 0)


@given(values)
def test_what_is_copied_in_a_hurry_is_what_is_copied_with_care(value: object) -> None:
    # A lazy mapping is copied with care at once.
    with_care = json_safe(MappingProxyType({"value": value}))
    assert json_safe({"value": value}) == with_care


@pytest.mark.parametrize("width", [0, 1, 2, 30, MAX_ITEMS, MAX_ITEMS + 1])
def test_wide_and_deep_containers_keep_their_limits_whatever_way_they_are_copied(width: int) -> None:
    for depth in (1, 2, 3, MAX_DEPTH + 1):
        value: Any = "leaf"
        for _ in range(depth):
            value = {"other": [0] * width, "inner": value}
        assert json_safe({"value": value}) == json_safe(MappingProxyType({"value": value}))


def test_strangers_are_not_asked_how_long_they_are() -> None:
    asked: list[int] = []

    class Query:
        def __len__(self) -> int:
            asked.append(1)
            return 3

    assert json_safe([Query(), {"query": Query()}]) == [f"<{Query.__qualname__}>", {"query": f"<{Query.__qualname__}>"}]
    assert json_safe(Query()) == f"<{Query.__qualname__}>"
    assert not asked


def test_a_line_that_would_be_too_long_is_shortened_where_it_is_longest(tmp_path: Path) -> None:
    with record(tmp_path), span("chat", {"model": "m"}) as s:
        s.set("books", ["x" * MAX_TEXT] * 300)
    [path] = (tmp_path / "spans").iterdir()
    assert path.stat().st_size < MAX_LINE
    [one] = read_spans(tmp_path)
    assert one.attributes == {"model": "m", "books": f"<{300 * (MAX_TEXT + 3) + 1} bytes left out>"}
