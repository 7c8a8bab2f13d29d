"""What layers that keep answers have in common: a question that was answered once is not asked again.

Question -> is it being asked right now? -> is its answer kept? -> the inner backend -> keep -> answer
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import Any, Literal

from llm_brain.attempts import Usage
from llm_brain.backends.asking import Asking
from llm_brain.backends.contract import Choice, LanguageBackend, Reply, Request
from llm_brain.backends.flights import Answer, Flights
from llm_brain.backends.layer import Layer


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, and how: for a reply or for one of some options.

    Example:
        >>> Question("chat", Request(())).options
        ()
    """

    kind: Literal["chat", "choose"]
    request: Request
    options: tuple[str, ...] = ()


class KeepingLayer(Layer):
    """A layer that keeps answers somewhere. Who asks while the same is being asked waits for that answer.

    A failed call is never kept, and neither is a stream that was left or broke off. Streams wait for nobody.

    Args:
        backend: What is asked.

    Example:
        >>> class Remembering(KeepingLayer):
        ...     answers = {}
        ...     def key(self, question): return repr(question)
        ...     def kept(self, key): return self.answers.get(key)
        ...     def keep(self, key, question, answer): self.answers[key] = answer
        >>> class Model(LanguageBackend):
        ...     model_id = "model"
        ...     def count_tokens(self, text): return 1
        ...     def chat_completion(self, request): return Reply("hello", "stop", self.model_id)
        >>> model = Remembering(Model())
        >>> [model.chat_completion(Request(())).cached for _ in range(2)]
        [False, True]
    """

    def __init__(self, backend: LanguageBackend) -> None:
        super().__init__(backend)
        self._flights = Flights()

    @abstractmethod
    def key(self, question: Question) -> str:
        """Return what is equal for the same question."""

    @abstractmethod
    def kept(self, key: str) -> Mapping[str, Any] | None:
        """Return the kept answer, as `keep` was given it; None where there is none."""

    @abstractmethod
    def keep(self, key: str, question: Question, answer: Mapping[str, Any]) -> None:
        """Keep an answer: the fields of a `Reply` or of a `Choice`."""

    async def around_chat(self, request: Request, inner: Asking) -> Reply:
        """Return the kept answer, or ask the inner backend."""
        question = Question("chat", request)
        return await self._through(question, inner, lambda: inner.chat(request), reply_of)

    async def around_choice(self, request: Request, options: Sequence[str], inner: Asking) -> Choice:
        """Return the kept answer, or ask the inner backend."""
        question = Question("choose", request, tuple(options))
        return await self._through(question, inner, lambda: inner.choose(request, options), choice_of)

    async def around_stream(self, request: Request, inner: Asking) -> AsyncGenerator[str | Reply, None]:
        """Give the kept answer as one piece, or the inner backend's pieces; a whole reply is kept."""
        question = Question("chat", request)
        key = self.key(question)
        kept = self._read(key, reply_of)
        if kept is not None:
            yield kept.text
            yield kept
            return
        async with aclosing(inner.stream(request)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Reply) and not piece.cached:
                    self.keep(key, question, asdict(piece))
                yield piece

    async def _through(
        self,
        question: Question,
        inner: Asking,
        ask: Callable[[], Awaitable[Answer]],
        read: Callable[[Mapping[str, Any]], Answer],
    ) -> Answer:
        key = self.key(question)

        async def kept_or_asked() -> Answer:
            answer = self._read(key, read)
            if answer is None:
                answer = await ask()
                if not answer.cached:
                    self.keep(key, question, asdict(answer))
            return answer

        return await self._flights.share(key, inner, kept_or_asked)

    def _read(self, key: str, read: Callable[[Mapping[str, Any]], Answer]) -> Answer | None:
        value = self.kept(key)
        try:
            return None if value is None else read(value)
        except (KeyError, TypeError, AttributeError):
            return None


def reply_of(value: Mapping[str, Any]) -> Reply:
    """Read a kept reply, which says of itself that it was kept.

    Raises:
        KeyError, TypeError or AttributeError: It is none.

    Example:
        >>> reply_of({"text": "42", "finish_reason": "stop", "model": "m", "usage": None}).cached
        True
    """
    return Reply(value["text"], value["finish_reason"], value["model"], _usage(value["usage"]), cached=True)


def choice_of(value: Mapping[str, Any]) -> Choice:
    """Read a kept choice, which says of itself that it was kept.

    Raises:
        KeyError, TypeError or AttributeError: It is none.

    Example:
        >>> choice_of({"option": "yes", "probabilities": None, "model": "m", "usage": None}).option
        'yes'
    """
    odds = value["probabilities"]
    return Choice(value["option"], None if odds is None else tuple(odds), value["model"], _usage(value["usage"]), cached=True)


def _usage(value: Mapping[str, int] | None) -> Usage | None:
    return None if value is None else Usage(value["input_tokens"], value["output_tokens"])
