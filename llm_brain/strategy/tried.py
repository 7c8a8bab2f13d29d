"""What a typed call has asked for so far: replies that did not fit, tokens, money; and the error when it was all in vain.

Each question after the first is a span in the trace, with what did not fit before it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final, TypeVar

from llm_brain.attempts import Attempt, Usage
from llm_brain.backends.contract import Choice, LanguageBackend, Message, Reply, Request
from llm_brain.errors import BackendError, ReplyError
from llm_brain.tracing.names import ATTEMPT, KIND, REASON, REPAIR_KIND
from llm_brain.tracing.spans import Span, span
from llm_brain.tracing.streams import inside

if TYPE_CHECKING:
    from llm_brain.backends.asking import Asking
    from llm_brain.strategy.parsing import Unparsable
    from llm_brain.strategy.signature import FunctionSpec

Item = TypeVar("Item")

_FIRST: Final = nullcontext()


class Tried:
    """The replies that one call of a typed function has asked for.

    Args:
        spec: The function.
        backend: Who is asked.

    Attributes:
        failures: The replies that did not fit, oldest first.
        attempts: Every request that failed, and every reply that did not fit, oldest first.
        usage: Tokens of all replies; None where a server did not tell them.
        cost: What they cost, in US dollars; None where a price is not known. What was kept from earlier costs nothing.
        seconds: How long they took.
        cached: Whether all of them were kept from earlier calls.
        notes: What is odd about them, a sentence each.

    Example:
        >>> from llm_brain.backends import resolve_model
        >>> from llm_brain.strategy import inspect_function
        >>> def double(number: int) -> int:
        ...     '''Double a number.'''
        >>> tried = Tried(inspect_function(double), resolve_model("local"))
        >>> tried.took(Reply("8", "stop", "m", Usage(10, 1)))
        >>> tried.usage.output_tokens, tried.cost, tried.cached
        (1, 0.0, False)
    """

    def __init__(self, spec: FunctionSpec, backend: LanguageBackend) -> None:
        self.failures: list[Attempt] = []
        self.attempts: list[Attempt] = []
        self.usage: Usage | None = Usage(0, 0)
        self.cost: float | None = 0.0
        self.seconds = 0.0
        self.cached = True
        self.notes: tuple[str, ...] = ()
        self._spec = spec
        self._backend = backend
        self._asked: list[Request] = []

    async def asks(self, request: Request, asking: Asking) -> None:
        """Note a request that is about to be asked. The answer to one that was asked before did not fit: it is asked anew."""
        if request in self._asked:
            await asking.forget(request, None)
        else:
            self._asked.append(request)

    async def forget(self, asking: Asking) -> None:
        """Let nobody keep the replies to a call that failed."""
        for request in self._asked:
            await asking.forget(request, None)

    def asking(self) -> AbstractContextManager[object]:
        """Be inside the span of the next question, where it is not the first."""
        return self._repair() if self.failures else _FIRST

    def asking_for(self, pieces: AsyncGenerator[Item, None]) -> AsyncGenerator[Item, None]:
        """Go through what the next question gives, inside its span where it is not the first."""
        return inside(self._repair(), pieces) if self.failures else pieces

    def took(self, answer: Reply | Choice) -> None:
        """Add what an answer took."""
        self.usage = None if self.usage is None or answer.usage is None else self.usage + answer.usage
        self.cached = self.cached and answer.cached
        self.seconds += answer.latency or 0.0
        self.notes += answer.notes
        self.attempts.extend(answer.failed)
        if not answer.cached and self.cost is not None:
            cost = self._backend.cost(answer.usage, answer.model)
            self.cost = None if cost is None else self.cost + cost

    def misfit(self, error: Exception | str, reply: Reply | None = None) -> None:
        """Note that a reply does not fit."""
        duration, usage = (0.0, None) if reply is None else (reply.latency or 0.0, reply.usage)
        self._unfit(Attempt(str(error), "validation", duration=duration, usage=usage))

    def failed(self, error: BackendError) -> None:
        """Note that a model answered a question with options by none of them."""
        self.usage = None if self.usage is None or error.usage is None else self.usage + error.usage
        self.cached = False
        cost = self._backend.cost(error.usage, self._backend.model_id)
        self.cost = None if self.cost is None or cost is None else self.cost + cost
        # A backend that makes the attempts itself has told of this one, too.
        attempts = error.attempts or (Attempt(str(error), "validation", usage=error.usage),)
        self.attempts.extend(attempts)
        self.seconds += sum(attempt.duration for attempt in attempts)
        self.failures.append(attempts[-1])

    def cut(self, reply: Reply) -> BackendError:
        """Build the error for a reply that the length limit cut off."""
        message = (
            f"{self._spec.qualified_name}: the reply of {self._backend.model_id!r} was cut off by its length limit of "
            f"{self._spec.sampling.max_tokens} tokens: raise `max_tokens`, in `@sampled(...)` or where it was set"
        )
        failed = Attempt(message, "length", duration=reply.latency or 0.0, usage=reply.usage)
        return BackendError(message, kind="length", raw=reply.text, attempts=[*self.attempts, failed], usage=self.usage)

    def extended(self, error: BackendError) -> BackendError:
        """Put into an error what had been tried before it."""
        error.attempts = (*self.attempts, *error.attempts)
        if self.usage is not None and self.attempts:
            error.usage = self.usage if error.usage is None else self.usage + error.usage
        return error

    def exhausted(self, request: Request, raw: str, last: Unparsable | None = None) -> ReplyError:
        """Build the error for when no reply fits."""
        failures, name = self.failures, self._backend.model_id
        asked = "the reply" if len(failures) == 1 else f"none of {len(failures)} replies"
        verb = "does not fit" if len(failures) == 1 else "fits"
        message = f"{self._spec.qualified_name}: {asked} of {name!r} {verb} the return type; the last: {failures[-1]}"
        conversation: Sequence[Message] = (*request.messages, Message("assistant", raw))
        invalid = None if last is None else last.value
        return ReplyError(message, raw=raw, attempts=self.attempts, usage=self.usage, conversation=conversation, invalid=invalid)

    def _repair(self) -> Span:
        here = span("repair", {KIND: REPAIR_KIND, ATTEMPT: len(self.failures) + 1})
        here.content(REASON, str(self.failures[-1]))
        return here

    def _unfit(self, attempt: Attempt) -> None:
        self.failures.append(attempt)
        self.attempts.append(attempt)
