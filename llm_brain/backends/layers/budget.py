"""A layer that asks nothing more once a budget is spent.

a call -> is there anything left? then one call is reserved -> the inner backend -> what it used is added, failed or not
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Final

from llm_brain.attempts import Attempt, FaultKind, Usage
from llm_brain.backends.asking import Asking
from llm_brain.backends.contract import Choice, Embeddings, LanguageBackend, Reply, Request
from llm_brain.backends.estimate import estimate_tokens
from llm_brain.backends.layers.layer import Layer
from llm_brain.backends.layers.spending import LIMITS, Budget, Left, Spent
from llm_brain.errors import BackendError, BudgetError, DefinitionError, LLMBrainError


class BudgetedBackend(Layer):
    """Asks nothing more once a budget is spent.

    Calls that are in flight at that moment go on to their end: `calls` is never exceeded, and the other limits by no more than
    what was in flight. Kept answers cost nothing. A failed call costs the tokens that it used. Where a model may have answered
    and nobody told how many tokens it took, they are estimated on the high side: a token for three bytes of the prompt, and a
    reply as long as `max_tokens` allows.

    Args:
        backend: What is asked.
        budget: A budget that several backends share; without it this backend has one of its own, of the limits that follow.
        calls: See `llm_brain.backends.layers.spending.Budget`, as for the other limits.
        tokens: The most tokens.
        dollars: The most US dollars.
        seconds: The longest time.

    Raises:
        DefinitionError: A limit is not a number above 0, there are limits beside a budget, or dollars are limited and the
            price of the model is not known.

    Example:
        >>> from llm_brain.backends import Message
        >>> class Model(LanguageBackend):
        ...     model_id = "model"
        ...     def count_tokens(self, text): return 1
        ...     def chat_completion(self, request): return Reply("hello", "stop", self.model_id, Usage(7, 1))
        >>> model = BudgetedBackend(Model(), tokens=10)
        >>> for _ in range(3):
        ...     model.chat_completion(Request((Message("user", "Say hello."),))).text
        Traceback (most recent call last):
        ...
        llm_brain.errors.BudgetError: the budget of 10 tokens is spent (2 calls, 16 tokens, price unknown, in ... s): ...
        >>> model.left.tokens
        0
    """

    def __init__(
        self,
        backend: LanguageBackend,
        budget: Budget | None = None,
        *,
        calls: int | None = None,
        tokens: int | None = None,
        dollars: float | None = None,
        seconds: float | None = None,
    ) -> None:
        super().__init__(backend)
        own = Budget(calls=calls, tokens=tokens, dollars=dollars, seconds=seconds)
        if budget is not None and any(getattr(own, name) is not None for name in LIMITS):
            message = f"a backend with {budget!r} has no limits of its own: give either the budget or the limits"
            raise DefinitionError(message)
        self.budget = own if budget is None else budget
        if self.budget.dollars is not None and backend.cost(Usage(1, 0), backend.model_id) is None:
            message = (
                f"a budget of ${self.budget.dollars:g} cannot be kept for {backend.model_id!r}, whose price is not known: "
                "limit `tokens` or `calls` instead"
            )
            raise DefinitionError(message)

    @property
    def spent(self) -> Spent:
        """What was spent until now, by all who share the budget."""
        return self.budget.spent

    @property
    def left(self) -> Left:
        """What may still be spent."""
        return self.budget.left

    async def around_chat(self, request: Request, inner: Asking) -> Reply:
        """Ask the inner backend, unless the budget is spent."""
        with self._counted(request) as answers:
            reply = await inner.chat(request)
            answers.append(reply)
        return reply

    async def around_choice(self, request: Request, options: Sequence[str], inner: Asking) -> Choice:
        """Ask the inner backend, unless the budget is spent."""
        with self._counted(request, options) as answers:
            choice = await inner.choose(request, options)
            answers.append(choice)
        return choice

    async def around_embed(self, texts: Sequence[str], inner: Asking) -> Embeddings:
        """Ask the inner backend, unless the budget is spent."""
        with self._counted(None, texts) as answers:
            embeddings = await inner.embed(texts)
            answers.append(embeddings)
        return embeddings

    async def around_stream(self, request: Request, inner: Asking) -> AsyncGenerator[str | Reply, None]:
        """Ask the inner backend, unless the budget is spent. A stream that is left early may be paid for to its end."""
        with self._counted(request) as answers:
            async with aclosing(inner.stream(request)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Reply):
                        answers.append(piece)
                    yield piece

    @contextmanager
    def _counted(self, request: Request | None, texts: Sequence[str] = ()) -> Iterator[list[Reply | Choice | Embeddings]]:
        """Reserve a call, and charge what it used; its answer, if there is one, is put into the list."""
        answers: list[Reply | Choice | Embeddings] = []
        self.budget.reserve()
        failure: BaseException | None = None
        try:
            yield answers
        except BaseException as error:
            failure = error
            raise
        finally:
            self._settle(answers[0] if answers else None, failure, request, texts)

    def _settle(
        self,
        answer: Reply | Choice | Embeddings | None,
        failure: BaseException | None,
        request: Request | None,
        texts: Sequence[str],
    ) -> None:
        if isinstance(failure, BudgetError) or (answer is not None and answer.cached):
            self.budget.give_back()
            return
        known, lost = _of_failure(failure) if answer is None else _of_answer(answer)
        used = sum([_estimate(request, texts)] * lost, start=known) if lost else known
        if used != Usage(0, 0):
            model = self.model_id if answer is None else answer.model
            cost = self.backend.cost(used, model)
            # What answered may go by a name that no list has: its deployment's, say.
            self.budget.charge(
                used.input_tokens + used.output_tokens, self.backend.cost(used, self.model_id) if cost is None else cost
            )


_ANSWERED: Final[frozenset[FaultKind]] = frozenset(
    {"content_filter", "empty", "incomplete", "length", "protocol", "refusal", "timeout", "too_large", "validation"}
)
_OK: Final = 200


def _of_answer(answer: Reply | Choice | Embeddings) -> tuple[Usage, int]:
    """Tell the tokens that are known, and how many requests took tokens that are not."""
    known, lost = _of_attempts(answer.failed)
    return (known, lost + 1) if answer.usage is None else (answer.usage, lost)


def _of_failure(error: BaseException | None) -> tuple[Usage, int]:
    if isinstance(error, BackendError):
        known, lost = _of_attempts(error.attempts)
        if error.usage is not None:
            known = error.usage
        elif not error.attempts:
            lost = _may_be_paid(error.kind, error.status, perhaps_billed=error.perhaps_billed)
        return known, lost
    # Ours are raised before anything is sent, a missing key's say; whatever else ends a call may end it in the middle.
    return Usage(0, 0), not isinstance(error, LLMBrainError)


def _of_attempts(attempts: Sequence[Attempt]) -> tuple[Usage, int]:
    known = sum((attempt.usage for attempt in attempts if attempt.usage is not None), start=Usage(0, 0))
    unknown = [attempt for attempt in attempts if attempt.usage is None]
    return known, sum(_may_be_paid(tried.kind, tried.status, perhaps_billed=tried.perhaps_billed) for tried in unknown)


def _may_be_paid(kind: FaultKind, status: int | None, *, perhaps_billed: bool) -> bool:
    return perhaps_billed or (kind in _ANSWERED and status in {None, _OK})


def _estimate(request: Request | None, texts: Sequence[str]) -> Usage:
    tokens = sum(map(estimate_tokens, texts))
    if request is None:
        return Usage(tokens, 0)
    tokens += estimate_tokens(request.messages)
    if request.schema is not None:
        tokens += estimate_tokens(json.dumps(dict(request.schema), default=repr))
    return Usage(tokens, request.sampling.max_tokens)
