"""A conversation with a model, as a value: what was said stays as it is, and each question gives a new conversation.

Conversation + text -> `Request` of all turns -> the model, traced -> reply, as text or as a checked value -> longer conversation
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from typing_extensions import override

from llm_brain.backends.asking import Asking, Awaiting, Blocking, run_now
from llm_brain.backends.contract import LanguageBackend, Message, PromptForm, Request, Sampling
from llm_brain.backends.layers.layer import Layer
from llm_brain.backends.layers.traced import traced
from llm_brain.backends.registry import resolve_model
from llm_brain.errors import LLMBrainError
from llm_brain.strategy.implementation import Details, ModelImplementation
from llm_brain.strategy.inspection import inspect_function
from llm_brain.strategy.prompt import build_request
from llm_brain.strategy.signature import FunctionSpec
from llm_brain.strategy.words import plain_text

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.language_models.llms import BaseLLM

T = TypeVar("T")


class NoReplyError(LLMBrainError, LookupError):
    """A conversation's reply was asked for before there was one.

    Example:
        >>> issubclass(NoReplyError, LookupError)
        True
    """


@dataclass(frozen=True)
class Conversation:
    """What was said so far, and who is asked next. It never changes, so a branch of it is simply another question to it.

    Attributes:
        model: A model's name, a backend, or a LangChain model; resolved as the conversation is made.
        messages: The turns so far; the first one may be the system's.
        sampling: How replies are drawn.

    Raises:
        ModelNameError: There is no such model.

    Example:
        >>> from llm_brain.backends import Reply
        >>> class Counting(LanguageBackend):
        ...     model_id = "counting"
        ...     def count_tokens(self, text): return 1
        ...     def chat_completion(self, request): return Reply(str(len(request.messages)), "stop", self.model_id)
        >>> start = Conversation(Counting())
        >>> text, longer = start.ask("How many messages are there?")
        >>> text, longer.reply, len(longer.messages), len(start.messages)
        ('1', '1', 2, 0)
        >>> number, _ = longer.ask_for(int, "And now?")
        >>> number
        3
    """

    model: str | LanguageBackend | BaseChatModel | BaseLLM
    messages: tuple[Message, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", traced(resolve_model(self.model)))
        object.__setattr__(self, "messages", tuple(self.messages))

    @property
    def backend(self) -> LanguageBackend:
        """Who is asked."""
        return cast("LanguageBackend", self.model)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.backend.model_id

    @property
    def reply(self) -> str:
        """The last reply.

        Raises:
            NoReplyError: The last turn is not the model's.
        """
        if not self.messages or self.messages[-1].role != "assistant":
            message = "there is no reply yet: ask something, and take the conversation that comes back"
            raise NoReplyError(message)
        return self.messages[-1].content

    def ask(self, text: str, *, sample: int = 0) -> tuple[str, Conversation]:
        """Say something, and return the reply and the conversation that ends with it.

        Args:
            text: The user's turn.
            sample: Which of several replies to the same question is asked for.

        Raises:
            BackendError: The model gave no reply.
        """
        return run_now(self._ask(text, sample, Blocking(self.backend)))

    async def aask(self, text: str, *, sample: int = 0) -> tuple[str, Conversation]:
        """Say something, and await the reply and the conversation that ends with it."""
        return await self._ask(text, sample, Awaiting(self.backend))

    @overload
    def ask_for(self, kind: type[T], text: str, *, max_attempts: int = 3, sample: int = 0) -> tuple[T, Conversation]: ...
    @overload
    def ask_for(self, kind: Any, text: str, *, max_attempts: int = 3, sample: int = 0) -> tuple[Any, Conversation]: ...
    def ask_for(self, kind: Any, text: str, *, max_attempts: int = 3, sample: int = 0) -> tuple[Any, Conversation]:
        """Say something, and return the reply as a checked value, and the conversation that ends with it.

        Replies are read and asked for again as those of typed functions. The conversation keeps the question as it was put and
        the reply that fits; what was said about the reply's form, and the replies that did not fit, are left out.

        Args:
            kind: Any type that a typed function may return: `int`, a pydantic model, `Annotated[int, Field(ge=5)]`.
            text: The user's turn.
            max_attempts: How many replies may be asked for until one fits.
            sample: Which of several replies to the same question is asked for.

        Raises:
            DefinitionError: No value of this type can be read.
            ReplyError: None of the replies fits.
            BackendError: The model gave no reply.
        """
        turn = _Turn(self, kind, text, max_attempts, sample)
        return self._told(text, turn.call(turn.spec, {}))

    @overload
    async def aask_for(self, kind: type[T], text: str, *, max_attempts: int = 3, sample: int = 0) -> tuple[T, Conversation]: ...
    @overload
    async def aask_for(self, kind: Any, text: str, *, max_attempts: int = 3, sample: int = 0) -> tuple[Any, Conversation]: ...
    async def aask_for(self, kind: Any, text: str, *, max_attempts: int = 3, sample: int = 0) -> tuple[Any, Conversation]:
        """Say something, and await the reply as a checked value, and the conversation that ends with it."""
        turn = _Turn(self, kind, text, max_attempts, sample)
        return self._told(text, await turn.acall(turn.spec, {}))

    def call(
        self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
    ) -> Details[Any]:
        """Answer a typed function's call after what was said so far: a conversation can be given wherever a model is."""
        return _Continued(self).call(spec, arguments, state=state, sample=sample)

    async def acall(
        self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
    ) -> Details[Any]:
        """Answer a typed function's call after what was said so far, awaited."""
        return await _Continued(self).acall(spec, arguments, state=state, sample=sample)

    async def _ask(self, text: str, sample: int, asking: Asking) -> tuple[str, Conversation]:
        request = Request((*self.messages, Message("user", text)), self.sampling, sample=sample)
        reply = await asking.chat(request)
        return reply.text, self._longer(text, reply.text)

    def _told(self, text: str, details: Details[Any]) -> tuple[Any, Conversation]:
        return details.value, self._longer(text, details.text or plain_text(details.value))

    def _longer(self, text: str, reply: str) -> Conversation:
        return replace(self, messages=(*self.messages, Message("user", text), Message("assistant", reply)))


