"""What can be decorated besides a plain class: dataclasses, models, named tuples, slots, and objects of all these."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import KW_ONLY, FrozenInstanceError, dataclass, field, fields, replace
from typing import Any, ClassVar, NamedTuple

import pytest
from pydantic import BaseModel, ConfigDict
from pydantic.dataclasses import dataclass as pydantic_dataclass

from llm_brain.errors import DefinitionError
from llm_brain.strategy import llm_strategy
from llm_brain.strategy.views import typed
from tests.strategy.conftest import Scripted

MODEL = Scripted('{"return_value": 7}')


def last_prompt(model: Scripted) -> str:
    return "\n".join(message.content for message in model.requests[-1].messages)


@dataclass
class Item:
    size: int

    def guess(self) -> int:
        """Guess."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    size: int
    parts: list[int] = field(default_factory=list)

    def guess(self) -> int:
        """Guess."""
        raise NotImplementedError


class Model(BaseModel):
    model_config = ConfigDict(frozen=True)

    size: int

    def guess(self) -> int:
        """Guess."""
        raise NotImplementedError


@pydantic_dataclass(frozen=True)
class Checked:
    size: int

    def guess(self) -> int:
        """Guess."""
        raise NotImplementedError


class Row(NamedTuple):
    size: int

    def guess(self) -> int:
        """Guess."""
        raise NotImplementedError


class Plain:
    def __init__(self, size: int) -> None:
        self.size = size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plain) and other.size == self.size

    __hash__ = None  # type: ignore[assignment]

    def guess(self) -> int:
        """Guess."""
        raise NotImplementedError


class Slotted(Plain):
    __slots__ = ("size",)


class Bare:
    __slots__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size

    def guess(self) -> int:
        """Guess."""
        raise NotImplementedError


KINDS: list[Callable[..., Any]] = [Item, Frozen, Model, Checked, Row, Plain, Slotted, Bare]


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_of_every_kind_is_implemented_and_keeps_its_fields(kind: Any) -> None:
    made = llm_strategy(MODEL)(kind)
    one = made(size=3)
    assert one.guess() == 7
    assert 'self: {"size": 3' in last_prompt(MODEL)
    assert isinstance(one, kind)
    assert one.size == 3
    assert hasattr(one, "__dict__") == hasattr(kind(size=3), "__dict__")


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_of_every_kind_is_implemented_as_a_copy(kind: Any) -> None:
    original = kind(size=3)
    made = llm_strategy(MODEL)(original)
    assert made.guess() == 7
    assert made is not original
    assert isinstance(made, kind)
    assert made.size == 3
    assert type(original) is kind
    with pytest.raises(NotImplementedError):
        original.guess()


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_of_a_decorated_class_is_rebound_as_a_copy(kind: Any) -> None:
    made = llm_strategy(MODEL)(kind)
    first = made(size=3)
    second = llm_strategy(Scripted('{"return_value": 8}'))(first)
    assert (first.guess(), second.guess()) == (7, 8)
    assert isinstance(second, made)


def test_a_copied_object_shares_what_its_fields_hold() -> None:
    original = Frozen(size=1, parts=[2])
    made = llm_strategy(MODEL)(original)
    assert made.parts is original.parts


def test_an_object_that_cannot_be_copied_is_refused() -> None:
    class Single(Plain):
        def __copy__(self) -> Single:
            return self

    with pytest.raises(DefinitionError, match="cannot be copied"):
        llm_strategy(MODEL)(Single(3))


def test_a_frozen_dataclass_stays_frozen_comparable_and_replaceable() -> None:
    made = llm_strategy(MODEL)(Frozen)
    one: Any = made(size=1)
    assert replace(one, size=5) == made(size=5)
    assert replace(one, size=5).guess() == 7
    with pytest.raises(FrozenInstanceError):
        one.size = 3


@pytest.mark.parametrize("kind", [Item, Row])
def test_the_signature_that_stands_for_docs_is_no_persona(kind: Any) -> None:
    made = llm_strategy(MODEL)(kind)
    assert kind.__doc__.startswith(f"{kind.__name__}(")
    assert kind.__doc__ not in typed(made(1).guess).prompt()


def test_a_dataclass_that_stands_above_has_the_fields() -> None:
    @dataclass(frozen=True)
    @llm_strategy(MODEL)
    class Shop:
        """You run a shop."""

        country: ClassVar[str] = "Norway"
        city: str
        floors: int = 2
        parts: list[int] = field(default_factory=list)
        _: KW_ONLY
        key: str = field(default="s3cret", repr=False)

        def guess(self) -> int:
            """Guess."""
            raise NotImplementedError

    shop = Shop("Oslo", 3, key="k")
    assert [one.name for one in fields(Shop)] == ["city", "floors", "parts", "key"]
    assert repr(shop).endswith("Shop(city='Oslo', floors=3, parts=[])")
    assert shop == Shop("Oslo", 3, key="k")
    assert Shop("Bergen").parts is not Shop("Bergen").parts
    assert shop.guess() == 7
    assert 'self: {"city": "Oslo", "floors": 3, "parts": []}' in last_prompt(MODEL)
    with pytest.raises(TypeError, match="city"):
        Shop()  # type: ignore[call-arg]


@pytest.mark.parametrize("above", [dataclass(slots=True), pydantic_dataclass, dataclass(order=True)])
def test_every_dataclass_decorator_can_stand_above(above: Any) -> None:
    class Shop:
        city: str
        floors: int = 2

        def guess(self) -> int:
            """Guess."""
            raise NotImplementedError

    made = above(llm_strategy(MODEL)(Shop))
    shop = made("Oslo", floors=3)
    assert (shop.city, shop.floors, shop.guess()) == ("Oslo", 3, 7)
    assert copy.copy(shop) == shop


def test_a_subclass_of_a_builtin_is_implemented() -> None:
    class Names(list[str]):
        def best(self) -> int:
            """Choose the best."""
            raise NotImplementedError

    assert llm_strategy(MODEL)(Names)(["Ann"]).best() == 7
    assert llm_strategy(MODEL)(Names(["Ann"])) == ["Ann"]


def test_a_cached_value_comes_along_with_a_copied_object() -> None:
    class Quiz:
        @functools.cached_property
        def level(self) -> int:
            return 3

        def guess(self) -> int:
            """Guess."""
            raise NotImplementedError

    quiz = Quiz()
    assert quiz.level == 3
    made = llm_strategy(MODEL)(quiz)
    assert (made.level, made.guess()) == (3, 7)
