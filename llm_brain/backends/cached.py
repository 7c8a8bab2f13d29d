"""A layer that keeps answers: the same question costs one call, now, tomorrow, and when two threads ask it at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from llm_brain.backends.answers import AnswerStore
from llm_brain.backends.contract import LanguageBackend, Request
from llm_brain.backends.keeping import KeepingLayer, Question

KEY_VERSION: Final = 1


class CachedBackend(KeepingLayer):
    """Answers from a file what was answered before, and asks the inner backend for the rest.

    A failed call is never kept. A cached answer says so by `cached=True`, and tells the usage of the call that it was paid
    with. To ask for another answer to the same question, ask with another `Request.sample`.

    Args:
        backend: What is asked.
        path: The SQLite file that answers are kept in; made where it is missing. Several processes may share it.

    Example:
        >>> import tempfile
        >>> from llm_brain.backends import Message, Reply
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

    @property
    def path(self) -> Path:
        """The file that answers are kept in."""
        return self._answers.path

    def key(self, question: Question) -> str:
        """Hash the question together with the model that it is put to."""
        return request_key(self.backend, question.kind, question.request, question.options)

    def kept(self, key: str) -> Mapping[str, Any] | None:
        """Return the file's answer."""
        value = self._answers.get(key)
        return value if isinstance(value, Mapping) else None

    def keep(self, key: str, question: Question, answer: Mapping[str, Any]) -> None:  # noqa: ARG002 - the key says it all
        """Write an answer into the file."""
        self._answers.put(key, answer)

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        self._answers.close()


def request_key(backend: LanguageBackend | None, kind: str, request: Request, options: Sequence[str] = ()) -> str:
    """Hash everything that changes an answer: SHA-256 of its canonical JSON, in hexadecimal.

    Args:
        backend: The model's name and identity count; None leaves them out.
        kind: What is asked for: "chat" or "choose".
        request: Every field of it counts, the order of a schema's properties too, since replies are written in it.
        options: The options to choose from, in their order.

    Example:
        >>> from llm_brain.backends import Message, Reply
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
        "model": None if backend is None else [backend.model_id, backend.identity],
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
