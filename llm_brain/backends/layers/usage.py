"""What the calls of models inside a block take: tokens and dollars, whoever makes them, through however many functions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from llm_brain.attempts import Usage


@dataclass
class Used:
    """What calls of models took.

    Attributes:
        calls: Calls that a model answered or failed at; what a cache answers is not counted.
        tokens: Tokens read and written, as far as the models tell them.
        dollars: What they cost at list prices; a call without a known price adds nothing.

    Example:
        >>> Used()
        Used(calls=0, tokens=0, dollars=0.0)
    """

    calls: int = 0
    tokens: int = 0
    dollars: float = 0.0
    _counting: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, usage: Usage | None, dollars: float | None) -> None:
        """Count a call."""
        with self._counting:
            self.calls += 1
            self.tokens += 0 if usage is None else usage.input_tokens + usage.output_tokens
            self.dollars += dollars or 0.0


@contextmanager
def count_usage() -> Iterator[Used]:
    """Count what calls of models inside the block take, in this thread, in its tasks, and in threads that copied its context.

    Counts stand inside of one another: what an inner block counts belongs to the outer one, too.

    Example:
        >>> with count_usage() as used:
        ...     pass
        >>> used.tokens
        0
    """
    used = Used()
    token = _counts.set((*_counts.get(), used))
    try:
        yield used
    finally:
        _counts.reset(token)


def is_counted() -> bool:
    """Tell whether anybody counts here.

    Example:
        >>> is_counted()
        False
    """
    return bool(_counts.get())


def note_usage(usage: Usage | None, dollars: float | None) -> None:
    """Tell a call to everyone who counts here.

    Example:
        >>> with count_usage() as used:
        ...     note_usage(Usage(7, 1), 0.5)
        >>> used
        Used(calls=1, tokens=8, dollars=0.5)
    """
    for used in _counts.get():
        used.add(usage, dollars)


_counts: ContextVar[tuple[Used, ...]] = ContextVar("llm_brain_used", default=())
