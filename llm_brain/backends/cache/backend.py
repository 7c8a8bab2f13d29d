"""A layer that keeps answers: the same question costs one call, now, tomorrow, and when two threads ask it at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from numbers import Integral, Real
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from llm_brain.backends.cache.answers import AnswerStore
from llm_brain.backends.cache.keeping import KeepingLayer, Question
from llm_brain.backends.contract import LanguageBackend, Message, Request, Sampling

KEY_VERSION: Final = 2


class CachedBackend(KeepingLayer):
    """Answers from a file what was answered before, and asks the inner backend for the rest.

    A failed call is never kept. A cached answer says so by `cached=True`, and tells the usage of the call that it was paid
    with. To ask for another answer to the same question, ask with another `Request.sample`.

    Args:
        backend: What is asked.
        path: The SQLite file that answers are kept in; made where it is missing. Several processes may share it. None stands
            for `answers.sqlite` in `$LLM_BRAIN_HOME`, or in a folder of this package in the user's cache.

    Example:
        >>> import tempfile
        >>> from llm_brain.backends import Reply
        >>> class Model(LanguageBackend):
        ...     model_id = "model"
        ...     def count_tokens(self, text): return 1
        ...     def chat_completion(self, request): return Reply("hello", "stop", self.model_id)
        >>> question = Request((Message("user", "Say hello."),))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model = CachedBackend(Model(), f"{folder}/answers.sqlite")
        ...     [model.chat_completion(question).cached for _ in range(2)], len(model)
        ...     model.clear()
        ...     model.chat_completion(question).cached
        ...     model.close()
        ([False, True], 1)
        False
    """

    def __init__(self, backend: LanguageBackend, path: Path | str | None = None) -> None:
        super().__init__(backend)
        self._answers = AnswerStore(default_path() if path is None else path)

    def __repr__(self) -> str:
        return f"CachedBackend({self.backend!r}, {str(self.path)!r})"

    def __len__(self) -> int:
        """Count the kept answers; each text's vector is one."""
        return self._answers.count()

    def __bool__(self) -> bool:
        # A backend is there, however empty its cache is.
        return True

    @property
    def path(self) -> Path:
        """The file that answers are kept in."""
        return self._answers.path

    @property
    def size_in_bytes(self) -> int:
        """How much of the disk the answers take."""
        return self._answers.size()

    def key(self, question: Question) -> str | None:
        """Hash the question together with the model that it is put to; None for a schema that is not JSON."""
        try:
            return request_key(self.backend, question.kind, question.request, question.options)
        except (TypeError, ValueError, RecursionError):
            return None

    def kept(self, key: str, *, patient: bool) -> Mapping[str, Any] | None:
        """Return the file's answer."""
        value = self._answers.get(key, patient=patient)
        return value if isinstance(value, Mapping) else None

    def keep(self, key: str, question: Question, answer: Mapping[str, Any], *, patient: bool) -> None:  # noqa: ARG002 - the key says it all
        """Write an answer into the file."""
        self._answers.put(key, answer, patient=patient)

    def drop(self, key: str) -> None:
        """Remove an answer from the file."""
        self._answers.drop(key)

    def clear(self) -> None:
        """Remove all answers from the file, those of other models included.

        Raises:
            DataError: They are still there.
        """
        self._answers.clear()

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        self._answers.close()


def default_path() -> Path:
    """Tell where answers are kept unless another file is named.

    Example:
        >>> default_path().name
        'answers.sqlite'
    """
    from llm_brain.backends.embedded import models_folder

    return models_folder().parent / "answers.sqlite"


def request_key(backend: LanguageBackend | None, kind: str, request: Request, options: Sequence[str] = ()) -> str:
    """Hash everything that changes an answer: SHA-256 of its JSON, in hexadecimal.

    Args:
        backend: The model's name and identity count, and whether it enforces the schema; None leaves them out.
        kind: What is asked for: "chat", "choose" or "embed".
        request: Every field of it counts, the order of a schema's properties too, since replies are written in it.
        options: The options to choose from, in their order.

    Raises:
        TypeError, ValueError or RecursionError: The schema is not JSON.

    Example:
        >>> from llm_brain.backends import Reply
        >>> class Model(LanguageBackend):
        ...     model_id = "model"
        ...     def count_tokens(self, text): return 1
        ...     def chat_completion(self, request): raise NotImplementedError
        >>> first, second = (Request((Message("user", "Hello"),), sample=sample) for sample in (0, 1))
        >>> request_key(Model(), "chat", first) == request_key(Model(), "chat", second)
        False
    """
    told = (
        None if backend is None else (backend.model_id, backend.identity, backend.enforces_schema),
        kind,
        [_message(message) for message in request.messages],
        [float(value) if is_float else value for value, is_float in zip(_sampling(request.sampling), _ARE_FLOATS, strict=True)],
        _request(request),
        tuple(options),
    )
    return hashlib.sha256(f"{_KEY_BEGINS}{_encoded(told)}".encode()).hexdigest()


def _values_of(kind: type, *, but: tuple[str, ...] = ()) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """Name what tells objects of a dataclass apart, and give what reads it: a new field is a part of the key by itself."""
    names = tuple(field.name for field in fields(kind) if field.compare and field.name not in but)
    return names, attrgetter(*names)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    message = f"{type(value).__name__} is not JSON"
    raise TypeError(message)


_MESSAGE_FIELDS, _message = _values_of(Message)
_SAMPLING_FIELDS, _sampling = _values_of(Sampling)
_REQUEST_FIELDS, _request = _values_of(Request, but=("messages", "sampling"))
_ARE_FLOATS: Final = tuple(field.type == "float" for field in fields(Sampling))
"""A temperature of 0 is one of 0.0."""
_encoded: Final = json.JSONEncoder(separators=(",", ":"), default=_plain, check_circular=False).encode
_KEY_BEGINS: Final = _encoded((KEY_VERSION, _MESSAGE_FIELDS, _SAMPLING_FIELDS, _REQUEST_FIELDS))
