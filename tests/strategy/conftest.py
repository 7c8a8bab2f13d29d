"""What the tests of this room share: models that say what a test has written down for them, and remember what they were asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from llm_brain.backends import Choice, LanguageBackend, Message, Reply, Request, Usage
from llm_brain.errors import ReplyError
from llm_brain.strategy import FunctionSpec, inspect_function


class Scripted(LanguageBackend):
    """Says the given replies one after the other, the last one for ever; an exception among them is raised."""

    def __init__(
        self,
        *replies: str | Reply | Exception,
        model_id: str = "scripted",
        enforces_schema: bool = False,
        choice_form: Any = "chat",
    ) -> None:
        self.model_id = model_id
        self.enforces_schema = enforces_schema
        self.choice_form = choice_form
        self.requests: list[Request] = []
        self._replies = replies
        self._lock = threading.Lock()

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        return len(str(text).split())

    def chat_completion(self, request: Request) -> Reply:
        with self._lock:
            reply = self._replies[min(len(self.requests), len(self._replies) - 1)]
            self.requests.append(request)
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, Reply) else Reply(reply, "stop", self.model_id, Usage(10, 2))


class Scoring(Scripted):
    """Gives the same probabilities to the options of every question, whatever is asked."""

    def __init__(self, *probabilities: float, choice_form: Any = "completion") -> None:
        super().__init__("{}", model_id="scoring", choice_form=choice_form)
        self.probabilities = probabilities
        self.options: list[Sequence[str]] = []

    def choose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
        self.requests.append(request)
        self.options.append(options)
        best = max(range(len(options)), key=self.probabilities.__getitem__)
        return Choice(options[best], self.probabilities, self.model_id, Usage(7, 0), cached=True)


class Answering(Scripted):
    """Answers each request by a function of it."""

    def __init__(self, answer: Callable[[Request], str], **options: Any) -> None:
        super().__init__("", **options)
        self._answer = answer

    def chat_completion(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
        return Reply(self._answer(request), "stop", self.model_id)


def never(_: Request) -> str:
    """Be the answer of a model that must not be asked."""
    raise ReplyError("the model was asked", raw="")


def returning(annotation: Any, **options: Any) -> FunctionSpec:
    """Make the signature of a function without parameters and with this return type."""

    def answer() -> Any:
        """Answer."""

    answer.__annotations__ = {"return": annotation}
    return inspect_function(answer, **options)


def last_question(backend: Scripted) -> str:
    return backend.requests[-1].messages[-1].content


@pytest.fixture
def ask() -> Callable[[Callable[..., Any]], FunctionSpec]:
    return inspect_function


Arguments = Mapping[str, Any]


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Make an event that is set at the end at the latest, so that no thread of a test waits for ever."""
    event = threading.Event()
    yield event
    event.set()
