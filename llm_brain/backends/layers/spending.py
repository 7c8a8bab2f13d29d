"""What may be spent (calls, tokens, dollars, seconds), and what was: counted by any number of threads at once."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from typing import Final

from llm_brain.errors import BudgetError, DefinitionError

LIMITS: Final = ("calls", "tokens", "dollars", "seconds")
"""What can be limited."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent.

    Attributes:
        calls: Calls that were asked for, failed ones and those in flight included.
        tokens: Tokens that were read and written, those that had to be estimated included.
        dollars: US dollars; None as soon as anything was spent whose price is not known.
        seconds: Time since the first call.

    Example:
        >>> Budget().spent
        Spent(calls=0, tokens=0, dollars=0.0, seconds=0.0)
    """

    calls: int
    tokens: int
    dollars: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Left:
    """What may still be spent; None where there is no limit, and never below 0.

    Attributes:
        calls: Calls.
        tokens: Tokens.
        dollars: US dollars.
        seconds: Time.

    Example:
        >>> Budget(calls=100).left
        Left(calls=100, tokens=None, dollars=None, seconds=None)
    """

    calls: int | None
    tokens: int | None
    dollars: float | None
    seconds: float | None


class Budget:
    """What may be spent, and what was: one for a backend, or one for several that share it.

    Args:
        calls: The most calls. A call is one question, however many requests a backend makes for it.
        tokens: Once as many were read and written, nothing more is asked.
        dollars: Once as many US dollars were spent, at list prices, nothing more is asked.
        seconds: Once as many have passed since the first call, nothing more is asked.

    Raises:
        DefinitionError: A limit is not a number above 0.

    Example:
        >>> budget = Budget(calls=2)
        >>> for _ in range(3):
        ...     budget.reserve()
        Traceback (most recent call last):
        ...
        llm_brain.errors.BudgetError: the budget of 2 calls is spent (2 calls, 0 tokens, $0, in ... s): ...
    """

    def __init__(
        self, *, calls: int | None = None, tokens: int | None = None, dollars: float | None = None, seconds: float | None = None
    ) -> None:
        _check("calls", calls, int)
        _check("tokens", tokens, int)
        _check("dollars", dollars, int, float)
        _check("seconds", seconds, int, float)
        self.calls = calls
        self.tokens = tokens
        self.dollars = dollars
        self.seconds = seconds
        self._counting = threading.Lock()
        self._calls = 0
        self._tokens = 0
        self._dollars: float | None = 0.0
        self._began: float | None = None

    def __repr__(self) -> str:
        limits = (f"{name}={value!r}" for name in LIMITS if (value := getattr(self, name)) is not None)
        return f"Budget({', '.join(limits)})"

    @property
    def spent(self) -> Spent:
        """What was spent until now."""
        with self._counting:
            return self._spent()

    @property
    def left(self) -> Left:
        """What may still be spent."""
        spent = self.spent
        return Left(
            None if self.calls is None else max(0, self.calls - spent.calls),
            None if self.tokens is None else max(0, self.tokens - spent.tokens),
            # Where a price was not known, nobody can say that there is something left.
            None if self.dollars is None else max(0.0, self.dollars - (self.dollars if spent.dollars is None else spent.dollars)),
            None if self.seconds is None else max(0.0, self.seconds - spent.seconds),
        )

    def reserve(self) -> None:
        """Count a call that is about to be made.

        Raises:
            BudgetError: Something is spent, and the call must not be made.
        """
        with self._counting:
            self._began = time.monotonic() if self._began is None else self._began
            spent = self._spent()
            over = self._over(spent)
            if over is None:
                self._calls += 1
                return
        raise BudgetError(over)

    def give_back(self) -> None:
        """Take a reserved call back: nothing had to be asked."""
        with self._counting:
            self._calls -= 1

    def charge(self, tokens: int, dollars: float | None) -> None:
        """Add what a reserved call used.

        Args:
            tokens: Tokens, read and written.
            dollars: What they cost; None where their price is not known, after which a limit on dollars allows nothing more.
        """
        with self._counting:
            self._tokens += max(0, tokens)
            if self._dollars is None or dollars is None or not 0 <= dollars < math.inf:
                self._dollars = None
            else:
                self._dollars += dollars

    def _spent(self) -> Spent:
        seconds = 0.0 if self._began is None else time.monotonic() - self._began
        return Spent(self._calls, self._tokens, self._dollars, seconds)

    def _over(self, spent: Spent) -> str | None:
        """Say which limit is reached, how much was spent, and what to do."""
        if self.dollars is not None and spent.dollars is None:
            return (
                f"the budget of ${self.dollars:g} cannot be kept any longer, since the price of an answer was not known "
                f"({_told(spent)}): limit `tokens` or `calls` instead"
            )
        for name in LIMITS:
            limit = getattr(self, name)
            if limit is not None and getattr(spent, name) >= limit:
                shown = f"${limit:g}" if name == "dollars" else f"{limit:,} {name}"
                return (
                    f"the budget of {shown} is spent ({_told(spent)}): raise `{name}`, or go on with a new budget; "
                    "what a cache around it has kept costs nothing"
                )
        return None


def _check(name: str, value: object, *kinds: type) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < value < math.inf:  # type: ignore[operator]
        number = "a whole number" if kinds == (int,) else "a number"
        message = f"{name} must be {number} above 0, got {value!r}; leave it out where there is no limit"
        raise DefinitionError(message)


def _told(spent: Spent) -> str:
    dollars = "price unknown" if spent.dollars is None else f"${spent.dollars:.4g}"
    return f"{spent.calls:,} calls, {spent.tokens:,} tokens, {dollars}, in {spent.seconds:.1f} s"
