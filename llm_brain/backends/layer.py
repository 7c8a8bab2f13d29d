"""What the layers around a backend have in common: whatever is not a call is the inner backend's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llm_brain.backends.contract import Choice, LanguageBackend, PromptForm, Reply, Request


def _inner(name: str) -> Any:
    # Read at every look: a local model knows its context length only once it is loaded.
    return property(lambda layer: getattr(layer.backend, name), doc=f"The inner backend's `{name}`.")


class Layer(LanguageBackend):
    """A backend around a backend; as it stands it changes nothing. A layer overrides the calls that it has to do with.

    Args:
        backend: What is asked in the end.

    Attributes:
        backend: The same.

    Example:
        >>> class Shout(Layer):
        ...     def chat_completion(self, request): return Reply("HELLO", "stop", self.model_id)
        >>> class Model(LanguageBackend):
        ...     model_id = "model"
        ...     context_length = 512
        ...     def count_tokens(self, text): return 1
        ...     def chat_completion(self, request): return Reply("hello", "stop", self.model_id)
        >>> Shout(Model()).context_length
        512
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

    def count_tokens(self, text: str) -> int:
        """Count as the inner backend counts."""
        return self.backend.count_tokens(text)

    def chat_completion(self, request: Request) -> Reply:
        """Ask the inner backend."""
        return self.backend.chat_completion(request)

    def choose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
        """Ask the inner backend."""
        return self.backend.choose_from_options(request, options)
