"""The background event loop: blocking callers share it, interruptions reach it, and it ends without a word."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import pytest

import llm_brain.errors
from llm_brain.backends import Message, OpenAIBackend, Reply, Request
from llm_brain.backends.portal import Portal, in_thread, portal, through_threads

HELLO = Request((Message("user", "Hello?"),))
place: contextvars.ContextVar[str] = contextvars.ContextVar("place", default="nowhere")


def soon(call: Callable[[], Any]) -> Any:
    """Call in a thread that nobody waits for, so that a deadlock fails this test and does not stop all of them."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the test
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future.result(10)


async def where() -> tuple[str, str]:
    return place.get(), threading.current_thread().name


def test_a_coroutine_runs_in_another_thread_and_in_the_callers_context() -> None:
    token = place.set("here")
    assert portal().run(where()) == ("here", "llm_brain-portal")
    place.reset(token)
    assert portal().run(where())[0] == "nowhere"


def test_all_threads_share_one_loop() -> None:
    async def loop() -> int:
        return id(asyncio.get_running_loop())

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: portal().run(loop()), range(32)))) == 1


def test_what_a_coroutine_raises_is_raised() -> None:
    async def failing() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        portal().run(failing())


def test_a_blocking_call_inside_the_loop_does_not_wait_for_itself() -> None:
    async def inner() -> str:
        await asyncio.sleep(0)
        return "inner"

    async def middle() -> str:
        return f"middle {portal().run(inner())}"

    async def outer() -> str:
        return f"outer {portal().run(middle())}"

    assert soon(lambda: portal().run(outer())) == "outer middle inner"


def test_nor_does_a_blocking_call_in_a_thread_that_such_a_call_waits_for() -> None:
    async def inner() -> str:
        return "inner"

    async def middle() -> str:
        return f"middle {await in_thread(portal().run, inner())}"

    async def outer() -> str:
        return f"outer {portal().run(middle())}"

    assert soon(lambda: portal().run(outer())) == "outer middle inner"


def test_a_blocking_model_call_inside_the_loop_is_answered(wires: Any) -> None:
    wires.play = lambda wire: wire.reply(completion(wire.body["messages"][0]["content"]))
    model = OpenAIBackend("m", base_url=wires.url, retries=0)

    async def outer() -> list[str]:
        awaited = await model.achat_completion(HELLO)
        return [awaited.text, model.chat_completion(HELLO).text, *(str(piece) for piece in within())]

    def within() -> list[str | Reply]:
        async def pieces() -> AsyncGenerator[str, None]:
            yield (await model.achat_completion(HELLO)).text

        return list(portal().iterate(pieces()))

    assert soon(lambda: portal().run(outer())) == ["Hello?"] * 3


