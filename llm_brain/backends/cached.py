"""A layer that keeps answers: the same question costs one call, now, tomorrow, and when two threads ask it at once.

Request -> key -> is another thread asking it? -> is it on disk? -> the inner backend -> disk -> answer
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from llm_brain.backends.answers import AnswerStore
from llm_brain.backends.asking import Asking
from llm_brain.backends.contract import Choice, LanguageBackend, Reply, Request, Usage
from llm_brain.backends.layer import Layer

KEY_VERSION: Final = 1

Answer = TypeVar("Answer", Reply, Choice)


class CachedBackend(Layer):
    """Answers from a file what was answered before, and asks the inner backend for the rest.

    A failed call is never kept. A cached answer says so by `cached=True`, and tells the usage of the call that it was paid
    with. To ask for another answer to the same question, ask with another `Request.sample`.

    Args:
        backend: What is asked.
        path: The SQLite file that answers are kept in; made where it is missing. Several processes may share it.

    Example:
        >>> import tempfile
        >>> from llm_brain.backends import Message
        >>> class Model(LanguageBackend):
        ...     model_id = "model"
        ...     def count_tokens(self, text): return 1
        ...     def chat_completion(self, request): return Reply("hello", "stop", self.model_id)
        >>> question = Request((Message("user", "Say hello."),))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model = CachedBackend(Model(), f"{folder}/answers.sqlite")
        ...     [model.chat_completion(question).cached for _ in range(2)]
        ...     model.close()
        [False, True]
    """

    def __init__(self, backend: LanguageBackend, path: Path | str) -> None:
        super().__init__(backend)
        self._answers = AnswerStore(path)
        self._begin()

    @property
    def path(self) -> Path:
        """The file that answers are kept in."""
        return self._answers.path

    async def around_chat(self, request: Request, inner: Asking) -> Reply:
        """Answer from the file, or ask the inner backend."""
        key = request_key(self.backend, "chat", request)
        return await self._through(key, inner, lambda: inner.chat(request), _reply)

    async def around_choice(self, request: Request, options: Sequence[str], inner: Asking) -> Choice:
        """Answer from the file, or ask the inner backend."""
        key = request_key(self.backend, "choose", request, options)
        return await self._through(key, inner, lambda: inner.choose(request, options), _choice)

    async def around_stream(self, request: Request, inner: Asking) -> AsyncGenerator[str | Reply, None]:
        """Give the file's answer as one piece, or the inner backend's pieces; a whole reply is kept."""
        key = request_key(self.backend, "chat", request)
        kept = self._kept(key, _reply)
        if kept is not None:
            yield kept.text
            yield kept
            return
        async with aclosing(inner.stream(request)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Reply) and not piece.cached:
                    self._answers.put(key, asdict(piece))
                yield piece

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        self._answers.close()

    def _begin(self) -> None:
        self._asking = threading.Lock()
        self._flights: dict[str, Future[Any]] = {}
        self._pid = os.getpid()

    async def _through(
        self, key: str, inner: Asking, ask: Callable[[], Awaitable[Answer]], read: Callable[[Mapping[str, Any]], Answer]
    ) -> Answer:
        if self._pid != os.getpid():
            self._begin()  # after a fork nobody is left who would answer what other threads were asking
        while True:
            mine: Future[Any] = Future()
            with self._asking:
                flight = self._flights.setdefault(key, mine)
            if flight is mine:
                return await self._lead(key, mine, ask, read)
            answer: Answer | None = await inner.wait(flight)
            if answer is not None:
                return replace(answer, cached=True)

    async def _lead(
        self,
        key: str,
        flight: Future[Any],
        ask: Callable[[], Awaitable[Answer]],
        read: Callable[[Mapping[str, Any]], Answer],
    ) -> Answer:
        """Answer for all callers that wait on this flight; they share a failure, and after an interruption try themselves."""
        try:
            answer = self._kept(key, read)
            if answer is None:
                answer = await ask()
                if not answer.cached:
                    self._answers.put(key, asdict(answer))
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

    def _kept(self, key: str, read: Callable[[Mapping[str, Any]], Answer]) -> Answer | None:
        value = self._answers.get(key)
        try:
            return None if value is None else read(value)
        except (KeyError, TypeError, AttributeError):
            return None

    def _land(self, key: str) -> None:
        with self._asking:
            self._flights.pop(key, None)


def request_key(backend: LanguageBackend, kind: str, request: Request, options: Sequence[str] = ()) -> str:
    """Hash everything that changes an answer: SHA-256 of its canonical JSON, in hexadecimal.

    Args:
        backend: The model's name and identity count.
        kind: What is asked for: "chat" or "choose".
        request: Every field of it counts, the order of a schema's properties too, since replies are written in it.
        options: The options to choose from, in their order.

    Example:
        >>> from llm_brain.backends import Message
        >>> class Model(LanguageBackend):
        ...     model_id = "model"
        ...     def count_tokens(self, text): return 1
        ...     def chat_completion(self, request): raise NotImplementedError
        >>> first, second = (Request((Message("user", "Hello"),), sample=sample) for sample in (0, 1))
        >>> request_key(Model(), "chat", first) == request_key(Model(), "chat", second)
        False
    """
    sampling = request.sampling
    told = {
        "version": KEY_VERSION,
        "model": [backend.model_id, backend.identity],
        "kind": kind,
        "form": request.form,
        "messages": [[message.role, message.content] for message in request.messages],
        "sampling": [float(sampling.temperature), float(sampling.top_p), sampling.max_tokens, sampling.seed],
        "schema": request.schema,
        "sample": request.sample,
        "options": list(options),
    }
    return hashlib.sha256(json.dumps(told, separators=(",", ":"), default=_plain).encode()).hexdigest()


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else repr(value)


def _reply(value: Mapping[str, Any]) -> Reply:
    return Reply(value["text"], value["finish_reason"], value["model"], _usage(value["usage"]), cached=True)


def _choice(value: Mapping[str, Any]) -> Choice:
    odds = value["probabilities"]
    return Choice(value["option"], None if odds is None else tuple(odds), value["model"], _usage(value["usage"]), cached=True)


def _usage(value: Mapping[str, int] | None) -> Usage | None:
    return None if value is None else Usage(value["input_tokens"], value["output_tokens"])
