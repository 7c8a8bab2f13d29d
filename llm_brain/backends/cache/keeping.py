"""What layers that keep answers have in common: a question that was answered once is not asked again.

Question -> is its answer kept? -> is it being asked right now? -> the inner backend -> keep -> answer
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

from typing_extensions import override

from llm_brain.backends.asking import Asking
from llm_brain.backends.cache.flights import Flights
from llm_brain.backends.cache.forms import choice_of, reply_of, told, told_vector, vector_of
from llm_brain.backends.cache.patience import without_holding_up
from llm_brain.backends.contract import Choice, Embeddings, LanguageBackend, Message, Reply, Request
from llm_brain.backends.layers.layer import Layer
from llm_brain.errors import BackendError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MANY: Final = 100
"""So many texts are looked up, or kept, in a thread: together they take longer than an event loop may be held up."""

Vector: TypeAlias = "tuple[NDArray[np.float32], str]"
"""A text's vector, and the model that made it."""
Answer = TypeVar("Answer", Reply, Choice)
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, and how: for a reply, for one of some options, or for a text's vector.

    Example:
        >>> Question("chat", Request(())).options
        ()
    """

    kind: Literal["chat", "choose", "embed"]
    request: Request
    options: tuple[str, ...] = ()

    @classmethod
    def of_text(cls, text: str) -> Question:
        """Ask for a text's vector.

        Example:
            >>> Question.of_text("hello").request.messages[0].content
            'hello'
        """
        return cls("embed", Request((Message("user", text),), form="completion"))


class KeepingLayer(Layer):
    """A layer that keeps answers somewhere. Who asks while the same is being asked waits for that answer.

    A failed call is never kept, and neither is a stream that was left or broke off. Nobody waits for a stream: it goes on at
    the pace of its reader, who may be the one who would wait. Of the texts to embed, those without a kept vector are asked for.

    Args:
        backend: What is asked.

    Example:
        >>> class Remembering(KeepingLayer):
        ...     answers = {}
        ...     def key(self, question): return repr(question)
        ...     def kept(self, key, *, patient): return self.answers.get(key)
        ...     def keep(self, key, question, answer, *, patient): self.answers[key] = answer
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
    def key(self, question: Question) -> str | None:
        """Return what is equal for the same question; None where it cannot be told, so that nothing is kept."""

    @abstractmethod
    def kept(self, key: str, *, patient: bool) -> Mapping[str, Any] | None:
        """Return the kept answer, as `keep` was given it; None where there is none.

        Raises:
            BusyError: Somebody is in the way, and it is not to be patient.
        """

    @abstractmethod
    def keep(self, key: str, question: Question, answer: Mapping[str, Any], *, patient: bool) -> None:
        """Keep an answer, which is a mapping that JSON can hold.

        Raises:
            BusyError: Somebody is in the way, and it is not to be patient.
        """

    def drop(self, key: str) -> None:
        """Remove a kept answer that was of no use. Where answers are kept for the record, they stay: this does nothing."""

    @override
    def forget(self, request: Request, options: Sequence[str] | None = None) -> None:
        kind: Literal["chat", "choose"] = "chat" if options is None else "choose"
        key = self.key(Question(kind, request, tuple(options or ())))
        if key is not None:
            self.drop(key)
        super().forget(request, options)

    async def around_chat(self, request: Request, inner: Asking) -> Reply:
        """Return the kept answer, or ask the inner backend."""
        return await self._through(Question("chat", request), inner, lambda: inner.chat(request), reply_of)

    async def around_choice(self, request: Request, options: Sequence[str], inner: Asking) -> Choice:
        """Return the kept answer, or ask the inner backend."""
        question = Question("choose", request, tuple(options))
        return await self._through(question, inner, lambda: inner.choose(request, options), choice_of)

    async def around_embed(self, texts: Sequence[str], inner: Asking) -> Embeddings:
        """Put the kept vectors and those of the inner backend together. The tokens are those of the texts asked for now."""
        keys = {text: self.key(Question.of_text(text)) for text in texts}
        named = {text: key for text, key in keys.items() if key is not None}
        if not texts or len(named) < len(keys):
            return await inner.embed(texts)
        flight = sha256("\n".join(keys[text] or "" for text in texts).encode()).hexdigest()
        return await self._flights.share(flight, inner, lambda: self._kept_or_embedded(texts, named, inner))

    async def around_stream(self, request: Request, inner: Asking) -> AsyncGenerator[str | Reply, None]:
        """Give the kept answer as one piece, or the inner backend's pieces; a whole reply is kept."""
        question = Question("chat", request)
        key = self.key(question)
        kept = await self._look(key, reply_of, inner)
        if kept is not None:
            yield kept.text
            yield kept
            return
        async with aclosing(inner.stream(request)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Reply):
                    await self._keep(key, question, piece, inner)
                yield piece

    async def _through(
        self,
        question: Question,
        inner: Asking,
        ask: Callable[[], Awaitable[Answer]],
        read: Callable[[Mapping[str, Any]], Answer],
    ) -> Answer:
        key = self.key(question)
        kept = await self._look(key, read, inner)
        if kept is not None:
            return kept
        if key is None:
            return await ask()

        async def kept_or_asked() -> Answer:
            answer = await self._look(key, read, inner)  # it may have landed since
            if answer is None:
                answer = await ask()
                await self._keep(key, question, answer, inner)
            return answer

        return await self._flights.share(key, inner, kept_or_asked)

    async def _look(self, key: str | None, read: Callable[[Mapping[str, Any]], Read], inner: Asking) -> Read | None:
        if key is None:
            return None
        return _read(await without_holding_up(lambda patient: self.kept(key, patient=patient), inner), read)

    async def _keep(self, key: str | None, question: Question, answer: Reply | Choice, inner: Asking) -> None:
        if key is not None and not answer.cached:
            kept = told(answer)
            await without_holding_up(lambda patient: self.keep(key, question, kept, patient=patient), inner)

    async def _kept_or_embedded(self, texts: Sequence[str], keys: Mapping[str, str], inner: Asking) -> Embeddings:
        def look(patient: bool) -> dict[str, Vector]:  # noqa: FBT001 - as `without_holding_up` asks for it
            found = {text: _read(self.kept(key, patient=patient), vector_of) for text, key in keys.items()}
            return {text: vector for text, vector in found.items() if vector is not None}

        def keep(patient: bool) -> None:  # noqa: FBT001 - as above
            for text in [] if fresh.cached else missing:
                vector = told_vector(*known[text])
                self.keep(keys[text], Question.of_text(text), vector, patient=patient)

        known = await without_holding_up(look, inner, long=len(keys) > _MANY)
        if len(_spaces(known)) > 1:
            known = {}
        missing = [text for text in keys if text not in known]
        if not missing:
            return Embeddings(_matrix(texts, known), known[texts[0]][1], cached=True)
        fresh = await inner.embed(missing)
        paid = fresh.usage
        known |= _by_text(missing, fresh)
        if len(_spaces(known)) > 1:  # another model answers since: vectors of different models cannot be compared
            missing = list(keys)
            fresh = await inner.embed(missing)
            paid = None if paid is None or fresh.usage is None else paid + fresh.usage
            known = _by_text(missing, fresh)
        await without_holding_up(keep, inner, long=len(missing) > _MANY)
        return Embeddings(_matrix(texts, known), fresh.model, paid)


def _read(value: Mapping[str, Any] | None, read: Callable[[Mapping[str, Any]], Read]) -> Read | None:
    try:
        return None if value is None else read(value)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _by_text(texts: Sequence[str], given: Embeddings) -> dict[str, Vector]:
    if given.vectors.ndim != 2 or len(given.vectors) != len(texts):  # noqa: PLR2004 - a matrix
        message = f"{given.model!r} gave vectors of the shape {given.vectors.shape} for {len(texts)} texts"
        raise BackendError(message, kind="protocol")
    return {text: (vector, given.model) for text, vector in zip(texts, given.vectors, strict=True)}


def _matrix(texts: Sequence[str], vectors: Mapping[str, Vector]) -> NDArray[np.float32]:
    import numpy as np

    return np.stack([vectors[text][0] for text in texts]).astype(np.float32, copy=False)


def _spaces(vectors: Mapping[str, Vector]) -> set[tuple[str, int]]:
    """Tell of which models, and how long, vectors are."""
    return {(model, len(vector)) for vector, model in vectors.values()}
