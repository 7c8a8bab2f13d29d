"""The contract that every language model fulfils: a `Request` goes in, a `Reply` or a `Choice` comes out.

A backend is one class with a few methods; a layer (trace, cache) is a backend around a backend. Everything that changes
an answer is a field of `Request`, so that a cache can be keyed by it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from llm_brain.attempts import Attempt, Usage
from llm_brain.backends.asking import Asking, Awaiting, Blocking, run_now
from llm_brain.backends.options import option_in
from llm_brain.backends.portal import in_thread, through_threads
from llm_brain.backends.validity import FORMS, ROLES, check_choices, is_sampling, unknown_word, wrong_sampling
from llm_brain.errors import ArgumentError, BackendError, ReplyError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Role = Literal["system", "user", "assistant"]
PromptForm = Literal["chat", "completion"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Example:
        >>> Message("user", "What is 2 + 2?").role
        'user'
    """

    role: Role
    content: str

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise unknown_word("role", self.role, ROLES)
        if not isinstance(self.content, str):
            message = f"the content of a message is a text, got one of type {type(self.content).__name__}"
            raise ArgumentError(message)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn.

    Attributes:
        temperature: 0 is greedy; 1 samples from the model's own distribution.
        top_p: Nucleus sampling: the smallest set of tokens whose probability reaches this (Holtzman et al. 2020).
        max_tokens: The reply's length limit, in tokens.
        seed: Makes sampling repeatable where the backend can.

    Example:
        >>> Sampling(temperature=0.8).max_tokens
        256
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 256
    seed: int | None = None

    def __post_init__(self) -> None:
        if not is_sampling(self.temperature, self.top_p, self.max_tokens):
            raise wrong_sampling(self.temperature, self.top_p, self.max_tokens)


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model, complete: two equal requests may share an answer.

    Attributes:
        messages: The conversation. In the form "completion" there is one message, and the model continues its text.
        sampling: How tokens are drawn.
        schema: JSON Schema that the reply must fulfil; None asks for free text.
        sample: Which of several answers to the same question this is; another index is another answer.
        form: Whether the messages are turns of a chat or a text to be continued.
        spent: How long earlier replies to the same question took, in seconds, where they did not fit: the `timeout` of a hosted
            model is for all of them. It changes no answer, so requests that differ in it alone are equal.

    Example:
        >>> Request((Message("user", "Hello"),)).form
        'chat'
    """

    messages: tuple[Message, ...]
    sampling: Sampling = field(default_factory=Sampling)
    schema: Mapping[str, Any] | None = None
    sample: int = 0
    form: PromptForm = "chat"
    spent: float = field(default=0.0, compare=False)

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise unknown_word("form", self.form, FORMS)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model wrote.

    Attributes:
        text: The reply itself.
        finish_reason: "stop" when the model ended it, "length" when the limit did.
        model: The model that answered, as it names itself.
        usage: Tokens of all requests that were made for it; None when the server did not say, never an invented zero.
        cached: Whether the answer was kept from an earlier call.
        latency: How long it took, failed attempts and the waits between them included, in seconds; None where nobody looked.
            To wait for a turn that your own limits ask for does not count.
        failed: The attempts that gave no answer before this one was given.
        notes: What is odd about it, a sentence each: a stream without its closing event, say.

    Example:
        >>> Reply("42", "stop", "smollm2").cached
        False
    """

    text: str
    finish_reason: str
    model: str
    usage: Usage | None = None
    cached: bool = False
    latency: float | None = field(default=None, compare=False)
    failed: tuple[Attempt, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of the given options a model chose.

    Attributes:
        option: The chosen one, word for word.
        probabilities: One a given option, adding up to 1; None where the model cannot score options.
        model: The model that answered.
        usage: Tokens, None when unknown.
        cached: Whether the answer was kept from an earlier call.
        latency: How long it took, in seconds; None where nobody looked.
        failed: The attempts that gave no answer before this one was given.
        notes: What is odd about it, a sentence each: that the prompt was cut, say.

    Example:
        >>> Choice("yes", (0.9, 0.1), "smollm2").option
        'yes'
    """

    option: str
    probabilities: tuple[float, ...] | None
    model: str
    usage: Usage | None = None
    cached: bool = False
    latency: float | None = field(default=None, compare=False)
    failed: tuple[Attempt, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """Texts as vectors.

    Attributes:
        vectors: Shape [texts, dimensions], float32.
        model: The model that made them.
        usage: Tokens, None when unknown.
        cached: Whether all of them were kept from earlier calls.
        failed: The attempts that gave no answer before this one was given.

    Example:
        >>> import numpy
        >>> Embeddings(numpy.zeros((2, 3), dtype=numpy.float32), "model").vectors.shape
        (2, 3)
    """

    vectors: NDArray[np.float32]
    model: str
    usage: Usage | None = None
    cached: bool = False
    failed: tuple[Attempt, ...] = ()


class LanguageBackend(ABC):
    """A language model. Implementations are safe to call from many threads at once.

    The life of a call: strategy builds a `Request`; layers trace and cache it; the innermost backend answers it or raises
    a `BackendError`. Nothing else escapes.

    Attributes:
        model_id: The model's name, as traces and caches know it.
        context_length: The most tokens that a prompt and its reply may have together; None when unknown.
        choice_form: In which form this model prefers a question with a closed set of answers.
        enforces_schema: Whether `Request.schema` is enforced, so that the prompt need not describe it.

    Example:
        >>> class Echo(LanguageBackend):
        ...     model_id = "echo"
        ...     def count_tokens(self, text): return len(text.split())
        ...     def chat_completion(self, request): return Reply(request.messages[-1].content, "stop", self.model_id)
        >>> Echo().chat_completion(Request((Message("user", "hello"),))).text
        'hello'
    """

    model_id: str
    context_length: int | None = None
    choice_form: PromptForm = "chat"
    enforces_schema: bool = False

    @property
    def identity(self) -> str:
        """What tells this model from another one of the same name, a server's address or its weights; for caches' keys."""
        return ""

    @abstractmethod
    def count_tokens(self, text: str | Sequence[Message]) -> int:
        """Count the tokens of a text, or of a whole prompt, as the model sees them.

        Where the model's own tokenizer is not at hand, this is an estimate on the high side.
        """

    @abstractmethod
    def chat_completion(self, request: Request) -> Reply:
        """Answer a request with text.

        Raises:
            BackendError: The model gave no usable answer; `kind` says why.
        """

    def choose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
        """Choose one of the options as the answer to a request.

        Backends that can score options override this and give probabilities. This one asks for the option's text and
        takes the option that the reply names.

        Raises:
            BackendError: Of kind "validation" when the reply names none of the options or several.
        """
        return run_now(choose_by_text(Blocking(self), request, options))

    def stream(self, request: Request) -> Generator[str | Reply, None, None]:
        """Answer a request piece by piece: pieces of text as they come, and at the end the whole `Reply`.

        This one gives the whole text as one piece.

        Raises:
            BackendError: The model gave no usable answer, or broke off; what came before is not an answer.
        """
        reply = self.chat_completion(request)
        yield reply.text
        yield reply

    def embed(self, texts: Sequence[str]) -> Embeddings:  # noqa: ARG002 - for those who can
        """Turn texts into vectors.

        Raises:
            BackendError: Of kind "bad_request" where the model gives none.
        """
        message = f"{self.model_id!r} gives no embeddings: use a model that does ('local', 'openai:text-embedding-3-small')"
        raise BackendError(message, kind="bad_request")

    def cost(self, usage: Usage | None, model: str) -> float | None:  # noqa: ARG002 - for those who know prices
        """Tell what tokens cost, in US dollars; None where the price is not known.

        Args:
            usage: The tokens.
            model: The model that answered, as it names itself.
        """
        return None

    def forget(self, request: Request, options: Sequence[str] | None = None) -> None:  # noqa: B027 - for those who keep answers
        """Forget an answer that was of no use, so that the same request is asked of the model again.

        Typed calls do so where the reply did not fit in the end: what failed is not kept.

        Args:
            request: What was asked.
            options: What there was to choose from; None where a reply was asked for.
        """

    async def achat_completion(self, request: Request) -> Reply:
        """Answer a request with text, awaited. This one waits in a thread."""
        return await in_thread(self.chat_completion, request)

    async def achoose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
        """Choose one of the options, awaited."""
        if type(self).choose_from_options is not LanguageBackend.choose_from_options:
            return await in_thread(self.choose_from_options, request, options)
        return await choose_by_text(Awaiting(self), request, options)

    async def aembed(self, texts: Sequence[str]) -> Embeddings:
        """Turn texts into vectors, awaited. This one waits in a thread."""
        return await in_thread(self.embed, texts)

    async def astream(self, request: Request) -> AsyncGenerator[str | Reply, None]:
        """Answer a request piece by piece, awaited."""
        if type(self).stream is LanguageBackend.stream:
            reply = await self.achat_completion(request)
            yield reply.text
            yield reply
            return
        async with aclosing(through_threads(self.stream(request))) as pieces:
            async for piece in pieces:
                yield piece


async def choose_by_text(asking: Asking, request: Request, options: Sequence[str]) -> Choice:
    """Ask a model for one of the options in words, and read the option out of its reply.

    Example:
        >>> class Yes(LanguageBackend):
        ...     model_id = "yes"
        ...     def count_tokens(self, text): return 1
        ...     def chat_completion(self, request): return Reply("Yes.", "stop", self.model_id)
        >>> run_now(choose_by_text(Blocking(Yes()), Request((Message("user", "Well?"),)), ["yes", "no"])).option
        'yes'
    """
    check_choices(options)
    reply = await asking.chat(request)
    option = option_in(reply.text, options)
    if option is None:
        shown = ", ".join(repr(each) for each in options)
        message = f"the reply of {asking.backend.model_id!r} is none of the options {shown}: {reply.text[:200]!r}"
        own = None if reply.failed else reply.usage  # which of a reply's tokens are those of failed attempts, it does not say
        failed = Attempt(message, "validation", duration=reply.latency or 0.0, usage=own)
        raise ReplyError(message, raw=reply.text, attempts=[*reply.failed, failed], usage=reply.usage)
    return Choice(option, None, reply.model, reply.usage, reply.cached, reply.latency, reply.failed, reply.notes)
