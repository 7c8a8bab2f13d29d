"""Typed functions that are awaited: the same answers as blocking ones, without a thread where the model can be awaited."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest

from llm_brain.backends import Reply, Request, Usage
from llm_brain.errors import ArgumentError, ReplyError
from llm_brain.strategy import Details, FunctionSpec, ModelImplementation, TypedFunction, inspect_function, use_model
from llm_brain.strategy.asynchronous import AsyncTypedFunction
from llm_brain.tracing import read_spans, record
from tests.strategy.conftest import Scripted


class Native(Scripted):
    """A scripted model that can be awaited, and says in which thread it was."""

    def __init__(self, *replies: str, **options: Any) -> None:
        super().__init__(*replies, **options)
        self.threads: set[int] = set()
        self.now = self.most = 0

    async def achat_completion(self, request: Request) -> Reply:
        self.threads.add(threading.get_ident())
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.002)
        self.now -= 1
        return self.chat_completion(request)


async def double(number: int) -> int:
    """Double a number."""
    raise NotImplementedError


def made(backend: Scripted, function: Any = double, **options: Any) -> AsyncTypedFunction[..., Any]:
    return AsyncTypedFunction(inspect_function(function), ModelImplementation(backend, **options))


def test_a_call_is_awaited_in_the_callers_own_thread() -> None:
    model = Native("8")
    assert asyncio.run(made(model)(4)) == 8
    assert model.threads == {threading.get_ident()}


def test_a_model_that_can_only_block_is_waited_for_in_a_thread_with_the_callers_context() -> None:
    who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")

    class Blocking(Scripted):
        def chat_completion(self, request: Request) -> Reply:
            assert threading.current_thread() is not threading.main_thread()
            assert who.get() == "me"
            return super().chat_completion(request)

    async def main() -> int:
        who.set("me")
        value: int = await made(Blocking("8"))(4)
        return value

    assert asyncio.run(main()) == 8


def test_a_bad_reply_is_asked_for_again_as_in_a_blocking_call() -> None:
    model = Native("eight", "8")
    details = asyncio.run(made(model).with_details(4))
    assert (details.value, details.attempts, details.usage) == (8, 2, Usage(20, 4))
    assert "eight" in model.requests[1].messages[-2].content
    with pytest.raises(ReplyError) as caught:
        asyncio.run(made(Native("a", "b"), max_attempts=2)(4))
    assert caught.value.raw == "b"


def test_the_arguments_are_checked_before_anybody_is_asked() -> None:
    model = Native("8")
    with pytest.raises(ArgumentError):
        asyncio.run(made(model)("four"))
    assert not model.requests


def test_a_closed_set_is_chosen_from() -> None:
    async def mood(text: str) -> Literal["happy", "sad"]:
        """Tell the mood."""
        raise NotImplementedError

    assert asyncio.run(made(Native("Sad."), mood)("It broke.")) == "sad"


def test_many_calls_are_in_flight_at_once_and_no_more_than_allowed() -> None:
    model = Native("8")
    ticks: list[int] = []
    assert asyncio.run(made(model).map(range(40), concurrency=7, on_result=lambda: ticks.append(1))) == [8] * 40
    assert model.most == 7
    assert len(ticks) == 40
    assert len(model.threads) == 1


def test_a_blocking_map_awaits_a_model_that_can_be_awaited() -> None:
    model = Native("8")
    assert TypedFunction(inspect_function(double), ModelImplementation(model)).map(range(40)) == [8] * 40
    assert model.most == 40
    assert len(model.threads) == 1


def test_failures_stand_in_their_places() -> None:
    first, second = asyncio.run(made(Native("x"), max_attempts=1).map_details([1, 2]))
    assert isinstance(first, ReplyError)
    assert isinstance(second, ReplyError)


def test_a_call_that_is_cancelled_ends_at_once() -> None:
    class Slow(Native):
        async def achat_completion(self, request: Request) -> Reply:
            await asyncio.sleep(30)
            return await super().achat_completion(request)

    async def main() -> None:
        async with asyncio.timeout(0.05):
            await made(Slow("8")).map([1, 2, 3])

    with pytest.raises(TimeoutError):
        asyncio.run(main())


def test_another_model_may_answer_inside_one_task_only() -> None:
    async def with_other() -> Any:
        with use_model(Native("1")):
            await asyncio.sleep(0.001)
            return await made(Native("8"))(4)

    async def main() -> list[Any]:
        return list(await asyncio.gather(with_other(), made(Native("8"))(4), with_other()))

    assert asyncio.run(main()) == [1, 8, 1]


def test_frameworks_see_a_coroutine_function() -> None:
    function = made(Native("8"))
    assert asyncio.iscoroutinefunction(function)
    pending = function(4)
    assert inspect.isawaitable(pending)
    pending.close()


def test_an_implementation_may_be_awaited_too() -> None:
    class Doubler:
        name = "doubler"

        def call(self, *_: Any, **__: Any) -> Details[Any]:
            raise AssertionError

        async def acall(
            self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
        ) -> Details[Any]:
            del spec, state
            return Details(arguments["number"] * 2 + sample, self.name)

    function = AsyncTypedFunction(inspect_function(double), Doubler())
    assert asyncio.run(function.map([4, 4])) == [8, 9]


def test_the_aio_view_is_the_same_function_awaited() -> None:
    def halve(number: int) -> int:
        """Halve a number."""
        raise NotImplementedError

    model = Native("4")
    function = TypedFunction(inspect_function(halve), ModelImplementation(model))
    assert asyncio.run(function.aio(8)) == function(8) == 4
    assert function.aio.prompt(8) == function.prompt(8)


def test_spans_of_tasks_keep_their_parents(tmp_path: Path) -> None:
    with record(tmp_path):
        asyncio.run(made(Native("8")).map(range(5)))
    spans = list(read_spans(tmp_path))
    outer = {span.span_id for span in spans if span.name.endswith("double")}
    assert len(outer) == 5
    assert {span.parent_id for span in spans if span.name.startswith("chat")} == outer


def test_items_are_iterated_where_they_are_awaited() -> None:
    def count(to: int) -> AsyncIterator[int]:
        """Count."""
        raise NotImplementedError

    async def main(iterator: AsyncIterator[int]) -> list[int]:
        return [item async for item in iterator]

    spec = inspect_function(count)
    assert asyncio.run(main(TypedFunction(spec, ModelImplementation(Native('{"return_value": [1, 2]}')))(2))) == [1, 2]
