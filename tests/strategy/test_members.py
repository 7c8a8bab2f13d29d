"""Which functions have no body, told from their bytecode."""

from __future__ import annotations

import asyncio
import functools
from abc import abstractmethod
from enum import Enum
from typing import Any

import pytest

from llm_brain.errors import DefinitionError
from llm_brain.strategy import llm_strategy
from llm_brain.strategy.decoration.members import implementation_is_missing
from tests.strategy.conftest import Scripted

LEFT_OUT = [
    "...",
    "pass",
    "",
    "raise NotImplementedError",
    "raise NotImplementedError()",
    "raise NotImplementedError('later')",
    "raise NotImplementedError(f'{self} {n}')",
    "raise NotImplementedError from None",
    "raise NotImplementedError(closed_over)",
]
WRITTEN = [
    "return n",
    "return 0",
    "return ()",
    "return False",
    "if n: raise NotImplementedError\n            return 3",
    "x = NotImplementedError\n            return 3",
    "return NotImplementedError",
    "raise ValueError",
    "try:\n                raise NotImplementedError\n            except NotImplementedError:\n                return 3",
    "yield n",
    "return\n            yield",
]


def function(kind: str, body: str, *, docs: str = "'''Count.'''", returns: str = " -> int") -> Any:
    """Write a method of a class, inside a function, so that it may close over something."""
    space: dict[str, Any] = {}
    method = f"        {kind} f(self, n: int){returns}:\n            {docs}\n            {body}\n"
    exec(f"def outer(closed_over):\n    class C:\n{method}    return C\nC = outer('later')\n", space)
    return space["C"].f


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("body", LEFT_OUT)
def test_every_way_to_leave_a_body_out_is_known(body: str, kind: str) -> None:
    f = function(kind, body)
    assert implementation_is_missing(f)
    made: Any = llm_strategy(Scripted('{"return_value": 7}'))(type("C", (), {"f": f, "__module__": "elsewhere"}))
    answer = made().f(1)
    assert (asyncio.run(answer) if kind == "async def" else answer) == 7


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("body", WRITTEN)
def test_a_function_with_a_body_is_known(body: str, kind: str) -> None:
    assert not implementation_is_missing(function(kind, body))


def test_lambdas_have_bodies() -> None:
    assert not implementation_is_missing(lambda: 1)
    assert not implementation_is_missing(lambda: ())


def test_an_abstract_function_is_to_be_implemented_whatever_it_holds() -> None:
    assert implementation_is_missing(abstractmethod(function("def", "return n")))


@pytest.mark.parametrize(("docs", "returns"), [("'''Close.'''", " -> None"), ("pass", ""), ("pass", " -> None")])
def test_doing_nothing_is_a_body_where_nothing_is_promised(docs: str, returns: str) -> None:
    assert not implementation_is_missing(function("def", "pass", docs=docs, returns=returns))


def test_raising_is_no_body_even_where_nothing_is_promised() -> None:
    assert implementation_is_missing(function("def", "raise NotImplementedError", returns=" -> None"))


def test_a_generator_that_raises_has_no_body() -> None:
    assert implementation_is_missing(function("def", "raise NotImplementedError\n            yield n"))
    assert implementation_is_missing(function("async def", "raise NotImplementedError\n            yield n"))


def logged(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class Wrapped:
    def one(self) -> str:
        """Tell."""
        raise NotImplementedError

    @logged
    def mood(self) -> str:
        """Tell the mood."""
        raise NotImplementedError


class WrappedTwice:
    @property
    @logged
    @functools.lru_cache  # noqa: B019
    def mood(self) -> str:
        """Tell the mood."""
        raise NotImplementedError


class Partly:
    def tell(self, what: str) -> str:
        """Tell."""
        raise NotImplementedError

    mood = functools.partialmethod(tell, "mood")


@pytest.mark.parametrize("kind", [Wrapped, WrappedTwice, Partly])
def test_what_wraps_a_function_without_a_body_is_refused_by_name(kind: Any) -> None:
    with pytest.raises(DefinitionError, match=rf"`{kind.__name__}\.mood` wraps a function without a body"):
        llm_strategy(Scripted("x"))(kind)


def test_what_wraps_a_body_or_a_typed_function_stays() -> None:
    class Kept:
        def one(self) -> str:
            """Tell."""
            raise NotImplementedError

        @logged
        def written(self) -> str:
            return "written"

        @logged
        @llm_strategy(Scripted("its own"))
        def told(self) -> str:
            """Tell."""
            raise NotImplementedError

    kept = llm_strategy(Scripted("the class's"))(Kept)()
    assert (kept.one(), kept.written(), kept.told()) == ("the class's", "written", "its own")


def test_types_may_be_named_in_the_class_and_in_every_function_around_it() -> None:
    def outer() -> Any:
        class Far(Enum):
            A = "a"

        def inner() -> Any:
            class Near(Enum):
                B = "b"

            @llm_strategy(Scripted("a", "b", "c"))
            class Quiz:
                class Mood(Enum):
                    C = "c"

                def far(self) -> Far:
                    """Tell."""
                    raise NotImplementedError

                def near(self) -> Near:
                    """Tell."""
                    raise NotImplementedError

                def mood(self) -> Mood:  # type: ignore[name-defined]
                    """Tell."""
                    raise NotImplementedError

            return Quiz()

        return inner()

    quiz = outer()
    assert [quiz.far().value, quiz.near().value, quiz.mood().value] == ["a", "b", "c"]


def test_a_member_of_the_same_spelling_as_a_type_hides_none() -> None:
    @llm_strategy(Scripted('{"return_value": ["a"]}'))
    class Names:
        str = "no type"

        def list(self) -> list[str]:  # type: ignore[valid-type]
            """List them."""
            raise NotImplementedError

    assert Names().list() == ["a"]
