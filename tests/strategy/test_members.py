"""Which functions have no body, told from their bytecode."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import Any

import pytest

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
