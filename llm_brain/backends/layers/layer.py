"""What the layers around a backend have in common: whatever is not a call is the inner backend's own.

A layer writes what it does around a call once, as a coroutine over an `Asking`; blocking and awaited calls both run it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from typing import Any

from llm_brain.attempts import Usage
from llm_brain.backends.asking import Asking, Awaiting, Blocking, iterate_now, run_now
from llm_brain.backends.contract import Choice, Embeddings, LanguageBackend, Message, PromptForm, Reply, Request


def _inner(name: str) -> Any:
    # Read at every look: a local model knows its context length only once it is loaded.
    return property(lambda layer: getattr(layer.backend, name), doc=f"The inner backend's `{name}`.")


class Layer(LanguageBackend):
    """A backend around a backend; as it stands it changes nothing. A layer overrides the `around_` methods that it needs.

    Args:
        backend: What is asked in the end.

    Attributes:
        backend: The same.

    Example:
        >>> class Shout(Layer):
        ...     async def around_chat(self, request, inner):
        ...         reply = await inner.chat(request)
        ...         return Reply(reply.text.upper(), reply.finish_reason, reply.model)
        >>> class Model(LanguageBackend):
        ...     model_id = "model"
        ...     context_length = 512
        ...     def count_tokens(self, text): return 1
        ...     def chat_completion(self, request): return Reply("hello", "stop", self.model_id)
        >>> Shout(Model()).chat_completion(Request(())).text, Shout(Model()).context_length
        ('HELLO', 512)
    """

    model_id: str = _inner("model_id")
    context_length: int | None = _inner("context_length")
    choice_form: PromptForm = _inner("choice_form")
    enforces_schema: bool = _inner("enforces_schema")

    def __init__(self, backend: LanguageBackend) -> None:
        self.backend = backend

    @property
    def identity(self) -> str:
        """The inner backend's `identity`."""
        return self.backend.identity

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        """Count as the inner backend counts."""
        return self.backend.count_tokens(text)

    def cost(self, usage: Usage | None, model: str) -> float | None:
        """Tell what the inner backend's tokens cost."""
        return self.backend.cost(usage, model)

    def forget(self, request: Request, options: Sequence[str] | None = None) -> None:
        """Let the inner backend forget an answer."""
        self.backend.forget(request, options)

    async def around_chat(self, request: Request, inner: Asking) -> Reply:
        """Ask the inner backend for a reply. Nothing but `inner` may be awaited here."""
        return await inner.chat(request)

    async def around_choice(self, request: Request, options: Sequence[str], inner: Asking) -> Choice:
        """Ask the inner backend for one of the options. Nothing but `inner` may be awaited here."""
        return await inner.choose(request, options)

    async def around_embed(self, texts: Sequence[str], inner: Asking) -> Embeddings:
        """Ask the inner backend for vectors. Nothing but `inner` may be awaited here."""
        return await inner.embed(texts)

    def around_stream(self, request: Request, inner: Asking) -> AsyncGenerator[str | Reply, None]:
        """Ask the inner backend for a reply piece by piece. Nothing but `inner` may be awaited here."""
        return inner.stream(request)

    def chat_completion(self, request: Request) -> Reply:
        """Ask through this layer."""
        return run_now(self.around_chat(request, Blocking(self.backend)))

    def choose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
        """Ask through this layer."""
        return run_now(self.around_choice(request, options, Blocking(self.backend)))

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Ask through this layer."""
        return run_now(self.around_embed(texts, Blocking(self.backend)))

    def stream(self, request: Request) -> Generator[str | Reply, None, None]:
        """Ask through this layer."""
        return iterate_now(self.around_stream(request, Blocking(self.backend)))

    async def achat_completion(self, request: Request) -> Reply:
        """Ask through this layer."""
        return await self.around_chat(request, Awaiting(self.backend))

    async def achoose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
        """Ask through this layer."""
        return await self.around_choice(request, options, Awaiting(self.backend))

    async def aembed(self, texts: Sequence[str]) -> Embeddings:
        """Ask through this layer."""
        return await self.around_embed(texts, Awaiting(self.backend))

    def astream(self, request: Request) -> AsyncGenerator[str | Reply, None]:
        """Ask through this layer."""
        return self.around_stream(request, Awaiting(self.backend))
