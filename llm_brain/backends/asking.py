"""One body for blocking and for awaited calls: how code that is written once, with `await`, asks a backend either way.

A body is a coroutine that awaits nothing but its `Asking`. Over `Awaiting` it is awaited as any coroutine. Over `Blocking`
nothing in it ever suspends, so `run_now` carries it to its end in one step, without an event loop.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Generator, Sequence
from concurrent.futures import Future
from contextlib import aclosing, closing, suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from llm_brain.backends.contract import Choice, Embeddings, LanguageBackend, Reply, Request

Result = TypeVar("Result")


class Asking(Protocol):
    """A way of asking a backend: `Blocking` or `Awaiting`."""

    backend: LanguageBackend

    def chat(self, request: Request) -> Coroutine[Any, Any, Reply]:
        """Ask for a reply."""
        ...

    async def choose(self, request: Request, options: Sequence[str]) -> Choice:
        """Ask for one of the options."""
        ...

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Ask for vectors."""
        ...

    def stream(self, request: Request) -> AsyncGenerator[str | Reply, None]:
        """Ask for a reply piece by piece."""
        ...

    async def forget(self, request: Request, options: Sequence[str] | None) -> None:
        """Forget an answer that was of no use."""
        ...

    async def wait(self, future: Future[Result]) -> Result:
        """Wait for what another caller is asking."""
        ...


class Blocking:
    """Asks by the backend's blocking methods.

    Example:
        >>> from llm_brain.backends import LanguageBackend, Message, Reply, Request
        >>> class Model(LanguageBackend):
        ...     model_id = "model"
        ...     def count_tokens(self, text): return 1
        ...     def chat_completion(self, request): return Reply("hello", "stop", self.model_id)
        >>> run_now(Blocking(Model()).chat(Request((Message("user", "Say hello."),)))).text
        'hello'
    """

    __slots__ = ("backend",)

    def __init__(self, backend: LanguageBackend) -> None:
        self.backend = backend

    async def chat(self, request: Request) -> Reply:
        """Ask for a reply."""
        return self.backend.chat_completion(request)

    async def choose(self, request: Request, options: Sequence[str]) -> Choice:
        """Ask for one of the options."""
        return self.backend.choose_from_options(request, options)

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Ask for vectors."""
        return self.backend.embed(texts)

    async def stream(self, request: Request) -> AsyncGenerator[str | Reply, None]:
        """Ask for a reply piece by piece."""
        with closing(self.backend.stream(request)) as pieces:
            for piece in pieces:
                yield piece

    async def forget(self, request: Request, options: Sequence[str] | None) -> None:
        """Forget an answer that was of no use."""
        self.backend.forget(request, options)

    async def wait(self, future: Future[Result]) -> Result:
        """Wait for what another caller is asking."""
        return future.result()


class Awaiting:
    """Asks by the backend's `async` methods.

    Example:
        >>> import asyncio
        >>> from llm_brain.backends import LanguageBackend, Message, Reply, Request
        >>> class Model(LanguageBackend):
        ...     model_id = "model"
        ...     def count_tokens(self, text): return 1
        ...     def chat_completion(self, request): return Reply("hello", "stop", self.model_id)
        >>> asyncio.run(Awaiting(Model()).chat(Request((Message("user", "Say hello."),)))).text
        'hello'
    """

    __slots__ = ("backend",)

    def __init__(self, backend: LanguageBackend) -> None:
        self.backend = backend

    def chat(self, request: Request) -> Coroutine[Any, Any, Reply]:
        """Ask for a reply."""
        return self.backend.achat_completion(request)  # as it is: a coroutine around it would be one more for each layer

    async def choose(self, request: Request, options: Sequence[str]) -> Choice:
        """Ask for one of the options."""
        return await self.backend.achoose_from_options(request, options)

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Ask for vectors."""
        return await self.backend.aembed(texts)

    async def stream(self, request: Request) -> AsyncGenerator[str | Reply, None]:
        """Ask for a reply piece by piece."""
        async with aclosing(self.backend.astream(request)) as pieces:
            async for piece in pieces:
                yield piece

    async def forget(self, request: Request, options: Sequence[str] | None) -> None:
        """Forget an answer that was of no use, in a thread: a file may be busy."""
        await asyncio.to_thread(self.backend.forget, request, options)

    async def wait(self, future: Future[Result]) -> Result:
        """Wait for what another caller is asking; to be cancelled here is not to cancel it there."""
        landed = asyncio.Event()
        loop = asyncio.get_running_loop()

        def tell(_: Future[Result]) -> None:
            with suppress(RuntimeError):  # the loop of a waiter who has gone may have ended
                loop.call_soon_threadsafe(landed.set)

        future.add_done_callback(tell)
        await landed.wait()
        return future.result()


def run_now(body: Coroutine[Any, Any, Result]) -> Result:
    """Carry a body over `Blocking` to its end.

    Example:
        >>> async def answer():
        ...     return 42
        >>> run_now(answer())
        42
    """
    try:
        body.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    except RuntimeError as error:
        if not isinstance(error.__cause__, StopIteration):
            raise
        message = "a blocking function raised StopIteration"
        raise RuntimeError(message) from error.__cause__
    message = "a body over blocking calls awaited something else"
    with suppress(StopIteration):
        body.throw(RuntimeError(message))  # raised where it was awaited; a generator inside is ended by it, too
    raise RuntimeError(message)


def iterate_now(items: AsyncGenerator[Result, None]) -> Generator[Result, None, None]:
    """Go through a generator over `Blocking`, item by item; it is closed when the caller stops early.

    It may be begun inside an event loop and gone through after that loop has ended.

    Example:
        >>> async def count():
        ...     yield 1
        ...     yield 2
        >>> list(iterate_now(count()))
        [1, 2]
    """
    try:
        while True:
            try:
                item = _step(_next(items))
            except StopAsyncIteration:
                return
            yield item
    finally:
        _step(items.aclose())


def _step(body: Coroutine[Any, Any, Result]) -> Result:
    # An event loop closes, when it ends, all generators that began while its hooks were set; these are none of its own.
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return run_now(body)
    finally:
        sys.set_asyncgen_hooks(*hooks)


async def _next(items: AsyncIterator[Result]) -> Result:
    return await anext(items)
