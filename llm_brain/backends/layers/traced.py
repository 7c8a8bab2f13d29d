"""The outermost layer: each call is a span in the trace, and is counted."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import TypeAlias

from llm_brain.attempts import Attempt, Usage
from llm_brain.backends.asking import Asking
from llm_brain.backends.contract import Choice, Embeddings, LanguageBackend, Reply, Request
from llm_brain.backends.layers.layer import Layer
from llm_brain.backends.layers.usage import is_counted, note_usage
from llm_brain.errors import BackendError
from llm_brain.tracing import names
from llm_brain.tracing.spans import Span, span
from llm_brain.tracing.streams import inside

Answer: TypeAlias = Reply | Choice | Embeddings


class TracedBackend(Layer):
    """Writes a span for each call, and counts the calls. Without a current tracer it only counts.

    Args:
        backend: What is asked, layers and all.
        on_call: Called after each call, in the caller's thread, with whether it was answered from a cache: for displays of
            progress. It must not raise.

    Example:
        >>> from llm_brain.backends import Message
        >>> class Model(LanguageBackend):
        ...     model_id = "model"
        ...     def count_tokens(self, text): return 1
        ...     def chat_completion(self, request): return Reply("hello", "stop", self.model_id)
        >>> model = TracedBackend(Model())
        >>> model.chat_completion(Request((Message("user", "Say hello."),))).text
        'hello'
        >>> model.calls, model.cached_calls
        (1, 0)
    """

    def __init__(self, backend: LanguageBackend, on_call: Callable[[bool], None] | None = None) -> None:
        super().__init__(backend)
        self._on_call = on_call
        self._counting = threading.Lock()
        self._calls = 0
        self._cached_calls = 0

    @property
    def calls(self) -> int:
        """How many calls were asked of the model, failed ones included."""
        return self._calls

    @property
    def cached_calls(self) -> int:
        """How many calls were answered from a cache."""
        return self._cached_calls

    async def around_chat(self, request: Request, inner: Asking) -> Reply:
        """Ask the inner backend inside a span named "chat MODEL"."""
        with self._span("chat", request) as here, self._counted(here) as answers:
            reply = await inner.chat(request)
            answers.append(reply)
            self._tell_reply(here, reply)
        return reply

    async def around_choice(self, request: Request, options: Sequence[str], inner: Asking) -> Choice:
        """Ask the inner backend inside a span named "choose MODEL"."""
        with self._span("choose", request) as here, self._counted(here) as answers:
            here.content(names.OPTIONS, list(options))
            choice = await inner.choose(request, options)
            answers.append(choice)
            if here.recording:
                if choice.notes:
                    here.set(names.NOTES, list(choice.notes))
                if choice.probabilities is not None:
                    here.set(names.PROBABILITIES, choice.probabilities)
                self._tell(here, choice, {**_part(choice.option), "finish_reason": "stop"})
        return choice

    async def around_embed(self, texts: Sequence[str], inner: Asking) -> Embeddings:
        """Ask the inner backend inside a span named "embed MODEL"."""
        with span(f"embed {self.model_id}") as here, self._counted(here) as answers:
            if here.recording:
                here.set(names.KIND, names.CALL_KIND)
                here.set(names.OPERATION_NAME, names.EMBEDDINGS)
                here.set(names.REQUEST_MODEL, self.model_id)
                here.content(names.INPUT_MESSAGES, [{"role": "user", **_part(text)} for text in texts])
            embeddings = await inner.embed(texts)
            answers.append(embeddings)
            if here.recording:
                self._tell_source(here, embeddings)
                _tell_tries(here, embeddings.failed)
        return embeddings

    def around_stream(self, request: Request, inner: Asking) -> AsyncGenerator[str | Reply, None]:
        """Ask the inner backend inside a span named "chat MODEL", which lasts until the last piece."""
        here = self._span("chat", request)
        return inside(here, self._streamed(here, inner.stream(request)))

    async def _streamed(self, here: Span, pieces: AsyncGenerator[str | Reply, None]) -> AsyncGenerator[str | Reply, None]:
        async with aclosing(pieces):
            with self._counted(here) as answers:
                async for piece in pieces:
                    if isinstance(piece, Reply):
                        answers.append(piece)
                        self._tell_reply(here, piece)
                    yield piece

    def _span(self, verb: str, request: Request) -> Span:
        here = span(f"{verb} {self.model_id}")
        if here.recording:
            sampling = request.sampling
            told = {
                names.KIND: names.CALL_KIND,
                names.OPERATION_NAME: names.CHAT if request.form == "chat" else names.TEXT_COMPLETION,
                names.REQUEST_MODEL: self.model_id,
                names.REQUEST_TEMPERATURE: sampling.temperature,
                names.REQUEST_TOP_P: sampling.top_p,
                names.REQUEST_MAX_TOKENS: sampling.max_tokens,
                names.REQUEST_SEED: sampling.seed,
                names.OUTPUT_TYPE: "text" if request.schema is None else "json",
                names.SAMPLE: request.sample,
            }
            here.tell({name: value for name, value in told.items() if value is not None})
            here.content(names.INPUT_MESSAGES, [{"role": turn.role, **_part(turn.content)} for turn in request.messages])
        return here

    def _counted(self, here: Span) -> _Counted:
        """Count a call; its answer, if there is one, is put into the list."""
        return _Counted(self, here)

    def _count(self, here: Span, answers: Sequence[Answer], error: BaseException | None) -> None:
        if isinstance(error, BackendError):
            here.set(names.FAULT, error.kind)
            here.set(names.ERROR_TYPE, error.kind)
            if here.recording:
                _tell_tries(here, error.attempts)
                self._tell_usage(here, error.usage, self.model_id)
        cached = bool(answers) and answers[0].cached
        if not cached and is_counted():
            self._note(answers[0] if answers else None, error)
        with self._counting:
            self._calls += not cached
            self._cached_calls += cached
        if self._on_call is not None:
            self._on_call(cached)

    def _note(self, answer: Answer | None, error: BaseException | None) -> None:
        usage = answer.usage if answer is not None else error.usage if isinstance(error, BackendError) else None
        model = self.model_id if answer is None else answer.model
        note_usage(usage, None if usage is None else self.cost(usage, model))

    def _tell_reply(self, here: Span, reply: Reply) -> None:
        if here.recording:
            here.set(names.RESPONSE_FINISH_REASONS, [reply.finish_reason])
            if reply.notes:
                here.set(names.NOTES, list(reply.notes))
            self._tell(here, reply, {**_part(reply.text), "finish_reason": reply.finish_reason})

    def _tell(self, here: Span, answer: Reply | Choice, said: dict[str, object]) -> None:
        self._tell_source(here, answer)
        _tell_tries(here, answer.failed)
        here.content(names.OUTPUT_MESSAGES, [{"role": "assistant", **said}])

    def _tell_source(self, here: Span, answer: Reply | Choice | Embeddings) -> None:
        here.tell({names.CACHED: answer.cached, names.RESPONSE_MODEL: answer.model})
        self._tell_usage(here, answer.usage, answer.model, cached=answer.cached)

    def _tell_usage(self, here: Span, usage: Usage | None, model: str, *, cached: bool = False) -> None:
        if usage is None:
            return
        here.tell({names.INPUT_TOKENS: usage.input_tokens, names.OUTPUT_TOKENS: usage.output_tokens})
        if usage.cache_read_tokens:
            here.set(names.CACHE_READ_TOKENS, usage.cache_read_tokens)
        if usage.cache_write_tokens:
            here.set(names.CACHE_WRITE_TOKENS, usage.cache_write_tokens)
        cost = 0.0 if cached else self.cost(usage, model)
        if cost is not None:
            here.set(names.COST, cost)


class _Counted:
    """A call that is counted when it ends; a class, as a generator's context takes several times as long."""

    __slots__ = ("_answers", "_here", "_layer")

    def __init__(self, layer: TracedBackend, here: Span) -> None:
        self._layer = layer
        self._here = here
        self._answers: list[Answer] = []

    def __enter__(self) -> list[Answer]:
        return self._answers

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._layer._count(self._here, self._answers, error)  # noqa: SLF001 - a part of it


def traced(backend: LanguageBackend) -> LanguageBackend:
    """Put the layer around a backend, unless it is in it already.

    Example:
        >>> class Model(LanguageBackend):
        ...     model_id = "model"
        ...     def count_tokens(self, text): return 1
        ...     def chat_completion(self, request): return Reply("hello", "stop", self.model_id)
        >>> model = traced(Model())
        >>> type(model).__name__, traced(model) is model
        ('TracedBackend', True)
    """
    inner = backend
    while isinstance(inner, Layer):
        if isinstance(inner, TracedBackend):
            return backend
        inner = inner.backend
    return TracedBackend(backend)


def _part(text: str) -> dict[str, object]:
    """Write a message's text as the conventions have it: as one of its parts."""
    return {"parts": [{"type": "text", "content": text}]}


def _tell_tries(here: Span, attempts: Sequence[Attempt]) -> None:
    """Tell every request that failed; a server's words may quote the prompt, so they are told only where contents are."""
    if attempts:
        kept = ("kind", "status", "duration", "perhaps_billed")
        here.set(names.TRIES, [{name: getattr(attempt, name) for name in kept} for attempt in attempts])
        here.content(names.TRY_ERRORS, [attempt.error for attempt in attempts])
