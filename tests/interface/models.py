"""Who is asked in the tests of this room: a scripted model that gives vectors, too, and a judge by rules."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from llm_brain.backends import Embeddings, LanguageBackend, Message, Reply, Request, Usage
from llm_brain.interface import Evaluation, LLMInterface, Teacher
from llm_brain.strategy import Details, FunctionSpec, llm_strategy

SIZE = 12


class Scripted(LanguageBackend):
    """Answers each request by a function of it, or by the given replies in turn, the last one for ever."""

    def __init__(self, *replies: str | Reply | Exception | Callable[[Request], str], price: float | None = None) -> None:
        self.model_id = "scripted"
        self.requests: list[Request] = []
        self.embedded: list[str] = []
        self._replies = replies or ("Well.",)
        self._price = price
        self._lock = threading.Lock()

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        return len(str(text).split())

    def cost(self, usage: Usage | None, model: str) -> float | None:  # noqa: ARG002 - the contract's parameters
        return self._price

    def chat_completion(self, request: Request) -> Reply:
        with self._lock:
            reply = self._replies[min(len(self.requests), len(self._replies) - 1)]
            self.requests.append(request)
        if isinstance(reply, Exception):
            raise reply
        if callable(reply):
            reply = reply(request)
        return reply if isinstance(reply, Reply) else Reply(reply, "stop", self.model_id, Usage(10, 2))

    def embed(self, texts: Sequence[str]) -> Embeddings:
        with self._lock:
            self.embedded += texts
        return Embeddings(np.stack([vector_of(text) for text in texts]), self.model_id, Usage(len(texts), 0))


def vector_of(text: str) -> Any:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])
    return np.random.default_rng(seed).standard_normal(SIZE).astype(np.float32)


class Rules:
    """Implements the teacher in plain Python: an output is as good as a function of task and output says."""

    name = "rules"

    def __init__(self, score: Callable[[str, str], float]) -> None:
        self.score = score
        self.judged: list[tuple[str, str]] = []

    def call(self, spec: FunctionSpec, arguments: Mapping[str, Any], **_: Any) -> Details[Any]:
        assert spec.qualified_name == "Teacher.evaluate_output"
        task, output = arguments["task"], arguments["output"]
        self.judged.append((task, output))
        return Details(Evaluation(reason="by rule", score=self.score(task, output)), self.name)


def judged_by(rules: Rules | Callable[[str, str], float], **options: Any) -> LLMInterface:
    """Make an interface whose evaluations are those of rules."""
    implementation = rules if isinstance(rules, Rules) else Rules(rules)
    options = {"backend": Scripted(), "embedding_dim": None, **options}
    return LLMInterface(teacher=llm_strategy(implementation)(Teacher)(), **options)