class _Turn(ModelImplementation):
    """One question for a value, asked as a typed function asks, with the conversation before it."""

    def __init__(self, talk: Conversation, kind: Any, text: str, max_attempts: int, sample: int) -> None:
        super().__init__(talk.backend, max_attempts=max_attempts)
        self.spec = _spec(kind)
        turn = Message("user", "\n\n".join(part for part in (text, _how_to_answer(self.spec, talk.backend)) if part))
        schema = None if self.spec.is_text or self.spec.options is not None else self.spec.schema
        self._first = Request((*talk.messages, turn), talk.sampling, schema, sample)

    @override
    def _request(self, question: object) -> Request:
        return self._first


class _Continued(ModelImplementation):
    """Answers typed functions with a conversation before their questions."""

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk.backend)
        self._said = talk.messages

    @override
    def _request(self, question: Any) -> Request:
        backend = _InChat(self.backend)
        request = build_request(question.spec, question.arguments, backend, state=question.state, sample=question.sample)
        system, *others = request.messages
        if self._said and system.role == "system":  # only the first turn of a chat is the system's
            others[0] = Message("user", f"{system.content}\n\n{others[0].content}")
            return replace(request, messages=(*self._said, *others))
        return replace(request, messages=(*self._said, *request.messages))


class _InChat(Layer):
    """Of a model that prefers to continue a text: what was said so far is a chat, and goes on as one."""

    choice_form: PromptForm = "chat"


def _spec(kind: Any) -> FunctionSpec:
    def ask_for() -> Any:
        """Reply."""

    ask_for.__annotations__["return"] = kind
    ask_for.__qualname__ = "Conversation.ask_for"
    return inspect_function(ask_for)


def _how_to_answer(spec: FunctionSpec, backend: LanguageBackend) -> str:
    if spec.options is not None:
        options = "\n".join(spec.option_words)
        return f"Answer with exactly one of these lines and nothing else:\n{options}"
    if spec.is_text or backend.enforces_schema:
        return ""
    return f"Answer with one JSON object that fulfils this JSON Schema, and nothing else:\n{json.dumps(spec.schema)}"
