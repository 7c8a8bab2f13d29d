"""A conversation with a model, as a value: what was said stays as it is, and each question gives a new conversation.

Conversation + text -> `Request` of all turns -> the model, traced -> reply, as text or as a checked value -> longer conversation
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, TypeVar, cast, overload

from typing_extensions import override

from llm_brain.backends.asking import Asking, Awaiting, Blocking, run_now
from llm_brain.backends.contract import LanguageBackend, Message, Request, Sampling
from llm_brain.backends.registry import resolve_model
from llm_brain.backends.traced import traced
from llm_brain.errors import LLMBrainError
from llm_brain.strategy.implementation import Details, ModelImplementation
from llm_brain.strategy.inspection import inspect_function
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
        return run_now(self._ask(text, sample, Blocking(self._backend)))

    async def aask(self, text: str, *, sample: int = 0) -> tuple[str, Conversation]:
        """Say something, and await the reply and the conversation that ends with it."""
        return await self._ask(text, sample, Awaiting(self._backend))

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

    @property
    def _backend(self) -> LanguageBackend:
        return cast("LanguageBackend", self.model)

    async def _ask(self, text: str, sample: int, asking: Asking) -> tuple[str, Conversation]:
        request = Request((*self.messages, Message("user", text)), self.sampling, sample=sample)
        reply = await asking.chat(request)
        return reply.text, self._longer(text, reply.text)

    def _told(self, text: str, details: Details[Any]) -> tuple[Any, Conversation]:
        return details.value, self._longer(text, details.text or plain_text(details.value))

    def _longer(self, text: str, reply: str) -> Conversation:
        return replace(self, messages=(*self.messages, Message("user", text), Message("assistant", reply)))


class TranscriptNode(TypedDict):
    """Turns that follow each other, and the ways in which they go on.

    Example:
        >>> TranscriptNode(messages=[{"role": "user", "content": "Hello"}], children=[])["children"]
        []
    """

    messages: list[dict[str, str]]
    children: list[TranscriptNode]


def transcript_tree(conversations: Iterable[Conversation]) -> TranscriptNode:
    """Put conversations together to a tree, in which what they have in common stands once.

    Example:
        >>> from llm_brain.backends import Reply
        >>> class Echo(LanguageBackend):
        ...     model_id = "echo"
        ...     def count_tokens(self, text): return 1
        ...     def chat_completion(self, request): return Reply(request.messages[-1].content, "stop", self.model_id)
        >>> _, talk = Conversation(Echo()).ask("Hello")
        >>> tree = transcript_tree([talk, talk.ask("Yes?")[1], talk.ask("No?")[1]])
        >>> [turn["content"] for turn in tree["messages"]], [child["messages"][0]["content"] for child in tree["children"]]
        (['Hello', 'Hello'], ['Yes?', 'No?'])
    """
    ways: _Ways = {}
    for conversation in conversations:
        here = ways
        for message in conversation.messages:
            here = here.setdefault(message, {})
    root = TranscriptNode(messages=[], children=[])
    unfinished = [(root, ways)]
    while unfinished:
        node, ways = unfinished.pop()
        while len(ways) == 1:
            ((message, ways),) = ways.items()
            node["messages"].append(asdict(message))
        for message, further in ways.items():
            child = TranscriptNode(messages=[asdict(message)], children=[])
            node["children"].append(child)
            unfinished.append((child, further))
    return root


_Ways: TypeAlias = "dict[Message, _Ways]"


class _Turn(ModelImplementation):
    """One question for a value, asked as a typed function asks, with the conversation before it."""

    def __init__(self, talk: Conversation, kind: Any, text: str, max_attempts: int, sample: int) -> None:
        backend = cast("LanguageBackend", talk.model)
        super().__init__(backend, max_attempts=max_attempts)
        self.spec = _spec(kind)
        turn = Message("user", "\n\n".join(part for part in (text, _how_to_answer(self.spec, backend)) if part))
        schema = None if self.spec.is_text or self.spec.options is not None else self.spec.schema
        self._first = Request((*talk.messages, turn), talk.sampling, schema, sample)

    @override
    def _request(self, question: object) -> Request:
        return self._first


def _spec(kind: Any) -> FunctionSpec:
    def ask_for() -> Any:
        """Reply."""

    ask_for.__annotations__["return"] = kind
    ask_for.__qualname__ = "Conversation.ask_for"
    return inspect_function(ask_for)


def _how_to_answer(spec: FunctionSpec, backend: LanguageBackend) -> str:
    if spec.options is not None:
        options = "\n".join(map(plain_text, spec.options))
        return f"Answer with exactly one of these lines and nothing else:\n{options}"
    if spec.is_text or backend.enforces_schema:
        return ""
    return f"Answer with one JSON object that fulfils this JSON Schema, and nothing else:\n{json.dumps(spec.schema)}"
