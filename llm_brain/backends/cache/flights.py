"""Single flight: of all who ask the same question at once, one asks, and the others wait for its answer."""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, TypeVar

from llm_brain.backends.asking import Asking, Blocking
from llm_brain.backends.contract import Choice, Embeddings, Reply
from llm_brain.backends.portal import is_blocked

Answer = TypeVar("Answer", Reply, Choice, Embeddings)


class Flights:
    """The questions that are being asked now, by threads and by tasks of any event loop.

    Example:
        >>> from llm_brain.backends import LanguageBackend
        >>> from llm_brain.backends.asking import run_now
        >>> class Model(LanguageBackend):
        ...     model_id = "model"
        ...     def count_tokens(self, text): return 1
        ...     def chat_completion(self, request): return Reply("hello", "stop", self.model_id)
        >>> async def ask():
        ...     return Reply("hello", "stop", "model")
        >>> run_now(Flights().share("key", Blocking(Model()), ask)).cached
        False
    """

    def __init__(self) -> None:
        self._begin()

    async def share(self, key: str, inner: Asking, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask a question, or wait for the answer to the same one.

        All who wait share a failure; after an interruption of the one who asked, they ask themselves.

        Args:
            key: What is equal for the same question.
            inner: How the caller waits.
            ask: Asks.

        Returns:
            The answer; marked as cached where another caller asked.
        """
        if self._pid != os.getpid():
            self._begin()  # after a fork nobody is left who would answer what other threads were asking
        while True:
            mine = _Flight()
            with self._lock:
                flight = self._flying.setdefault(key, mine)
            if flight is mine:
                return await self._lead(key, mine, ask)
            if _would_wait_for_itself(flight, inner):
                return await ask()
            answer: Answer | None = await inner.wait(flight)
            if answer is not None:
                return _of_another(answer)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._flying: dict[str, _Flight] = {}
        self._pid = os.getpid()

    async def _lead(self, key: str, flight: _Flight, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            answer = await ask()
        except Exception as error:
            self._land(key)
            flight.set_exception(error)
            raise
        except BaseException:
            self._land(key)
            flight.set_result(None)
            raise
        self._land(key)
        flight.set_result(answer)
        return answer

    def _land(self, key: str) -> None:
        with self._lock:
            self._flying.pop(key, None)


class _Flight(Future[Any]):
    """The answer to come, and the thread of who asks for it."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = threading.get_ident()


def _of_another(answer: Answer) -> Answer:
    """Give what a kept answer would tell: the attempts and the time were another caller's, and so is the array."""
    if isinstance(answer, Embeddings):
        return replace(answer, vectors=answer.vectors.copy(), cached=True)
    return replace(answer, cached=True, latency=None, failed=())


def _would_wait_for_itself(flight: _Flight, inner: Asking) -> bool:
    """Tell whether the one who asks is a task whose event loop stands still until this caller has an answer."""
    is_here = isinstance(inner, Blocking) and flight.thread == threading.get_ident()
    return is_here or is_blocked(flight.thread)
