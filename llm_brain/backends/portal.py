"""An event loop in a thread of its own, for callers that do not await: they hand in a coroutine and wait for its result.

One loop serves the whole process, so connections are shared between blocking callers and live as long as it does.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context, ContextVar
from typing import Any, Final, TypeVar, cast

Result = TypeVar("Result")

_MOST_THREADS: Final = 256


class Portal:
    """An event loop in a daemon thread, begun at the first use.

    Example:
        >>> async def answer():
        ...     return 42
        >>> Portal().run(answer())
        42
    """

    def __init__(self) -> None:
        self._beginning = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ended: asyncio.Future[None] | None = None
        self._inner: Portal | None = None
        self._free: ContextVar[Portal] = ContextVar("llm_brain_portal", default=self)

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Wait for a coroutine's result; it runs in the caller's context. Ctrl-C cancels it.

        A blocking call inside of what runs here (in a pydantic validator, say) would wait for its own loop for ever, so it
        gets another one, and so does whatever that call begins, in whichever thread.
        """
        return self._run_in(self._free.get().idle(), coroutine)

    def submit(self, coroutine: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Begin a coroutine, in the caller's context."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop())

    async def hand_over(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Await a coroutine that runs in this loop, from whichever loop: for what belongs to one, as connections do."""
        free = self._free.get()
        if asyncio.get_running_loop() is free.loop():
            return await coroutine
        return await asyncio.wrap_future(free.submit(coroutine))

    def iterate(self, items: AsyncIterator[Result]) -> Generator[Result, None, None]:
        """Go through an asynchronous iterator; it is closed when the caller stops early."""
        context = contextvars.copy_context()
        free = self._free.get().idle()
        loop = free.loop()
        turn = _Turn()
        try:
            while True:
                try:
                    yield context.run(self._run_in, free, _next(items, turn))
                except StopAsyncIteration:
                    return
        finally:
            close = getattr(items, "aclose", None)
            if close is not None and not loop.is_closed():  # or else its loop has closed it
                context.run(self._run_in, free, _closed(close, turn))

    def idle(self) -> Portal:
        """Return the portal that can be waited for here: itself, or in its own thread, which it would block, another one."""
        if threading.current_thread() is not self._thread:
            return self
        with self._beginning:
            inner = self._inner = self._inner or Portal()
        return inner.idle()

    def loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop, which begins with the first look."""
        with self._beginning:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._ended = self._loop.create_future()
                served = (self._loop, self._ended)
                self._thread = threading.Thread(target=_serve, args=served, name="llm_brain-portal", daemon=True)
                self._thread.start()
            return self._loop

    def stop(self) -> None:
        """End the loop and its thread, and close what is open in it."""
        with self._beginning:
            loop, ended, thread, inner = self._loop, self._ended, self._thread, self._inner
            self._loop = self._ended = self._thread = self._inner = None
        if inner is not None:
            inner.stop()
        if loop is not None and ended is not None and thread is not None and thread.is_alive():
            loop.call_soon_threadsafe(ended.set_result, None)
            thread.join(timeout=1.0)

    def _run_in(self, free: Portal, coroutine: Coroutine[Any, Any, Result]) -> Result:
        if _is_in_a_loop():
            context = contextvars.copy_context()
            context.run(self._free.set, free)
            context.run(_blocked.set, _blocked.get() | {threading.get_ident()})
            future = context.run(free.submit, coroutine)
        else:
            future = free.submit(coroutine)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


def portal() -> Portal:
    """Return this process's portal. A forked child has one of its own: threads do not survive a fork.

    Example:
        >>> portal() is portal()
        True
    """
    with _making:
        found = _portals.get(os.getpid())
        if found is None:
            found = _portals[os.getpid()] = Portal()
        return found


def is_blocked(thread: int) -> bool:
    """Tell whether a thread's event loop stands still until what is being done here is done.

    Args:
        thread: As `threading.get_ident` tells it.

    Example:
        >>> is_blocked(threading.get_ident())
        False
    """
    return thread in _blocked.get()


async def in_thread(function: Callable[..., Result], *args: Any) -> Result:
    """Await a blocking function. asyncio's own threads are too few on a machine with two processors: these mostly wait.

    Example:
        >>> portal().run(in_thread(len, "four"))
        4
    """
    context = _deeper()

    def call() -> Result:
        try:
            return context.run(function, *args)
        except StopIteration as stop:  # asyncio cannot hand this one on, and whoever awaits would do so for ever
            message = "a blocking function raised StopIteration"
            raise RuntimeError(message) from stop

    return await asyncio.get_running_loop().run_in_executor(_threads(), call)


async def through_threads(items: Generator[Result, None, None]) -> AsyncGenerator[Result, None]:
    """Go through a blocking generator, each step in a thread.

    In the end it is closed; where the caller is cancelled in the middle of a step, as soon as that step is over.

    Example:
        >>> portal().run(anext(through_threads(word for word in ("one", "two"))))
        'one'
    """
    turn = threading.Lock()
    end: Final = object()

    def step() -> Result | object:
        with turn:
            return next(items, end)

    def close() -> None:
        with turn:
            items.close()

    try:
        while (item := await in_thread(step)) is not end:
            yield cast("Result", item)
    finally:
        if turn.locked():
            _threads().submit(_deeper().run, close)
        else:
            close()


_blocked: ContextVar[frozenset[int]] = ContextVar("llm_brain_blocked", default=frozenset())
_making = threading.Lock()
_portals: Final[dict[int, Portal]] = {}
_depth: ContextVar[int] = ContextVar("llm_brain_depth", default=0)
_pools: Final[dict[tuple[int, int], ThreadPoolExecutor]] = {}


def _threads() -> ThreadPoolExecutor:
    # What a thread waits for may need threads itself. They are of another pool, or all of one might wait for one more.
    place = os.getpid(), _depth.get()
    with _making:
        pool = _pools.get(place)
        if pool is None:
            pool = _pools[place] = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="llm_brain-waiting")
        return pool


def _deeper() -> Context:
    context = contextvars.copy_context()
    context.run(_depth.set, _depth.get() + 1)
    return context


def _is_in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _serve(loop: asyncio.AbstractEventLoop, ended: asyncio.Future[None]) -> None:
    asyncio.set_event_loop(loop)
    try:
        while not ended.done():
            # A task that exits, exits its loop as well; here it has told its caller, and the other tasks go on.
            with suppress(KeyboardInterrupt, SystemExit):
                loop.run_until_complete(ended)
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


class _Turn(asyncio.Lock):
    """Held by the step of an iterator that is under way: only when it has ended can the iterator be closed."""

    step: asyncio.Task[Any] | None = None


async def _next(items: AsyncIterator[Result], turn: _Turn) -> Result:
    # Asked in here: an iterator belongs to the loop in whose thread it is first asked.
    async with turn:
        turn.step = asyncio.current_task()
        try:
            return await anext(items)
        finally:
            turn.step = None


async def _closed(close: Callable[[], Awaitable[None]], turn: _Turn) -> None:
    # Ctrl-C may have come before whoever waited for the step could cancel it.
    if turn.step is not None:
        turn.step.cancel()
    async with turn:
        await close()


def _stop() -> None:
    # Not the portal that a forked child has from its parent: its loop runs there.
    found = _portals.get(os.getpid())
    if found is not None:
        found.stop()


def _renew_locks() -> None:
    # Another thread may have held a lock at the moment of the fork, and will never give it back in the child.
    global _making  # noqa: PLW0603
    _making = threading.Lock()


atexit.register(_stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
