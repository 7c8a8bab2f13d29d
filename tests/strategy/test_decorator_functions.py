"""What `@llm_strategy` does to a function: it becomes a typed function of the same name, docs and signature."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from llm_brain.errors import DefinitionError
from llm_brain.strategy import TypedFunction, examples, llm_strategy
from llm_brain.strategy.asynchronous import AsyncTypedFunction
from llm_brain.strategy.views import typed
from tests.strategy.conftest import Scripted, last_question

MODEL = Scripted('{"return_value": 7}')


@llm_strategy(MODEL)
def total(a: int, b: int = 2, *, scale: float = 1.5) -> int:
    """Add up."""
    raise NotImplementedError


def test_positional_default_and_keyword_only_parameters_are_sent() -> None:
    assert total(1) == 7
    assert last_question(MODEL).endswith("a: 1\nb: 2\nscale: 1.5")
    assert total(1, 3, scale=2) == 7
    assert last_question(MODEL).endswith("a: 1\nb: 3\nscale: 2.0")


def test_a_function_keeps_its_name_docs_and_signature() -> None:
    assert isinstance(total, TypedFunction)
    shown: Any = total
    assert (shown.__name__, shown.__doc__, shown.__module__) == ("total", "Add up.", __name__)
    assert list(inspect.signature(total).parameters) == ["a", "b", "scale"]


def test_an_async_function_is_awaited() -> None:
    @llm_strategy(MODEL)
    async def count(text: str) -> int:
        """Count."""
        raise NotImplementedError

    assert isinstance(count, AsyncTypedFunction)
    assert asyncio.run(count("a")) == 7
    assert asyncio.run(count.map(["a", "b"])) == [7, 7]


def test_a_function_that_returns_an_iterator_gives_items() -> None:
    @llm_strategy(Scripted('{"return_value": [1, 2]}'))
    def count() -> Iterator[int]:
        """Count."""
        raise NotImplementedError
        yield 0

    @llm_strategy(Scripted('{"return_value": [1, 2]}'))
    async def count_awaited() -> AsyncIterator[int]:
        """Count."""
        raise NotImplementedError
        yield 0

    async def collected() -> list[int]:
        return [number async for number in count_awaited()]

    assert list(count()) == [1, 2]
    assert asyncio.run(collected()) == [1, 2]


def test_annotations_may_name_what_is_local_to_the_caller() -> None:
    class Answer(BaseModel):
        n: int

    @dataclass
    class Question:
        text: str

    strategy = llm_strategy(Scripted('{"n": 3}'))

    @strategy
    def ask(question: Question) -> Answer:
        """Answer."""
        raise NotImplementedError

    assert ask(Question("a")) == Answer(n=3)


def test_what_is_declared_beside_a_function_is_kept() -> None:
    @llm_strategy(MODEL)
    @examples(({"number": 2}, 4))
    def double(number: int) -> int:
        """Double."""
        raise NotImplementedError

    assert double.spec.examples[0].output == 4


def test_a_method_and_its_kin_can_be_decorated_one_by_one() -> None:
    class Quiz:
        def __init__(self) -> None:
            self.city = "Oslo"

        @llm_strategy(Scripted("1"))
        def method(self, number: int) -> int:
            """Answer."""
            raise NotImplementedError

        @staticmethod
        @llm_strategy(Scripted("2"))
        def inner(number: int) -> int:
            """Answer."""
            raise NotImplementedError

        @llm_strategy(Scripted("3"))
        @staticmethod
        def outer(number: int) -> int:
            """Answer."""
            raise NotImplementedError

        @llm_strategy(Scripted("4"))
        @classmethod
        def of_class(cls, number: int) -> int:
            """Answer."""
            raise NotImplementedError

        @llm_strategy(Scripted("5"))
        @property
        def level(self) -> int:
            """Answer."""
            raise NotImplementedError

    quiz: Any = Quiz()
    answers = [
        answer(0) for answer in (quiz.method, quiz.inner, Quiz.inner, quiz.outer, Quiz.outer, quiz.of_class, Quiz.of_class)
    ]
    assert (answers, quiz.level) == ([1, 2, 2, 3, 3, 4, 4], 5)
    assert "Oslo" in quiz.method.prompt(0)
    assert "Oslo" not in quiz.inner.prompt(0)


def test_a_function_with_a_body_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"double` has a body"):

        @llm_strategy(MODEL)
        def double(number: int) -> int:
            """Double."""
            return number * 2

    for other in (len, lambda: 1):
        with pytest.raises(DefinitionError, match="has a body"):
            llm_strategy(MODEL)(other)


def test_an_object_without_anything_to_implement_is_refused() -> None:
    for other in (3, "text", [1], object(), object, type):
        with pytest.raises(DefinitionError, match="nothing to implement"):
            llm_strategy(MODEL)(other)


def test_the_typed_view_is_the_function_itself() -> None:
    assert typed(total) is total
    with pytest.raises(DefinitionError, match="`len` is no typed function"):
        typed(len)
