"""Return types: which head each asks for, that values come back as they were, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum, Flag, IntEnum, StrEnum
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypedDict

import annotated_types
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    RootModel,
    SecretStr,
    StringConstraints,
    TypeAdapter,
    confloat,
    conint,
    field_validator,
)
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from typing_extensions import TypeAliasType

from llm_brain import Hidden
from llm_brain.brain import Brain, BrainConfig, Choice, Number, Record, Text, TokenCodec
from llm_brain.errors import ArgumentError, DefinitionError
from llm_brain.training import answer_for


class Colour(Enum):
    RED = 1
    GREEN = 2


class Mood(StrEnum):
    HAPPY = "happy"
    UNHAPPY = "unhappy"


class Level(IntEnum):
    LOW = 0
    HIGH = 1


class Access(Flag):
    READ = 1
    WRITE = 2


Metres = NewType("Metres", int)
Bounded = NewType("Bounded", Annotated[int, Field(ge=0, le=9)])  # type: ignore[valid-newtype]
Share = TypeAliasType("Share", Annotated[float, Field(ge=0, le=1)])


class Author(BaseModel):
    known: bool | None
    name: str = Field(max_length=8)


class Review(BaseModel):
    mood: Mood
    stars: Annotated[int, Field(ge=1)] = Field(le=5)
    share: Share = 0.5
    author: Author
    kind: Literal["short", "long"] = Field("short", alias="type", description="How long it is.")


class Checked(BaseModel):
    stars: int = Field(ge=1, le=5)

    @field_validator("stars")
    @classmethod
    def odd(cls, stars: int) -> int:
        assert stars % 2
        return stars


class Tree(BaseModel):
    value: bool
    left: Tree | None
    right: Tree


class Nothing(BaseModel):
    pass


class Whole(RootModel[bool]):
    pass


class Lists(BaseModel):
    items: list[bool]


class Row(NamedTuple):
    value: bool


class Keys(TypedDict):
    value: bool


def text(longest: int = 64) -> Text:
    return Text(vocabulary=257, end=256, longest=longest)


def whole(low: int, high: int) -> Number:
    return Number(low=low, high=high, whole=True)


REVIEWS = [
    Review(mood=Mood.UNHAPPY, stars=1, share=1 / 3, author=Author(known=None, name="Zoë"), type="long"),
    Review(mood=Mood.HAPPY, stars=5, share=0.0, author=Author(known=False, name=""), type="short"),
]

SUPPORTED: list[tuple[Any, Any, list[Any]]] = [
    (bool, Choice(options=2), [True, False, True]),
    (Literal["a", "b", "c"], Choice(options=3), ["c", "a"]),
    (Literal[1, "one", False], Choice(options=3), [False, 1, "one"]),
    (Literal["only"], Choice(options=1), ["only"]),
    (Literal["a", "b"] | None, Choice(options=3), [None, "b"]),
    (bool | None, Choice(options=3), [None, False, True]),
    (Colour, Choice(options=2), [Colour.GREEN, Colour.RED]),
    (Mood, Choice(options=2), [Mood.UNHAPPY]),
    (Level, Choice(options=2), [Level.HIGH]),
    (Colour | None, Choice(options=3), [None, Colour.RED]),
    (Colour | Literal["none"], Choice(options=3), ["none", Colour.GREEN]),
    (Annotated[Mood, "how it sounds"], Choice(options=2), [Mood.HAPPY]),
    (Annotated[int, Field(ge=1, le=5)], whole(1, 5), [1, 3, 5]),
    (Annotated[int, Field(gt=0, lt=10)], whole(1, 9), [1, 9]),
    (Annotated[int, Field(ge=-3, lt=4)], whole(-3, 3), [-3, 0, 3]),
    (Annotated[int, annotated_types.Interval(ge=0, le=100)], whole(0, 100), [0, 100]),
    (Annotated[Annotated[int, Field(ge=0)], Field(le=7), Field(le=9)], whole(0, 7), [7]),
    (Annotated[int, Field(ge=0, le=100, multiple_of=5)], whole(0, 20), [0, 35, 100]),
    (Annotated[int, Field(ge=1, le=9, multiple_of=4)], whole(1, 2), [4, 8]),
    (Annotated[int, Field(ge=0, le=10**9)], whole(0, 10**9), [0, 123_456_789, 10**9]),
    (conint(ge=0, le=4), whole(0, 4), [0, 4]),
    (Annotated[PositiveInt, Field(le=3)], whole(1, 3), [1, 3]),
    (Annotated[Metres, Field(ge=0, le=9)], whole(0, 9), [9]),
    (Bounded, whole(0, 9), [0, 9]),
    (Annotated[float, Field(ge=0, le=1)], Number(low=0, high=1), [0.0, 0.1, 1 / 3, 1.0]),
    (Share, Number(low=0, high=1), [0.25]),
    (confloat(ge=-1, le=1), Number(low=-1, high=1), [-1.0, 1.0]),
    (Annotated[float, Field(gt=0, lt=1)], Number(low=5e-324, high=math.nextafter(1, 0)), [5e-324, 0.5, math.nextafter(1, 0)]),
    (Annotated[float, Field(ge=0, le=1, multiple_of=0.1)], whole(0, 10), [0.0, 0.1, 0.3, 0.7, 1.0]),
    (Annotated[float, Field(gt=0, lt=1, multiple_of=0.25)], whole(1, 3), [0.25, 0.75]),
    (str, text(), ["", "hello", "naïve \ud800", "😀"]),
    (Annotated[str, Field(max_length=5)], text(), ["", "five!"]),
    (Annotated[str, "a title"], text(), ["title"]),
    (
        Review,
        Record(
            fields={
                "mood": Choice(options=2),
                "stars": whole(1, 5),
                "share": Number(low=0, high=1),
                "author": Record(fields={"known": Choice(options=3), "name": text()}),
                "kind": Choice(options=2),
            }
        ),
        REVIEWS,
    ),
]

REFUSED: list[tuple[Any, str]] = [
    (int, r"int has no bounds: say them, as in Annotated\[int, Field\(ge=0, le=10\)\]"),
    (float, r"float has no bounds"),
    (Annotated[int, Field(ge=0)], "no upper bound"),
    (Annotated[float, Field(lt=0)], "no lower bound"),
    (Annotated[int, Field(ge=3, le=2)], "cannot keep: .*no whole number lies between 3.0 and 2.0"),
    (Annotated[int, Field(ge=0, le=2**60)], "cannot keep: .*below 2"),
    (Annotated[float, Field(ge=0, le=math.inf)], "cannot keep"),
    (Annotated[float, Field(ge=1, le=1)], "cannot keep"),
    (Annotated[int, Field(ge=1, le=3, multiple_of=5)], "cannot keep: .*no whole number"),
    (Annotated[int, Field(ge=0, le=9, multiple_of=2), Field(multiple_of=3)], "more than one multiple_of"),
    (Annotated[int, Field(ge=0, le=9), AfterValidator(abs)], "constraint that a brain's answer might not pass"),
    (Annotated[bool, AfterValidator(bool)], "constraint that a brain's answer might not pass"),
    (Annotated[str, Field(min_length=1)], "constraint that a brain's answer might not pass"),
    (Annotated[str, Field(pattern="a+")], "constraint that a brain's answer might not pass"),
    (Annotated[str, StringConstraints(to_lower=True)], "constraint that a brain's answer might not pass"),
    (list[bool], r"list\[bool\] is no type that a brain answers with: a brain answers with bool, Literal"),
    (dict[str, bool], "no type that a brain answers with"),
    (tuple[bool, bool], "no type that a brain answers with"),
    (str | None, "no type that a brain answers with"),
    (Annotated[int, Field(ge=0, le=5)] | None, "no type that a brain answers with"),
    (Literal["true", True], "no type that a brain answers with"),
    (None, "no type that a brain answers with"),
    (Any, "no type that a brain answers with"),
    (object, "no type that a brain answers with"),
    (bytes, "no type that a brain answers with"),
    (complex, "no type that a brain answers with"),
    (Access, "no type that a brain answers with"),
    (Sequence[str], "no type that a brain answers with"),
    (Row, "no type that a brain answers with"),
    (Keys, "no type that a brain answers with"),
    (Whole, "no type that a brain answers with"),
    (Annotated[bool, Hidden], "is hidden"),
    (SecretStr, "is hidden"),
    (Checked, "has validators of its own"),
    (Tree, r"Tree\.left: Tree \| None is no type"),
    (Nothing, "has no fields"),
    (Lists, r"Lists\.items: list\[bool\] is no type"),
]


@pytest.mark.parametrize(("annotation", "answer", "values"), SUPPORTED, ids=[str(row[0])[:60] for row in SUPPORTED])
def test_a_type_decides_the_answer_and_its_values_come_back(annotation: Any, answer: Any, values: list[Any]) -> None:
    kind = answer_for(annotation)
    assert kind.answer == answer
    found = kind.values(kind.target(values))
    assert found == values
    assert list(map(type, found)) == list(map(type, values))


@pytest.mark.parametrize(("annotation", "answer", "values"), SUPPORTED, ids=[str(row[0])[:60] for row in SUPPORTED])
def test_a_brain_of_that_answer_takes_the_targets_and_gives_values_of_the_type(
    annotation: Any, answer: Any, values: list[Any]
) -> None:
    torch.manual_seed(0)
    kind = answer_for(annotation)
    brain = Brain(BrainConfig(input_size=4, answer=answer, width=8, heads=2)).eval()
    with torch.no_grad():
        distribution = brain(torch.randn(len(values), 3, 4)).answer
        assert distribution.log_prob(kind.target(values)).isfinite().all()
        for value in [*kind.values(distribution.best()), *kind.values(distribution.sample())]:
            assert TypeAdapter(annotation).validate_python(value, strict=not isinstance(value, BaseModel)) == value


@pytest.mark.parametrize(("annotation", "message"), REFUSED, ids=[str(row[0])[:60] for row in REFUSED])
def test_a_type_that_no_brain_answers_with_is_refused(annotation: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        answer_for(annotation)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (bool, 1),
        (bool, []),
        (Literal["a"], "b"),
        (Annotated[int, Field(ge=1, le=5)], 6),
        (Annotated[int, Field(ge=1, le=5)], True),
        (Annotated[int, Field(ge=1, le=5)], "3"),
        (Annotated[float, Field(ge=0, le=1)], math.nan),
        (Annotated[float, Field(ge=0, le=1)], -0.1),
        (str, 3),
        (str, "x" * 65),
        (Review, {"mood": "happy"}),
    ],
)
def test_a_value_of_another_type_is_refused(annotation: Any, value: Any) -> None:
    with pytest.raises(ArgumentError):
        answer_for(annotation).target([value])


@settings(max_examples=100, deadline=None)
@given(low=st.floats(-1e9, 1e9), width=st.floats(1, 1e9), share=st.floats(0, 1))
def test_every_float_between_bounds_comes_back_to_the_last_bit(low: float, width: float, share: float) -> None:
    high = low + width
    value = min(max(low + share * width, low), high)
    kind = answer_for(Annotated[float, Field(ge=low, le=high)])
    assert kind.values(kind.target([value])) == [value]


@settings(max_examples=100, deadline=None)
@given(step=st.sampled_from([0.1, 0.01, 0.25, 2.5, 3.0]), number=st.integers(-1000, 1000))
def test_every_multiple_of_a_step_comes_back_as_it_is_written(step: float, number: int) -> None:
    kind = answer_for(Annotated[float, Field(ge=-3000, le=3000, multiple_of=step)])
    value = float(f"{number * step:.6f}")
    assert kind.values(kind.target([value])) == [value]


@settings(max_examples=100, deadline=None)
@given(value=st.text(st.characters(), max_size=15))
def test_every_text_comes_back(value: str) -> None:
    kind = answer_for(str)
    assert kind.values(kind.target([value, ""])) == [value, ""]


def test_a_text_is_written_in_the_codec_that_is_handed_in() -> None:
    tokenizer = Tokenizer(WordLevel({"?": 0, "tea": 1, "<end>": 2}, unk_token="?"))
    kind = answer_for(str, codec=TokenCodec(tokenizer, end=2), longest=3)
    assert kind.answer == Text(vocabulary=3, end=2, longest=3)
    assert kind.values(torch.tensor([[1, 2, 2]])) == ["tea"]
    with pytest.raises(DefinitionError, match="without an end"):
        answer_for(str, codec=TokenCodec(tokenizer))


def test_what_a_brain_writes_beyond_the_types_length_is_cut_off() -> None:
    kind = answer_for(Annotated[str, Field(max_length=2)])
    assert kind.values(answer_for(str).target(["abc"])) == ["ab"]


def test_types_of_the_same_answer_mean_different_things() -> None:
    kinds = [
        bool,
        Literal["yes", "no"],
        Literal["no", "yes"],
        Annotated[int, Field(ge=0, le=1)],
        Annotated[float, Field(ge=0, le=1)],
    ]
    meanings = [answer_for(kind).meaning() for kind in kinds]
    assert all(one != other for place, one in enumerate(meanings) for other in meanings[:place])


def test_a_models_own_longest_text_is_kept_and_a_shortest_one_refused() -> None:
    class Note(BaseModel):
        model_config = ConfigDict(str_max_length=3)
        words: str
        more: Annotated[str, Field(max_length=2)]

    kind = answer_for(Note)
    (symbols,) = answer_for(str).target(["too long"])
    assert kind.values({"words": symbols[None], "more": symbols[None]}) == [Note(words="too", more="to")]

    class Essay(BaseModel):
        model_config = ConfigDict(str_min_length=3)
        words: str

    with pytest.raises(DefinitionError, match="`str_min_length`"):
        answer_for(Essay)
