"""llm_brain: a `CachedBackend` around a backend."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.cache.question import INPUT_TOKENS, MAX_TOKENS, MODEL, OUTPUT_TOKENS, SCHEMA, TEMPERATURE, Question, answer
from llm_brain.backends import CachedBackend, LanguageBackend, Message, Reply, Request, Sampling, Usage


class Model(LanguageBackend):
    model_id = MODEL

    def __init__(self) -> None:
        self.asked = 0

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        return len(text)

    def chat_completion(self, request: Request) -> Reply:
        self.asked += 1
        return Reply(answer(request.messages[-1].content), "stop", MODEL, Usage(INPUT_TOKENS, OUTPUT_TOKENS))


class Cache:
    def __init__(self, folder: Path) -> None:
        self.model = Model()
        self.layer = CachedBackend(self.model, folder / "answers.sqlite")

    def prepared(self, question: Question) -> Request:
        messages = tuple(Message(role, content) for role, content in question.messages)  # type: ignore[arg-type]
        return Request(messages, Sampling(TEMPERATURE, max_tokens=MAX_TOKENS), SCHEMA)

    def ask(self, request: Request) -> str:
        return self.layer.chat_completion(request).text

    @property
    def asked(self) -> int:
        return self.model.asked
