"""Who answers a typed call: the `Implementation` protocol, and its first fulfilment, a language model.

Anything with a `call` can implement an interface: a language model here, a trained brain in `training`, a user's own class.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, runtime_checkable

from pydantic import ValidationError
from typing_extensions import TypeVar

from llm_brain.attempts import Usage
from llm_brain.backends.asking import Asking, Awaiting, Blocking, run_now
from llm_brain.backends.contract import Choice, LanguageBackend, Message, Request
from llm_brain.backends.layers.traced import traced
from llm_brain.errors import BackendError, DefinitionError, ReplyError
from llm_brain.strategy.annotations.closed_sets import bare
from llm_brain.strategy.growing import SoFar, growing_values
from llm_brain.strategy.parsing import Unparsable, parse_reply
from llm_brain.strategy.prompt import build_request, completion_options
from llm_brain.strategy.tried import Tried
from llm_brain.strategy.words import explain

if TYPE_CHECKING:
    from llm_brain.strategy.signature import FunctionSpec

R = TypeVar("R", default=Any)


@dataclass(frozen=True, slots=True)
class Details(Generic[R]):
    """A call's value and how it came about.

    Attributes:
        value: What the call returns.
        implementation: Who answered.
        text: The reply's text, where there was one.
        probabilities: The probability of each option, where the options could be scored.
        usage: Tokens over all attempts; None when unknown.
        cost: What they cost, in US dollars; None where the price is not known.
        attempts: How many replies were asked for.
        repaired: Whether the reply's text had to be repaired to be read.
        cached: Whether every answer was kept from an earlier call.
        span_id: The call's span in the trace, where one is recorded.
        notes: What is odd about the replies, a sentence each: that the prompt was cut, say.

    Example:
        >>> Details(value=True, implementation="smollm2").attempts
        1
    """

    value: R
    implementation: str
    text: str | None = None
    probabilities: Mapping[Any, float] = field(default_factory=dict)
    usage: Usage | None = None
    cost: float | None = None
    attempts: int = 1
    repaired: bool = False
    cached: bool = False
    span_id: str | None = None
    notes: tuple[str, ...] = ()


@runtime_checkable
class Implementation(Protocol):
    """Whoever implements an interface.

    It may have two more methods. `async def acall`, with the parameters of `call`, is awaited where a call is; without it, the
    call waits in a thread. `stream`, with the parameters of `call` and `awaited: bool`, is an asynchronous generator of the
    value while it grows, or of the items of an iterator; where `awaited` is False, nothing in it may suspend.

    Example:
        >>> class Constant:
        ...     name = "constant"
        ...     def call(self, spec, arguments, *, state=None, sample=0):
        ...         return Details(value=42, implementation=self.name)
        >>> isinstance(Constant(), Implementation)
        True
    """

    name: str

    def call(
        self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
    ) -> Details[Any]:
        """Answer one call with checked arguments.

        Args:
            spec: The function that was called.
            arguments: Its arguments by name, already checked against their types.
            state: The public state of the object whose method was called.
            sample: Which of several answers to the same question is asked for.
        """
        ...


class ModelImplementation:
    """A language model as the implementer of an interface.

    Each call of the model is a span in the trace. Closed sets of answers go through the options' probabilities. Everything else
    is asked for as JSON (or plain text for `str`), read tolerantly, and asked for again with the error, at most `max_attempts`
    times. A reply that the length limit cut off is an error, unless it is whole JSON all the same.

    Args:
        backend: The model.
        max_attempts: How many replies may be asked for until one fits the return type.
        accept_cut_text: Whether a text (a function that returns `str`) may end where the length limit cut it off.

    Raises:
        DefinitionError: `max_attempts` is below 1.

    Example:
        >>> from llm_brain.backends import resolve_model
        >>> ModelImplementation(resolve_model("local")).name
        'smollm2-135m-instruct'
    """

    def __init__(self, backend: LanguageBackend, *, max_attempts: int = 3, accept_cut_text: bool = False) -> None:
        if max_attempts < 1:
            message = f"max_attempts must be at least 1, got {max_attempts}"
            raise DefinitionError(message)
        self.backend = traced(backend)
        self.max_attempts = max_attempts
        self.accept_cut_text = accept_cut_text
        self.name = backend.model_id

    def call(
        self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
    ) -> Details[Any]:
        """Ask the model.

        Raises:
            ReplyError: None of the replies fits the return type.
            BackendError: The model gave no reply.

        Example:
            >>> from llm_brain.backends import resolve_model
            >>> from llm_brain.strategy import inspect_function
            >>> def is_capital(city: str, country: str) -> bool:
            ...     '''Tell whether the city is the capital of the country.'''
            >>> model = ModelImplementation(resolve_model("local"))
            >>> sorted(model.call(inspect_function(is_capital), {"city": "Paris", "country": "France"}).probabilities)
            [False, True]
        """
        return run_now(self._answer(_Question(spec, arguments, state, sample), Blocking(self.backend)))

    async def acall(
        self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
    ) -> Details[Any]:
        """Ask the model, awaited."""
        return await self._answer(_Question(spec, arguments, state, sample), Awaiting(self.backend))

    async def stream(
        self,
        spec: FunctionSpec,
        arguments: Mapping[str, Any],
        *,
        state: Mapping[str, Any] | None = None,
        sample: int = 0,
        awaited: bool,
    ) -> AsyncGenerator[Any, None]:
        """Ask the model, and give the value while it grows; the last one is the whole value. Items are given once each.

        A reply that does not fit is asked for again, unless items of it, or pieces of text, have been given already.

        Raises:
            ReplyError: None of the replies fits the return type.
            BackendError: The model gave no reply, or broke off.
        """
        question = _Question(spec, arguments, state, sample)
        asking: Asking = Awaiting(self.backend) if awaited else Blocking(self.backend)
        if spec.options is not None:
            yield (await self._choose(question, asking)).value
            return
        tried = Tried(spec, self.backend)
        try:
            async with aclosing(self._stream(question, asking, tried)) as values:
                async for value in values:
                    yield value
        except BackendError:
            await tried.forget(asking)
            raise

    async def _stream(self, question: _Question, asking: Asking, tried: Tried) -> AsyncGenerator[Any, None]:
        spec = question.spec
        first = self._request(question)
        request = first
        while True:
            so_far = SoFar()
            await tried.asks(request, asking)
            try:
                async with aclosing(growing_values(spec, tried.asking_for(asking.stream(request)), so_far)) as values:
                    async for value in values:
                        yield value
                if spec.is_text and so_far.is_cut and not self.accept_cut_text:
                    raise tried.cut(so_far.took(tried))
            except BackendError as error:
                raise tried.extended(error) from None
            except Unparsable as error:
                reply = so_far.took(tried)
                if so_far.is_cut:
                    raise tried.cut(reply) from error
                tried.misfit(error, reply)
                is_out = so_far.given and (spec.items is not None or spec.is_text)
                if is_out or len(tried.failures) == self.max_attempts:
                    raise tried.exhausted(request, reply.text, error) from error
                request = _again(first, reply.text, str(error), tried.seconds)
            else:
                return

    def _answer(self, question: _Question, asking: Asking) -> Coroutine[Any, Any, Details[Any]]:
        return self._ask(question, asking) if question.spec.options is None else self._choose(question, asking)

    def _request(self, question: _Question) -> Request:
        return build_request(question.spec, question.arguments, self.backend, state=question.state, sample=question.sample)

    async def _choose(self, question: _Question, asking: Asking) -> Details[Any]:
        spec = question.spec
        options = spec.options or ()
        first = self._request(question)
        texts = completion_options(spec) if first.form == "completion" else list(spec.option_words)
        tried = Tried(spec, self.backend)
        choice = await self._choice(tried, first, texts, asking)
        tried.took(choice)
        chosen = options[texts.index(choice.option)]
        shown = dict(zip(options, choice.probabilities, strict=True)) if choice.probabilities else {}
        value: Any = chosen
        if spec.likelihood_of:
            asked = question.arguments[spec.likelihood_of]
            value = shown[asked] if shown else float(asked == chosen)
        elif bare(spec.returns) is not spec.returns:  # it may carry a validator
            try:
                value = spec.adapter.validate_python(chosen)
            except ValidationError as error:
                tried.misfit(explain(error))
                message = f"{spec.qualified_name}: {self.name!r} chose {chosen!r}, which does not fit: {tried.failures[-1]}"
                raise ReplyError(message, raw=choice.option, attempts=tried.attempts, usage=tried.usage) from error
        return self._details(tried, value, choice.option.strip(), shown)

    async def _choice(self, tried: Tried, first: Request, texts: Sequence[str], asking: Asking) -> Choice:
        """Ask for an option, again where a model that answers in words named none of them."""
        request = first
        while True:
            try:
                with tried.asking():
                    return await asking.choose(request, texts)
            except ReplyError as error:
                tried.failed(error)
                if len(tried.failures) == self.max_attempts or first.form == "completion":
                    raise tried.exhausted(request, error.raw or "") from error
                request = _again(first, error.raw or "", "it is none of the options, or several", tried.seconds)
            except BackendError as error:
                raise tried.extended(error) from None

    async def _ask(self, question: _Question, asking: Asking) -> Details[Any]:
        spec = question.spec
        tried = Tried(spec, self.backend)
        request = first = self._request(question)
        try:
            while True:
                await tried.asks(request, asking)
                try:
                    with tried.asking():
                        reply = await asking.chat(request)
                except BackendError as error:
                    raise tried.extended(error) from None
                tried.took(reply)
                is_cut = reply.finish_reason == "length"
                if is_cut and spec.is_text and not self.accept_cut_text:
                    raise tried.cut(reply)
                try:
                    parsed = parse_reply(reply.text, spec, finish=reply.finish_reason)
                except Unparsable as error:
                    if is_cut:
                        raise tried.cut(reply) from error
                    tried.misfit(error, reply)
                    if len(tried.failures) == self.max_attempts:
                        raise tried.exhausted(request, reply.text, error) from error
                    request = _again(first, reply.text, str(error), tried.seconds)
                else:
                    return self._details(tried, parsed.value, reply.text, repaired=parsed.repaired)
        except BackendError:
            await tried.forget(asking)
            raise

    def _details(
        self, tried: Tried, value: Any, text: str, shown: Mapping[Any, float] | None = None, *, repaired: bool = False
    ) -> Details[Any]:
        attempts = len(tried.failures) + 1
        return Details(
            value, self.name, text, shown or {}, tried.usage, tried.cost, attempts, repaired, tried.cached, notes=tried.notes
        )


@dataclass(frozen=True, slots=True)
class _Question:
    """What `call` was given."""

    spec: FunctionSpec
    arguments: Mapping[str, Any]
    state: Mapping[str, Any] | None
    sample: int


def _again(first: Request, reply: str, problem: str, spent: float) -> Request:
    # Only the last failure is shown, so that the prompt does not grow with the attempts.
    said = reply.encode("utf-8", "replace").decode()  # half a character cannot be sent back
    turns = (Message("assistant", said), Message("user", f"That does not fit: {problem}. Answer again."))
    return replace(first, messages=(*first.messages, *turns), spent=spent)
