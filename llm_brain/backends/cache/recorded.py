r"""A recording of a model: a file of questions and answers, made by a `Recorder` and played by a `RecordedBackend`.

The file holds JSON lines, to be read and edited by people. The first one tells of the model, each other one of an answer:

    {"recording": 1, "model": "gpt-5-mini", "choice_form": "chat", "enforces_schema": true, "context_length": null}
    {"kind": "chat", "request": {"messages": [{"role": "user", "content": "Hello?"}]}, "answer": {"text": "Hello!", ...}}
    {"kind": "embed", "text": "Hello?", "answer": {"vector": "AACAPwAAAD8=", "model": "text-embedding-3-small"}}

What a line leaves out of a request (`sampling`, `schema`, `sample`, `form`) has its default. A vector is base64
of its float32 numbers, or a list of numbers where a person wrote it.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from llm_brain.backends.cache.backend import request_key
from llm_brain.backends.cache.forms import choice_of, reply_of, vector_of
from llm_brain.backends.cache.keeping import KeepingLayer, Question
from llm_brain.backends.cache.patience import AT_ONCE, BusyError
from llm_brain.backends.cache.recording import Head, Line, nearest, read_recording, write_line
from llm_brain.backends.contract import Choice, Embeddings, LanguageBackend, Message, Reply, Request
from llm_brain.backends.estimate import estimate_tokens
from llm_brain.errors import BackendError, DataError

_WORDS = re.compile(r"\S+\s*|\s+")


class RecordedBackend(LanguageBackend):
    """Plays a recording: the model's answers to the requests that were recorded, and to no others.

    It stands for the recorded model in everything that shapes a prompt. Streams come word by word.

    Args:
        path: The file, as a `Recorder` wrote it.

    Raises:
        DataError: There is no such file, or it is no recording.

    Example:
        >>> import tempfile
        >>> from llm_brain.backends import Message
        >>> class Model(LanguageBackend):
        ...     model_id = "model"
        ...     def count_tokens(self, text): return 1
        ...     def chat_completion(self, request): return Reply("hello", "stop", self.model_id)
        >>> question = Request((Message("user", "Say hello."),))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = f"{folder}/hello.jsonl"
        ...     Recorder(Model(), path).chat_completion(question).text
        ...     RecordedBackend(path).chat_completion(question).text
        'hello'
        'hello'
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            message = f"there is no recording at {self.path}: make one by asking through Recorder(backend, {str(path)!r})"
            raise DataError(message)
        content = self.path.read_bytes()
        head, self._lines = read_recording(content, self.path)
        if head is None:
            message = f"{self.path} is empty: a recording tells of its model in the first line"
            raise DataError(message)
        self.model_id = head.model
        self.choice_form = head.choice_form
        self.enforces_schema = head.enforces_schema
        self.context_length = head.context_length
        self._hash = hashlib.sha256(content).hexdigest()
        self._answers = {line.key or question_key(line.question): line.answer for line in self._lines}

    def __repr__(self) -> str:
        return f"RecordedBackend({str(self.path)!r})"

    @property
    def identity(self) -> str:
        """The file's hash: another recording may answer otherwise."""
        return f"recorded {self._hash}"

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        """Estimate, on the high side: the recorded model's tokenizer is not here."""
        return estimate_tokens(text)

    def chat_completion(self, request: Request) -> Reply:
        """Return the recorded reply.

        Raises:
            BackendError: Of kind "not_found" when the request was not recorded; the message tells the nearest one that was.
        """
        return replace(reply_of(self._answer(Question("chat", request))), cached=False)

    def choose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
        """Return the recorded choice.

        Raises:
            BackendError: Of kind "not_found" when the request was not recorded with these options.
        """
        return replace(choice_of(self._answer(Question("choose", request, tuple(options)))), cached=False)

    def stream(self, request: Request) -> Generator[str | Reply, None, None]:
        """Give the recorded reply word by word."""
        reply = self.chat_completion(request)
        yield from _WORDS.findall(reply.text)
        yield reply

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return the recorded vectors.

        Raises:
            BackendError: Of kind "not_found" when a text was not recorded, or the texts were recorded of several models.
        """
        import numpy as np

        if not texts:
            return Embeddings(np.zeros((0, 0), dtype=np.float32), self.model_id)
        vectors, models = zip(*(vector_of(self._answer(Question.of_text(text))) for text in texts), strict=True)
        if len({(model, len(vector)) for vector, model in zip(vectors, models, strict=True)}) > 1:
            message = f"{self.path} holds vectors of different models for these texts: record them again, in a new file"
            raise BackendError(message, kind="not_found")
        return Embeddings(np.stack(vectors), models[0])

    async def achat_completion(self, request: Request) -> Reply:
        """Return the recorded reply."""
        return self.chat_completion(request)

    async def achoose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
        """Return the recorded choice."""
        return self.choose_from_options(request, options)

    async def aembed(self, texts: Sequence[str]) -> Embeddings:
        """Return the recorded vectors."""
        return self.embed(texts)

    async def astream(self, request: Request) -> AsyncGenerator[str | Reply, None]:
        """Give the recorded reply word by word."""
        for piece in self.stream(request):
            yield piece

    def _answer(self, question: Question) -> Mapping[str, Any]:
        answer = self._answers.get(question_key(question))
        return self._unknown(question) if answer is None else answer

    def _unknown(self, question: Question) -> NoReturn:
        message = (
            f"{self.path} holds no answer to this request{nearest(question, self._lines)}. To record it, ask the model "
            f"through Recorder(backend, {str(self.path)!r})"
        )
        raise BackendError(message, kind="not_found")


class Recorder(KeepingLayer):
    """Records what a model answers, while it is asked. What the file holds already is not asked again.

    Args:
        backend: What is asked.
        path: The file; made at the first answer, with its folders. Answers are added to its end.

    Raises:
        DataError: The file is there and is no recording of this model.

    Example:
        >>> import tempfile
        >>> class Model(LanguageBackend):
        ...     model_id = "model"
        ...     def count_tokens(self, text): return 1
        ...     def chat_completion(self, request): return Reply("hello", "stop", self.model_id)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model = Recorder(Model(), f"{folder}/hello.jsonl")
        ...     [model.chat_completion(Request(())).cached for _ in range(2)]
        [False, True]
    """

    def __init__(self, backend: LanguageBackend, path: Path | str) -> None:
        super().__init__(backend)
        self.path = Path(path)
        self._writing = threading.Lock()
        self._answers: dict[str, Mapping[str, Any]] = {}
        if self.path.is_file():
            head, lines = read_recording(self.path.read_bytes(), self.path)
            if head is not None and head.model != backend.model_id:
                message = f"{self.path} is a recording of {head.model!r}, not of {backend.model_id!r}: give another file"
                raise DataError(message)
            self._answers = {line.key or question_key(line.question): line.answer for line in lines}

    def key(self, question: Question) -> str | None:
        """Hash the question, as which model answers is the same for the whole file; None for a schema that is not JSON."""
        try:
            return question_key(question)
        except (TypeError, ValueError, RecursionError):
            return None

    def kept(self, key: str, *, patient: bool) -> Mapping[str, Any] | None:  # noqa: ARG002 - it is in memory
        """Return the recorded answer."""
        return self._answers.get(key)

    def keep(self, key: str, question: Question, answer: Mapping[str, Any], *, patient: bool) -> None:
        """Add an answer to the file, unless it is there already.

        Raises:
            DataError: The file cannot be written.
            BusyError: Somebody else is writing, and it is not to be patient.
        """
        head = Head(self.model_id, self.choice_form, self.enforces_schema, self.context_length)
        if not self._writing.acquire(timeout=-1 if patient else AT_ONCE):
            raise BusyError
        try:
            if key not in self._answers:
                write_line(self.path, head, Line(question, answer), key, patient=patient)
                self._answers[key] = answer
        finally:
            self._writing.release()


def question_key(question: Question) -> str:
    """Hash everything of a question that changes its answer, but not the model.

    Example:
        >>> question_key(Question("chat", Request(()))) == question_key(Question("chat", Request((), sample=1)))
        False
    """
    return request_key(None, question.kind, question.request, question.options)