def completion(text: str) -> dict[str, Any]:
    return {"model": "m", "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}


def test_an_iterator_is_closed_in_the_loop_when_the_caller_leaves() -> None:
    ended: list[str] = []

    async def count() -> AsyncGenerator[int, None]:
        try:
            for n in range(100):
                await asyncio.sleep(0)
                yield n
        finally:
            ended.append(threading.current_thread().name)

    with closing(portal().iterate(count())) as numbers:
        assert [next(numbers), next(numbers)] == [0, 1]
    assert ended == ["llm_brain-portal"]
    assert list(portal().iterate(count())) == list(range(100))


def test_each_item_is_made_in_the_context_of_where_the_iteration_began() -> None:
    async def places() -> AsyncGenerator[str, None]:
        while True:
            yield place.get()

    token = place.set("here")
    numbers = portal().iterate(places())
    assert next(numbers) == "here"
    place.reset(token)
    assert next(numbers) == "here"
    numbers.close()


def test_what_belongs_to_the_loop_is_awaited_from_any_other() -> None:
    async def loop() -> tuple[int, str]:
        return id(asyncio.get_running_loop()), place.get()

    async def main() -> tuple[int, str]:
        place.set("there")
        return await portal().hand_over(loop())

    belonging = portal().run(loop())[0]
    assert portal().run(main()) == asyncio.run(main()) == (belonging, "there")


def test_what_is_handed_over_is_cancelled_with_its_caller() -> None:
    ended = threading.Event()

    async def forever() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            ended.set()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(portal().hand_over(forever()), 0.05)

    asyncio.run(main())
    assert ended.wait(5)


class Hanging:
    """A play that answers nothing, and tells whether the client went away."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.left = threading.Event()

    def __call__(self, wire: Any) -> None:
        self.asked.set()
        if wire.hung_up(10):
            self.left.set()
        wire.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
@pytest.mark.parametrize("streaming", [False, True])
def test_ctrl_c_cancels_the_request_that_the_server_is_working_on(wires: Any, *, streaming: bool) -> None:
    wires.play = hanging = Hanging()
    model = OpenAIBackend("m", base_url=wires.url, retries=0)

    def press() -> None:
        hanging.asked.wait(10)
        os.kill(os.getpid(), signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(model.stream(HELLO)) if streaming else model.chat_completion(HELLO)
    pressing.join()
    assert time.monotonic() - begun < 5
    assert hanging.left.wait(5)


def test_a_cancelled_task_cancels_the_request_that_the_server_is_working_on(wires: Any) -> None:
    wires.play = hanging = Hanging()
    model = OpenAIBackend("m", base_url=wires.url, retries=0)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(model.achat_completion(HELLO), 0.3)
        assert await in_thread(hanging.left.wait, 5)

    asyncio.run(main())


def test_a_stopped_portal_ends_its_thread_and_what_runs_in_it_and_can_begin_again() -> None:
    ended = threading.Event()

    async def name() -> threading.Thread:
        return threading.current_thread()

    async def forever() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            for _ in range(9):  # to tidy up may take some turns
                await asyncio.sleep(0)
            ended.set()

    async def nested() -> threading.Thread:
        return mine.run(name())

    mine = Portal()
    threads = [mine.run(name()), mine.run(nested())]
    future = mine.submit(forever())
    mine.run(asyncio.sleep(0))
    mine.stop()
    assert ended.wait(5)
    assert future.cancelled()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert mine.run(name()).is_alive()
    mine.stop()
    mine.stop()


def test_blocking_functions_wait_side_by_side_in_the_callers_context() -> None:
    meeting = threading.Barrier(64, timeout=20)

    def wait(n: int) -> tuple[int, str]:
        meeting.wait()
        return n, place.get()

    async def main() -> list[tuple[int, str]]:
        place.set("there")
        return await asyncio.gather(*(in_thread(wait, n) for n in range(64)))

    assert asyncio.run(main()) == [(n, "there") for n in range(64)]


def test_blocking_functions_that_fill_every_thread_may_wait_for_more_of_them() -> None:
    everyone = threading.Barrier(256, timeout=8)

    def wait() -> int:
        everyone.wait()
        return portal().run(in_thread(lambda: portal().run(in_thread(len, "four"))))

    async def main() -> list[int]:
        return await asyncio.gather(*(in_thread(wait) for _ in range(256)))

    assert soon(lambda: asyncio.run(main())) == [4] * 256


@pytest.mark.parametrize("leaving", [SystemExit, KeyboardInterrupt])
def test_what_exits_inside_the_loop_exits_its_caller_and_nobody_else(leaving: type[BaseException]) -> None:
    async def leave() -> None:
        await asyncio.sleep(0)
        raise leaving("enough")

    async def answer() -> int:
        await asyncio.sleep(0.1)
        return 42

    async def several() -> None:
        await asyncio.gather(leave(), in_thread(sys.exit, "enough as well"))

    def call() -> int:
        waiting = mine.submit(answer())
        for body in (leave(), several(), nested()):
            with pytest.raises((SystemExit, KeyboardInterrupt), match="enough"):
                mine.run(body)
        assert mine.run(answer()) == 42
        return waiting.result(5)

    async def nested() -> None:
        mine.run(leave())

    mine = Portal()
    assert soon(call) == 42
    mine.stop()


def test_a_blocking_function_may_even_raise_stop_iteration() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="StopIteration"):
            await in_thread(next, iter(()))

    asyncio.run(asyncio.wait_for(main(), 10))


class Slow:
    """A blocking generator whose second item waits for `gate`."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.closed = threading.Event()

    def items(self) -> Generator[int | None, None, None]:
        try:
            yield 1
            self.gate.wait(10)
            yield None
        finally:
            self.closed.set()


def test_a_blocking_generator_is_gone_through_to_its_end() -> None:
    slow = Slow()
    slow.gate.set()

    async def main() -> list[int | None]:
        return [item async for item in through_threads(slow.items())]

    assert asyncio.run(main()) == [1, None]
    assert slow.closed.is_set()


def test_a_blocking_generator_that_is_left_is_closed_at_once() -> None:
    slow = Slow()

    async def main() -> None:
        async with aclosing(through_threads(slow.items())) as items:
            assert await anext(items) == 1
        assert slow.closed.is_set()

    asyncio.run(main())


def test_a_blocking_generator_whose_caller_is_cancelled_is_closed_after_its_step() -> None:
    slow = Slow()

    async def go_through() -> None:
        async with aclosing(through_threads(slow.items())) as items:
            async for _ in items:
                pass

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(go_through(), 0.1)
        assert not slow.closed.is_set()
        slow.gate.set()
        assert await in_thread(slow.closed.wait, 5)

    asyncio.run(main())


def test_what_a_blocking_generator_raises_is_raised() -> None:
    def failing() -> Generator[int, None, None]:
        yield 1
        raise LookupError("gone")

    async def main() -> None:
        items = through_threads(failing())
        assert await anext(items) == 1
        with pytest.raises(LookupError, match="gone"):
            await anext(items)

    asyncio.run(main())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_a_portal_of_its_own_even_if_it_was_forked_in_the_midst_of_work() -> None:
    async def answer() -> int:
        return 42

    stop = threading.Event()

    def keep_busy() -> None:
        while not stop.is_set():
            portal().run(answer())

    workers = [threading.Thread(target=keep_busy) for _ in range(4)]
    for worker in workers:
        worker.start()
    parents = portal()
    try:
        for _ in range(10):
            child = os.fork()
            if child == 0:
                try:
                    os._exit(0 if portal() is not parents and portal().run(answer()) == 42 else 1)
                finally:
                    os._exit(2)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    assert portal() is parents


PRELUDE = """
import aiohttp, asyncio, gc, os, sys, threading
from llm_brain.backends import Message, OpenAIBackend, Request
from llm_brain.backends.portal import in_thread, portal
hello = Request((Message("user", "Hello?"),))
model = OpenAIBackend("m", base_url=sys.argv[1])
async def first(pieces):
    async for piece in pieces:
        return piece
"""
WAYS_TO_END = {
    "after a call": "model.chat_completion(hello)",
    "after the backend has gone": "model.chat_completion(hello); del model; gc.collect()",
    "in the midst of a stream": "stream = model.stream(hello); assert next(stream) == 'a'",
    "after loops of one's own": "[asyncio.run(model.achat_completion(hello)) for _ in range(2)]",
    "after streams that were left": "[asyncio.run(first(model.astream(hello))) for _ in range(2)]",
    "after a call inside the loop": """
async def outer():
    return model.chat_completion(hello)
portal().run(outer())
""",
    "after a call in a thread of a loop": "asyncio.run(in_thread(model.chat_completion, hello))",
    "after an error": """
try:
    OpenAIBackend("m", base_url="http://127.0.0.1:1/v1").chat_completion(hello)
except Exception as error:
    assert error.kind == "connection"
""",
    "with a call in flight": """
hanging = Request((Message("user", "hang"),))
async def several():
    await asyncio.gather(*(model.achat_completion(hanging) for _ in range(3)))
portal().submit(several())
portal().run(asyncio.sleep(0.3))
""",
    "after a fork": """
model.chat_completion(hello)
child = os.fork()
model.chat_completion(hello)
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    model.chat_completion(hello)
""",
}


@pytest.mark.parametrize("way", WAYS_TO_END)
def test_a_process_that_ends_without_closing_anything_ends_without_a_word(wires: Any, way: str) -> None:
    if way == "after a fork" and not hasattr(os, "fork"):
        pytest.skip("there is no fork here")

    def play(wire: Any) -> None:
        if wire.body["messages"][0]["content"] == "hang":
            wire.hung_up(10)
            wire.close()
        elif wire.body.get("stream"):
            wire.begin_events()
            for word in "abc":
                wire.chunk(b'data: {"choices": [{"delta": {"content": "%s"}}]}\n\n' % word.encode())
            wire.hung_up(10)
            wire.close()
        else:
            wire.reply(completion("Hello!"))

    wires.play = play
    here = {**os.environ, "PYTHONPATH": str(Path(llm_brain.errors.__file__).parents[1])}
    command = [sys.executable, "-X", "dev", "-W", "error", "-W", "ignore:.*fork.*", "-c", PRELUDE + WAYS_TO_END[way], wires.url]
    ended = subprocess.run(command, check=False, capture_output=True, env=here, timeout=60)
    assert (ended.stderr.decode(), ended.stdout) == ("", b"")
    assert ended.returncode == 0
