"""What type checkers see of decorated functions. Checked by `test_types_as_checkers_see_them`, and never run."""

# mypy: warn-unused-ignores=True, enable-error-code="arg-type, call-arg, misc, possibly-undefined, union-attr"

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, assert_type

from pydantic import BaseModel

from llm_brain.backends import LanguageBackend
from llm_brain.strategy import Details, llm_strategy
from llm_brain.strategy.explicit import llm_explicit_function, llm_function

Item = TypeVar("Item")


@llm_strategy("local")
def double(number: int, *, times: int = 1) -> int:
    """Double a number."""
    raise NotImplementedError


@llm_strategy("local")
async def double_later(number: int) -> int:
    """Double a number."""
    raise NotImplementedError


@llm_strategy("local")
def count(limit: int) -> Iterator[int]:
    """Count."""
    raise NotImplementedError


@llm_strategy("local")
def count_later(limit: int) -> AsyncIterator[int]:
    """Count."""
    raise NotImplementedError


@llm_strategy("local")
def longest(items: list[Item], limit: int) -> list[Item]:
    """Give the longest ones."""
    raise NotImplementedError


@llm_function
def add(model: Any, a: int, b: int = 2) -> int:
    """Add numbers."""
    raise NotImplementedError


@llm_function
async def add_later(model: LanguageBackend, a: int) -> int:
    """Add numbers."""
    raise NotImplementedError


class Sums:
    @staticmethod
    @llm_function
    def inner(model: str, a: int) -> int:
        """Add."""
        raise NotImplementedError

    @llm_function
    @staticmethod
    def outer(model: str, a: int) -> int:
        """Add."""
        raise NotImplementedError


@dataclass
class Letter:
    text: str


class Pair(BaseModel, Generic[Item]):
    first: Item


@llm_explicit_function
def route(model: Any, letter: Letter) -> str:
    """Name the team."""
    raise NotImplementedError


@llm_explicit_function
def first(model: Any, pair: Pair[int]) -> int:
    """Give the first one."""
    raise NotImplementedError


async def functions() -> None:
    assert_type(double(3), int)
    assert_type(double(number=3, times=2), int)
    assert_type(double.map([1, 2]), list[int])
    assert_type(double.with_details(3), Details[int])
    assert_type(double.stream(3), Generator[int, None, None])
    assert_type(double.prompt(3), str)
    assert_type(await double.aio(3), int)
    assert_type(await double_later(3), int)
    assert_type(await double_later.map([1, 2]), list[int])
    assert_type(await double_later.with_details(3), Details[int])
    assert_type(count(3), Iterator[int])
    async for number in count_later(3):
        assert_type(number, int)
    assert_type(longest(["a"], 3), list[str])
    assert_type(llm_strategy("openai:gpt-5-mini")(double)(3), int)

    double("three")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    double()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    double(3, 4)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    double.with_details("three")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await double_later("three")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    double(3).upper()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


async def functions_that_are_given_their_model() -> None:
    assert_type(add("local", 1, b=3), int)
    assert_type(add.using("local")(1), int)
    assert_type(add.using("local").map([1]), list[int])
    assert_type(add.get_input_object(1), BaseModel)
    assert_type(add.explicit("local", add.get_input_object(1)), int)
    assert_type(await add_later("local", 1), int)
    assert_type(await add_later.using("local").map([1]), list[int])
    assert_type(Sums.inner("local", 1), int)
    assert_type(Sums().outer("local", 1), int)

    add("local", "one")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    add("local")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    add.using("local")("one")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    add.get_input_object()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await add_later("local", "one")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    add.colour  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # noqa: B018


def functions_of_one_object() -> None:
    assert_type(route("local", Letter("Hello")), str)
    assert_type(route.explicit("local", Letter("Hello")), str)
    assert_type(route.get_input_object(text="Hello"), Letter)
    assert_type(route.using("local").map([Letter("Hello")]), list[str])
    assert_type(first("local", Pair(first=3)), int)

    route("local", "Hello")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    first("local", Pair[str](first="three"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
