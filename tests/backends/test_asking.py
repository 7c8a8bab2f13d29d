"""One body serves blocking and awaited callers: both see the same answers, faults and closings."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
import weakref
from collections.abc import AsyncGenerator, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, closing
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.backends import LanguageBackend, Message, Reply, Request
from llm_brain.backends.asking import Asking, Awaiting, Blocking, iterate_now, run_now
from llm_brain.errors import BackendError

HELLO = Request((Message("user", "Hello?"),))


class Model(LanguageBackend):
    """Says its words one by one; remembers in which threads it was asked and whether its streams were closed."""

    model_id = "model"

    def __init__(self, *words: str, fault: BackendError | None = None) -> None:
        self.words = words
        self.fault = fault
        self.threads: list[str] = []
        self.closed: list[str] = []

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        return len(text)

    def chat_completion(self, request: Request) -> Reply:
        assert isinstance(request, Request)
        self.threads.append(threading.current_thread().name)
        if self.fault is not None:
            raise self.fault
        return Reply("".join(self.words), "stop", self.model_id)

    def stream(self, request: Request) -> Generator[str | Reply, None, None]:
        self.threads.append(threading.current_thread().name)
        try:
            yield from self.words
            yield self.chat_completion(request)
        finally:
            self.closed.append(threading.current_thread().name)


async def everything(asking: Asking) -> list[object]:
    """Be a body: ask for a reply, for an option and for a stream."""
    reply = await asking.chat(HELLO)
    choice = await asking.choose(HELLO, ["yes", "no"])
    async with aclosing(asking.stream(HELLO)) as pieces:
        return [reply, choice, *[piece async for piece in pieces]]


def test_a_body_finds_the_same_blocking_and_awaited() -> None:
    model = Model("y", "es")
    blocking = run_now(everything(Blocking(model)))
    assert blocking == asyncio.run(everything(Awaiting(model)))
    assert blocking[0] == blocking[-1] == Reply("yes", "stop", "model")
    assert blocking[2:4] == ["y", "es"]


def test_a_fault_is_the_same_blocking_and_awaited() -> None:
    model = Model("never", fault=BackendError("busy", kind="server"))
    with pytest.raises(BackendError, match="busy") as blocking:
        run_now(everything(Blocking(model)))
    with pytest.raises(BackendError, match="busy") as awaited:
        asyncio.run(everything(Awaiting(model)))
    assert blocking.value is awaited.value is model.fault


def test_blocking_calls_stay_in_their_thread_and_awaited_ones_leave_it() -> None:
    model = Model("yes")
    here = threading.current_thread().name
    run_now(everything(Blocking(model)))
    assert set(model.threads) == {here}
    model.threads.clear()
    asyncio.run(everything(Awaiting(model)))
    assert here not in model.threads


def test_a_stream_that_the_caller_leaves_is_closed_at_once() -> None:
    model = Model("a", "b", "c")

    async def leave() -> None:
        async with aclosing(Awaiting(model).stream(HELLO)) as pieces:
            assert await anext(pieces) == "a"
        assert len(model.closed) == 1

    asyncio.run(leave())
    with closing(iterate_now(Blocking(model).stream(HELLO))) as pieces:
        assert next(pieces) == "a"
    assert len(model.closed) == 2


def test_a_stream_that_is_left_is_closed_though_its_generator_is_kept() -> None:
    kept: list[Generator[str | Reply, None, None]] = []

    class Keeping(Model):
        def stream(self, request: Request) -> Generator[str | Reply, None, None]:
            kept.append(super().stream(request))
            return kept[-1]

    model = Keeping("a", "b")
    with closing(iterate_now(Blocking(model).stream(HELLO))) as pieces:
        next(pieces)
    assert len(model.closed) == 1


def test_a_body_that_awaits_something_else_is_told_so() -> None:
    async def sleeping() -> None:
        await asyncio.sleep(0)

    async def pausing() -> AsyncGenerator[int, None]:
        await asyncio.sleep(0)
        yield 1

    with pytest.raises(RuntimeError, match="awaited something else"):
        run_now(sleeping())
    with pytest.raises(RuntimeError, match="awaited something else"):
        list(iterate_now(pausing()))


def test_what_a_body_raises_is_raised() -> None:
    async def failing() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        run_now(failing())


def test_a_body_that_lets_stop_iteration_out_is_told_so() -> None:
    class Ended(Model):
        def chat_completion(self, request: Request) -> Reply:
            assert isinstance(request, Request)
            return next(iter(()))

    for ask in (lambda: run_now(Blocking(Ended()).chat(HELLO)), lambda: list(iterate_now(Blocking(Ended()).stream(HELLO)))):
        with pytest.raises(RuntimeError, match="a blocking function raised StopIteration") as caught:
            ask()
        assert isinstance(caught.value.__cause__, StopIteration)


def test_what_was_begun_inside_an_event_loop_goes_on_when_that_loop_has_ended() -> None:
    async def begin() -> Generator[str | Reply, None, None]:
        hooks = sys.get_asyncgen_hooks()
        pieces = iterate_now(Blocking(model).stream(HELLO))
        assert next(pieces) == "a"
        assert sys.get_asyncgen_hooks() == hooks
        return pieces

    model = Model("a", "b", "c")
    pieces = asyncio.run(begin())
    assert not model.closed
    assert list(pieces) == ["b", "c", Reply("abc", "stop", "model")]
    assert len(model.closed) == 1


def test_a_blocking_body_runs_inside_an_event_loop_as_well() -> None:
    async def main() -> list[object]:
        return run_now(everything(Blocking(Model("no"))))

    assert asyncio.run(main())[0] == Reply("no", "stop", "model")


@given(st.lists(st.integers(), max_size=8), st.integers(0, 8))
def test_items_come_in_their_order_and_the_generator_is_closed_wherever_the_caller_stops(items: list[int], taken: int) -> None:
    ended = []

    async def source() -> AsyncGenerator[int, None]:
        try:
            for item in items:
                yield item
        finally:
            ended.append(True)

    with closing(iterate_now(source())) as given_out:
        assert list(islice(given_out, taken)) == items[:taken]
    assert ended == [True] * (taken > 0)  # what never began has nothing to end


def test_to_be_cancelled_while_waiting_for_another_caller_cancels_nothing_there() -> None:
    flight: Future[str] = Future()

    async def main() -> str:
        waiting = [asyncio.ensure_future(Awaiting(Model()).wait(flight)) for _ in range(2)]
        await asyncio.sleep(0.01)
        waiting[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting[0]
        assert not flight.cancelled()
        flight.set_result("landed")
        return await waiting[1]

    assert asyncio.run(main()) == "landed"


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What asyncio warned of: at other levels it tells which selector it uses."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_flight_that_lands_when_the_waiters_loop_has_ended_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    flight: Future[str] = Future()

    async def impatient() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(Awaiting(Model()).wait(flight), 0.01)

    asyncio.run(impatient())
    flight.set_result("too late")
    assert not complaints(caplog)


def test_a_failed_flight_that_nobody_awaits_any_more_leaves_no_complaint(caplog: pytest.LogCaptureFixture) -> None:
    flight: Future[str] = Future()

    async def main() -> None:
        waiting = asyncio.ensure_future(Awaiting(Model()).wait(flight))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait([waiting])
        flight.set_exception(BackendError("busy", kind="server"))
        await asyncio.sleep(0.01)

    asyncio.run(main())
    gc.collect()
    assert not complaints(caplog)


def test_waiters_of_all_kinds_are_told_together() -> None:
    flight: Future[str] = Future()

    async def main(tasks: int) -> list[str]:
        return await asyncio.gather(*(Awaiting(Model()).wait(flight) for _ in range(tasks)))

    with ThreadPoolExecutor(4) as pool:
        loops = [pool.submit(asyncio.run, main(3)) for _ in range(2)]
        threads = [pool.submit(run_now, Blocking(Model()).wait(flight)) for _ in range(2)]
        flight.set_result("landed")
        assert [future.result(10) for future in loops] == [["landed"] * 3] * 2
        assert [future.result(10) for future in threads] == ["landed"] * 2


def test_an_ended_stream_holds_no_model_any_longer() -> None:
    model = Model("a")
    gone = weakref.ref(model)
    list(iterate_now(Blocking(model).stream(HELLO)))
    del model
    gc.collect()
    assert gone() is None
