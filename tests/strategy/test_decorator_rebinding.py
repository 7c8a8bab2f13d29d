"""One interface and several models: `using`, decorating again, and objects that are pickled and copied under any name."""

from __future__ import annotations

import asyncio
import copy
import pickle
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

from llm_brain.strategy import llm_strategy
from llm_brain.strategy.views import typed
from tests.strategy.conftest import Scripted

MODEL = Scripted('{"return_value": 7}')


@llm_strategy(MODEL)
@dataclass(frozen=True)
class Point:
    """You know points."""

    x: int
    y: int = 2

    def norm(self) -> int:
        """Give the norm."""
        raise NotImplementedError


@llm_strategy("local")
class Taught:
    def __init__(self, size: int = 0) -> None:
        self.size = size

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]

    def guess(self) -> int:
        """Guess."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Frozen:
    size: int = 3
    parts: list[int] = field(default_factory=list)

    def guess(self) -> int:
        """Guess."""
        raise NotImplementedError


class Model(BaseModel):
    size: int = 3

    def guess(self) -> int:
        """Guess."""
        raise NotImplementedError


class Row(NamedTuple):
    size: int = 3

    def guess(self) -> int:
        """Guess."""
        raise NotImplementedError


class Reduced:
    def __init__(self, size: int = 3) -> None:
        self.size = size

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.size,)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]

    def guess(self) -> int:
        """Guess."""
        raise NotImplementedError


class Kept(Taught):
    """Is found by its own name."""


KINDS: list[Any] = [Taught, Frozen, Model, Row, Reduced, Kept]


def test_using_gives_the_same_class_with_another_model() -> None:
    other: Any = Point.using(Scripted("8"))  # type: ignore[attr-defined]
    third = other.using(Scripted("9"))
    assert (Point(1).norm(), other(1).norm(), third(1).norm()) == (7, 8, 9)
    assert (other.__qualname__, other.__doc__) == (Point.__qualname__, "You know points.")
    assert isinstance(other(1), Point)
    assert issubclass(third, Point)
    assert len(third.__mro__) == len(other.__mro__)


def test_decorating_again_does_what_using_does() -> None:
    other = llm_strategy(Scripted("8"))(Point)
    third = llm_strategy(Scripted("9"))(other)
    assert (Point(1).norm(), other(1).norm(), third(1).norm()) == (7, 8, 9)
    assert issubclass(other, Point)
    assert not issubclass(third, other)


def test_a_decorated_subclass_is_rebound_as_a_subclass_of_itself() -> None:
    @llm_strategy(Scripted("8"))
    class Sub(Point):
        def more(self) -> int:
            """More."""
            raise NotImplementedError

    other: Any = Sub.using(Scripted("9"))  # type: ignore[attr-defined]
    assert (Sub(1).norm(), Sub(1).more(), other(1).norm(), other(1).more()) == (8, 8, 9, 9)
    assert issubclass(other, Sub)


def test_using_keeps_every_kind_of_member() -> None:
    @llm_strategy(MODEL)
    class Quiz:
        """P."""

        @property
        def a(self) -> int:
            """A."""
            raise NotImplementedError

        @classmethod
        def b(cls) -> int:
            """B."""
            raise NotImplementedError

        @staticmethod
        def c() -> int:
            """C."""
            raise NotImplementedError

        async def d(self) -> int:
            """D."""
            raise NotImplementedError

        def __len__(self) -> int:
            """E."""
            raise NotImplementedError

    other: Any = Quiz.using(Scripted("8"))  # type: ignore[attr-defined]
    assert (other().a, other.b(), other.c(), asyncio.run(other().d()), len(other())) == (8,) * 5
    assert "P." in other.b.prompt()


def test_what_a_subclass_implements_wins_and_the_rest_is_inherited() -> None:
    @llm_strategy(MODEL)
    class Quiz:
        def one(self) -> int:
            """One."""
            raise NotImplementedError

        def two(self) -> int:
            """Two."""
            raise NotImplementedError

    class Sure(Quiz):
        def one(self) -> int:
            return super().one() - 6

    assert (Sure().one(), Sure().two()) == (1, 7)
    again = llm_strategy(Scripted("9"))(Sure)
    assert (again().one(), again().two()) == (1, 9)
    assert issubclass(again, Sure)
    rebound = Sure.using(Scripted("8"))  # type: ignore[attr-defined]
    assert (rebound().one(), rebound().two()) == (1, 8)


def test_a_function_a_bound_method_and_an_object_are_rebound_too() -> None:
    @llm_strategy(MODEL)
    def count(text: str) -> int:
        """Count."""
        raise NotImplementedError

    eight = llm_strategy(Scripted("8"))
    assert (eight(count)("a"), eight(typed(Point(5).norm))(), eight(Point(5)).norm(), count("a")) == (8, 8, 8, 7)
    assert '"x": 5' in eight(typed(Point(5).norm)).prompt()


def test_the_same_models_name_gives_the_same_class() -> None:
    using: Any = Taught.using  # type: ignore[attr-defined]
    assert using("openai:gpt-5-mini") is using("openai:gpt-5-mini")
    assert using("openai:gpt-5-mini") is llm_strategy("openai:gpt-5-mini")(Taught)
    assert using("openai:gpt-5-mini") is not using("openai:gpt-5")
    assert type(llm_strategy("local")(Frozen())) is llm_strategy("local")(Frozen)


def test_an_object_of_a_decorated_class_is_pickled_by_the_classs_name() -> None:
    point = pickle.loads(pickle.dumps(Point(1)))
    assert point == Point(1)
    assert type(point) is Point
    assert point.norm() == 7


# Python's own slotted classes need protocol 2.
@pytest.mark.parametrize(
    ("kind", "protocol"), [(kind, protocol) for kind in KINDS for protocol in range(2 if kind is Frozen else 0, 6)]
)
def test_an_object_whose_class_goes_by_another_name_is_pickled_with_its_models_name(kind: Any, protocol: int) -> None:
    other = llm_strategy("openai:gpt-5-mini")(kind)
    one = other(size=5)
    again = pickle.loads(pickle.dumps(one, protocol))
    assert type(again) is other
    assert again == one
    assert again.size == 5
    assert again.guess.implementation.name == "openai:gpt-5-mini"
    assert isinstance(again, kind)


def test_a_class_that_was_rebound_twice_is_found_again() -> None:
    first = llm_strategy("local")(Frozen)
    second: Any = first.using("openai:gpt-5-mini")  # type: ignore[attr-defined]
    again = pickle.loads(pickle.dumps([second(4), second(5), first(6)]))
    assert [type(one) for one in again] == [second, second, first]
    assert [one.size for one in again] == [4, 5, 6]


def test_an_object_whose_class_can_neither_be_found_nor_made_says_so() -> None:
    with pytest.raises(pickle.PicklingError, match=r"cannot be pickled.*name the model"):
        pickle.dumps(llm_strategy(Scripted("8"))(Frozen)(3))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", ["openai:gpt-5-mini", Scripted('{"return_value": 8}')])
def test_objects_are_copied_with_their_class_whoever_implements_it(kind: Any, copied: Any, model: Any) -> None:
    one = llm_strategy(model)(kind)(size=5)
    again = copied(one)
    assert again is not one
    assert type(again) is type(one)
    assert again == one


def test_a_deep_copy_shares_nothing() -> None:
    one = llm_strategy("local")(Frozen)(3, [1])
    assert copy.deepcopy(one).parts == [1]
    assert copy.deepcopy(one).parts is not one.parts
    assert copy.copy(one).parts is one.parts
