"""What kinds of members `@llm_strategy` implements: methods, properties, class methods, operators, `async def`s."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from functools import cached_property
from typing import Any, overload

from llm_brain.strategy import TypedFunction, llm_strategy
from llm_brain.strategy.views import typed
from tests.strategy.conftest import Scripted

MODEL = Scripted('{"return_value": 7}')


def last_prompt(model: Scripted) -> str:
    return "\n".join(message.content for message in model.requests[-1].messages)


def test_static_and_class_methods_are_called_on_class_and_object() -> None:
    @llm_strategy(MODEL)
    class Quiz:
        def __init__(self) -> None:
            self.city = "Oslo"

        @staticmethod
        def add(a: int, b: int = 2) -> int:
            """Add."""
            raise NotImplementedError

        @classmethod
        def count(cls, text: str) -> int:
            """Count."""
            raise NotImplementedError

        @classmethod
        @abstractmethod
        def more(cls) -> int:
            """Count more."""

    quiz = Quiz()  # type: ignore[abstract]
    assert (Quiz.add(1), quiz.add(1, 3), Quiz.count("a"), quiz.count("a"), Quiz.more()) == (7,) * 5
    assert typed(Quiz.count).map(["a", "b"]) == [7, 7]
    assert 'text: "b"' in last_prompt(MODEL)
    assert "Oslo" not in last_prompt(MODEL)


def test_a_property_keeps_its_setter_its_deleter_and_its_docs() -> None:
    @llm_strategy(MODEL)
    class Quiz(ABC):
        @property
        @abstractmethod
        def level(self) -> int:
            """Tell the level."""

        @level.setter
        def level(self, value: int) -> None:
            self.set_to = value

        @level.deleter
        def level(self) -> None:
            self.set_to = 0

    quiz: Any = Quiz()  # type: ignore[abstract]
    quiz.level = 3
    assert (quiz.level, quiz.set_to) == (7, 3)
    del quiz.level
    assert (quiz.level, quiz.set_to) == (7, 0)
    assert vars(Quiz)["level"].__doc__ == "Tell the level."


def test_a_cached_property_is_asked_once_and_is_no_part_of_later_questions() -> None:
    model = Scripted('{"return_value": 7}')

    @llm_strategy(model)
    class Quiz:
        def __init__(self) -> None:
            self.city = "Oslo"

        @cached_property
        def level(self) -> int:
            """Tell the level."""
            raise NotImplementedError

        def mood(self) -> int:
            """Tell the mood."""
            raise NotImplementedError

    quiz = Quiz()
    assert (quiz.level, quiz.level) == (7, 7)
    assert len(model.requests) == 1
    assert quiz.mood() == 7
    assert "Oslo" in last_prompt(model)
    assert "level" not in last_prompt(model)
    assert vars(Quiz)["level"].__doc__ == "Tell the level."


def test_async_members_are_awaited_in_all_their_kinds_and_can_be_mapped() -> None:
    @llm_strategy(MODEL)
    class Quiz:
        async def count(self, text: str) -> int:
            """Count."""
            raise NotImplementedError

        @staticmethod
        async def add(a: int) -> int:
            """Add."""
            raise NotImplementedError

        @classmethod
        async def more(cls, a: int) -> int:
            """More."""
            raise NotImplementedError

    async def all_of_them() -> list[int]:
        return list(await asyncio.gather(Quiz().count("a"), Quiz.add(1), Quiz().add(a=1), Quiz.more(1)))

    assert asyncio.run(all_of_them()) == [7] * 4
    assert asyncio.run(typed(Quiz().count).map(["a", "b"])) == [7, 7]
    assert asyncio.run(typed(Quiz.more).with_details(1)).attempts == 1


def test_members_that_return_iterators_give_items() -> None:
    @llm_strategy(Scripted('{"return_value": [1, 2]}'))
    class Quiz:
        def count(self) -> Iterator[int]:
            """Count."""
            raise NotImplementedError

        def count_awaited(self) -> AsyncIterator[int]:
            """Count."""
            raise NotImplementedError

    async def collected() -> list[int]:
        return [number async for number in Quiz().count_awaited()]

    assert list(Quiz().count()) == [1, 2]
    assert asyncio.run(collected()) == [1, 2]


def test_operators_can_be_left_to_the_model() -> None:
    @llm_strategy(MODEL)
    class Quiz:
        def __len__(self) -> int:
            """Tell the length."""
            raise NotImplementedError

        def __call__(self, number: int) -> int:
            """Answer the number."""
            raise NotImplementedError

        def __add__(self, number: int) -> int:
            """Add the number."""
            raise NotImplementedError

    @llm_strategy(Scripted("true"))
    class Likes:
        def __contains__(self, dish: str) -> bool:
            """Tell whether this person would like the dish."""
            raise NotImplementedError

    assert (len(Quiz()), Quiz()(3), Quiz() + 1) == (7, 7, 7)
    assert "soup" in Likes()


def test_overloads_are_for_type_checkers_only() -> None:
    @llm_strategy(MODEL)
    class Quiz:
        @overload
        def twice(self, value: int) -> int: ...
        @overload
        def twice(self, value: str) -> str: ...
        def twice(self, value: int | str) -> int | str:
            """Double it."""
            raise NotImplementedError

    assert Quiz().twice(3) == 7


def test_a_member_that_is_decorated_itself_keeps_its_model() -> None:
    @llm_strategy(MODEL)
    class Quiz:
        """You know everything."""

        @llm_strategy(Scripted("1"))
        def hard(self, number: int) -> int:
            """Answer a hard question."""
            raise NotImplementedError

        @staticmethod
        @llm_strategy(Scripted("2"))
        def fixed() -> int:
            """Answer."""
            raise NotImplementedError

        @llm_strategy(Scripted("3"))
        @classmethod
        def bound(cls) -> int:
            """Answer."""
            raise NotImplementedError

        @llm_strategy(Scripted("4"))
        @property
        def level(self) -> int:
            """Answer."""
            raise NotImplementedError

        def easy(self) -> int:
            """Answer an easy question."""
            raise NotImplementedError

    quiz: Any = Quiz()
    assert (quiz.hard(0), quiz.fixed(), quiz.bound(), quiz.level, quiz.easy()) == (1, 2, 3, 4, 7)
    assert "You know everything." in quiz.hard.prompt(0)


def test_a_member_shows_itself_as_a_typed_function_with_the_users_signature() -> None:
    @llm_strategy(MODEL)
    class Quiz:
        def count(self, text: str, *, limit: int = 3) -> int:
            """Count."""
            raise NotImplementedError

    view = typed(Quiz().count)
    assert isinstance(view, TypedFunction)
    assert str(view.spec.signature) == "(text: 'str', *, limit: 'int' = 3) -> 'int'"
