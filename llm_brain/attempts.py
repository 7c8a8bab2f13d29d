"""What a call took: its tokens, and the requests that were made for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FaultKind = Literal[
    "auth",
    "bad_request",
    "budget",
    "connection",
    "content_filter",
    "empty",
    "incomplete",
    "length",
    "not_found",
    "protocol",
    "quota",
    "rate_limit",
    "refusal",
    "server",
    "timeout",
    "too_large",
    "validation",
]
"""What can go wrong with a call: the kinds of `llm_brain.errors.BackendError`."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read and written by one call.

    Attributes:
        input_tokens: Tokens of the prompt, those included that the provider kept from an earlier one.
        output_tokens: Tokens of the reply, those of its reasoning included.
        cache_read_tokens: How many of the input tokens the provider took from its own cache, at a lower price.
        cache_write_tokens: How many of the input tokens the provider put into its own cache, at a higher price.

    Example:
        >>> Usage(10, 2) + Usage(1, 1)
        Usage(input_tokens=11, output_tokens=3, cache_read_tokens=0, cache_write_tokens=0)
    """

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
        )


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that was made for a call and gave no usable answer.

    Attributes:
        error: What went wrong.
        kind: The kind of it.
        status: The HTTP status, where there was an answer.
        duration: How long it took, in seconds.
        usage: Tokens, where the server told them all the same.
        perhaps_billed: Whether the model may have answered and only its answer was lost, so that it may have to be paid for.

    Example:
        >>> str(Attempt("the server answered 503", "server", status=503, duration=0.2))
        'the server answered 503'
    """

    error: str
    kind: FaultKind
    status: int | None = None
    duration: float = 0.0
    usage: Usage | None = None
    perhaps_billed: bool = False

    def __str__(self) -> str:
        return self.error
