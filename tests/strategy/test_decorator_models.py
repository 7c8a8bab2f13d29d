"""How `@llm_strategy` implements protocols, pydantic models and generic classes."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import pytest
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator

from llm_brain.strategy import llm_strategy
from tests.strategy.conftest import Scripted

Content = TypeVar("Content")
MODEL = Scripted('{"return_value": 7}')


def last_prompt(model: Scripted) -> str:
    return "\n".join(message.content for message in model.requests[-1].messages)


class Model(BaseModel):
    model_config = ConfigDict(frozen=True)

    size: int
    key: str = Field("s3cret", repr=False)
    _private: int = PrivateAttr(3)

    @field_validator("size")
    @classmethod
    def is_positive(cls, size: int) -> int:
        if size < 1:
            message = "must be positive"
            raise ValueError(message)
        return size

    def private(self) -> int:
        return self._private

    def set_private(self, value: int) -> None:
        self._private = value

    def guess(self) -> int:
        """Guess."""
        raise NotImplementedError

    @property
    def shoe_size(self) -> int:
        """Guess the shoe size."""
        raise NotImplementedError

    def child(self) -> Model:
        """Make a smaller one."""
        raise NotImplementedError


def test_a_protocol_can_be_made_with_its_methods_and_properties() -> None:
    @llm_strategy(MODEL)
    class Counts(Protocol):
        name: str

        @property
        def size(self) -> int:
            """Tell the size."""
            raise NotImplementedError

        def count(self, text: str) -> int:
            """Count."""
            ...

    counts: Any = Counts()  # type: ignore[misc]
    counts.name = "abacus"
    assert (counts.count("a"), counts.size) == (7, 7)
    assert '"name": "abacus"' in last_prompt(MODEL)


def test_a_pydantic_model_keeps_validators_settings_and_private_attributes() -> None:
    made = llm_strategy(MODEL)(Model)
    one: Any = made(size=3)
    assert one.shoe_size == 7
    assert "s3cret" not in last_prompt(MODEL)
    assert one.model_dump() == {"size": 3, "key": "s3cret"}
    assert list(made.model_fields) == ["size", "key"]
    assert one.model_copy(update={"size": 4}).guess() == 7
    assert copy.deepcopy(one) == one
    with pytest.raises(ValueError, match="must be positive"):
        made(size=0)
    with pytest.raises(ValueError, match="frozen"):
        one.size = 4
    one.set_private(9)
    assert (llm_strategy(Scripted("8"))(one).private(), made(size=3).private()) == (9, 3)


def test_what_a_member_returns_of_its_own_class_is_implemented_too() -> None:
    made = llm_strategy(Scripted('{"size": 2}', '{"return_value": 7}'))(Model)
    child = made(size=3).child()
    assert type(child) is made
    assert child.guess() == 7


class Node(BaseModel):
    text: str
    left: Node | None = None
    others: dict[str, list[Node]] = Field(default_factory=dict, description="the rest")

    def summary(self) -> str:
        """Summarise."""
        raise NotImplementedError

    def grown(self) -> Node:
        """Grow."""
        raise NotImplementedError


@dataclass
class Leaf:
    text: str
    left: Leaf | None = None

    def summary(self) -> str:
        """Summarise."""
        raise NotImplementedError

    def grown(self) -> Leaf:
        """Grow."""
        raise NotImplementedError


@pytest.mark.parametrize("kind", [Node, Leaf])
def test_what_a_member_returns_contains_implemented_objects_all_the_way_down(kind: Any) -> None:
    made = llm_strategy(Scripted('{"text": "a", "left": {"text": "b", "left": {"text": "c"}}}', "short"))(kind)
    grown = made("x").grown() if kind is Leaf else made(text="x").grown()
    assert [type(one) for one in (grown, grown.left, grown.left.left)] == [made] * 3
    assert grown.left.left.summary() == "short"


def test_a_recursive_model_is_read_from_data_as_implemented_objects() -> None:
    made = llm_strategy(Scripted("short"))(Node)
    node = made.model_validate({"text": "a", "others": {"b": [{"text": "b", "left": {"text": "c"}}]}})
    assert node.others["b"][0].left.summary() == "short"  # type: ignore[union-attr]
    assert made.model_json_schema() == Node.model_json_schema()
    assert type(Node.model_validate({"text": "a", "left": {"text": "b"}}).left) is Node


def test_a_generic_class_stays_generic() -> None:
    @llm_strategy(MODEL)
    class Store(Generic[Content]):
        def guess(self, example: Content) -> Content:
            """Guess."""
            raise NotImplementedError

    assert Store[int]().guess(3) == 7
    assert Store().guess(3) == 7
    other: Any = Store.using(Scripted('{"return_value": 8}'))  # type: ignore[attr-defined]
    assert other[int]().guess(3) == 8


class Pairs(Protocol[Content]):
    def guess(self, example: Content) -> Content:
        """Guess."""
        ...


def test_a_generic_protocol_is_implemented_with_and_without_its_arguments() -> None:
    pairs, of_numbers = llm_strategy(MODEL)(Pairs), llm_strategy(MODEL)(Pairs[int])  # type: ignore[type-abstract]
    assert (pairs().guess(3), of_numbers().guess(3)) == (7, 7)


def test_a_generic_pydantic_model_stays_generic() -> None:
    @llm_strategy(MODEL)
    class Box(BaseModel, Generic[Content]):
        content: Content

        def guess(self, number: int) -> int:
            """Guess."""
            raise NotImplementedError

    assert Box[int](content=3).guess(1) == 7
    assert Box(content="a").guess(1) == 7
    with pytest.raises(ValueError, match="valid integer"):
        Box[int](content="a")


def test_a_static_factory_and_a_method_over_other_objects_work_together() -> None:
    class Customer(BaseModel):
        name: str

    @dataclass
    class Company:
        """A company."""

        customers: list[Customer]

        @staticmethod
        def make_customers(count: int) -> list[Customer]:
            """Make up customers."""
            raise NotImplementedError

        def best(self, near: Customer) -> int:
            """Give the index of the customer who is most like this one."""
            raise NotImplementedError

    replies = Scripted('{"return_value": [{"name": "Ann"}, {"name": "Bo"}, {"name": "Cy"}]}', '{"return_value": 1}')
    made = llm_strategy(replies)(Company)
    company = made(made.make_customers(3))
    assert [customer.name for customer in company.customers] == ["Ann", "Bo", "Cy"]
    assert company.best(company.customers[1]) == 1
    assert '"customers": [{"name": "Ann"}, {"name": "Bo"}, {"name": "Cy"}]' in last_prompt(replies)
