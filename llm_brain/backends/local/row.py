"""One reply while it is being written: what was drawn, what may come next, and when it is finished."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from llm_brain.backends.contract import Sampling
from llm_brain.errors import BackendError

if TYPE_CHECKING:
    from llm_brain.backends.local.grammar import Grammar

MOST_STEPS_BACK: Final = 200
"""How often a reply may go a token back, where all that may follow would repeat an item of a set; then it is given up."""

_GROWTH: Final = 8
"""By how many tokens the way to the end is trusted not to grow with one token more, between two looks at it."""


class Row:
    """A reply under way.

    Under a grammar, the shortest way to the reply's end is looked for now and then, and at every token when few are left: before
    the length limit cuts a value in its middle, it is taken there.

    Args:
        prompt: Token ids of what is continued.
        sampling: Temperature, nucleus, length limit and seed.
        grammar: What the text must conform to, or None for free text.
        end_tokens: Token ids by which the model ends its reply.

    Attributes:
        tokens: The reply so far, without the ending token.
        ended: Whether the model ended the reply by itself, rather than the length limit.
        shortened: Whether the reply was taken to its end, as few tokens were left.
        too_short: Whether not even the shortest value of the grammar seems to fit the length limit.
        error: Why the reply cannot go on, where it cannot.
        abandoned: Whether nobody waits for it any more. Whoever asked sets it.
        on_token: Called after each token, none of which is taken back; for who wants to see the reply grow.

    Example:
        >>> row = Row([1], Sampling(max_tokens=2), end_tokens=frozenset({9}))
        >>> for token in (3, 4):
        ...     row.take(token)
        >>> row.tokens, row.finished, row.ended
        ([3, 4], True, False)
    """

    def __init__(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        grammar: Grammar | None = None,
        *,
        end_tokens: frozenset[int] = frozenset(),
    ) -> None:
        self.prompt = list(prompt)
        self.sampling = sampling
        self.grammar = grammar
        self.tokens: list[int] = []
        self.ended = False
        self.shortened = False
        self.too_short = grammar is not None and grammar.shortest_end(sampling.max_tokens) is None
        self.error: Exception | None = None
        self.abandoned = False
        self.on_token: Callable[[], object] | None = None
        self._end_tokens = end_tokens
        self._random = random.Random(sampling.seed)
        self._barred: dict[int, set[int]] = {}  # tokens that lead nowhere, by the place where they stood
        self._steps_back = 0
        # How many tokens there were when the way to the end was last seen to fit.
        self._fitting = None if self.too_short else 0
        self._next_look = 1

    @property
    def finished(self) -> bool:
        """Whether nothing more is to be drawn."""
        return self.ended or self.shortened or self.abandoned or self.error is not None or self._left <= 0

    @property
    def _left(self) -> int:
        return self.sampling.max_tokens - len(self.tokens)

    @property
    def last(self) -> int:
        """The last token, behind which the next one is drawn."""
        return self.tokens[-1] if self.tokens else self.prompt[-1]

    @property
    def barred(self) -> set[int]:
        """Tokens that may not be drawn now, as they were tried and led nowhere."""
        return self._barred.get(len(self.tokens), set())

    def allowed(self) -> bytes | None:
        """Tell which tokens the grammar lets through, as `Grammar.allowed` does; None where every one may come."""
        if self.grammar is None:
            return None
        try:
            return self.grammar.allowed()
        except Exception as error:  # noqa: BLE001 - it belongs to this row's caller, and to none of the others
            self.error = error
            return None

    def refuses(self, token: int) -> bool:
        """Tell whether a token that was drawn may not be taken, though the grammar allows it."""
        return self.grammar is not None and token not in self._end_tokens and self.grammar.refuses(token)

    def uniform(self) -> float:
        """Draw the number below 1 that decides the next token. It depends on the seed, and on nothing else in the batch."""
        return self._random.getrandbits(32) / 2**32

    def take(self, token: int) -> None:
        """Add a token that was drawn."""
        if token in self._end_tokens:
            self.ended = True
            return
        self.tokens.append(token)
        if self.grammar is not None:
            try:
                self._follow(self.grammar, token)
            except Exception as error:  # noqa: BLE001 - it belongs to this row's caller, and to none of the others
                self.error = error
                return
        if self.on_token is not None and (self.grammar is None or self.grammar.is_settled):
            self.on_token()

    def step_back(self) -> bool:
        """Take the last token back, as nothing may follow it, and bar it.

        Returns:
            Whether there was one; where there was none, the reply has an error.
        """
        self._steps_back += 1
        if not self.tokens or self.grammar is None or self._steps_back > MOST_STEPS_BACK:
            message = "no more different items were found for a set (uniqueItems), or different names for an object"
            self.error = BackendError(message, kind="validation")
            return False
        token = self.tokens.pop()
        self.grammar.rollback(1)
        self._barred = {place: barred for place, barred in self._barred.items() if place <= len(self.tokens)}
        self._barred.setdefault(len(self.tokens), set()).add(token)
        self._fitting = None if self._fitting is None else min(self._fitting, len(self.tokens))
        return True

    def _follow(self, grammar: Grammar, token: int) -> None:
        grammar.accept(token)
        if grammar.complete:
            self.ended = True
        elif len(self.tokens) >= self._next_look:
            self._look_ahead(grammar)

    def _look_ahead(self, grammar: Grammar) -> None:
        """Find the shortest way to the end, and go it while it still fits."""
        end = grammar.shortest_end(self._left)
        is_last = end is None or len(end) >= self._left
        while end is None and self._fitting is not None and len(self.tokens) > self._fitting:
            # What was drawn since then opened more than can be closed again.
            del self.tokens[-1]
            grammar.rollback(1)
            end = grammar.shortest_end(self._left)
        if end is None:
            self._next_look = len(self.tokens) + _GROWTH
        elif is_last:
            self.tokens += end
            self.shortened = True
        else:
            self._fitting = len(self.tokens)
            trusted = 0 if self.on_token is not None else (self._left - len(end)) // _GROWTH
            self._next_look = self._fitting + max(1, trusted)
