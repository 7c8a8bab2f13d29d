"""What a brain can be asked for: a small language of immutable types that JSON can hold, and that decide the head.

    Choice(options=2)                                  one of a closed set, by its number
    Number(low=0, high=1), Number(low=1, high=5, whole=True)
    Text(vocabulary=257, end=256, longest=100)         symbols of a codec, see `llm_brain.brain.text`
    Record(fields={"urgent": Choice(options=2), "summary": Text(...)})

Bounds are part of the type: no head gives an answer outside of it.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

LARGEST_WHOLE = 2.0**53
"""Beyond it, not every whole number is a float."""
KNOTS = 256
"""At how many values the density of a number is free."""

Size = Annotated[int, Field(ge=1)]


class _AnswerType(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Choice(_AnswerType):
    """One of a closed set. A target is its number, from 0.

    Example:
        >>> Choice(options=2).model_dump_json()
        '{"kind":"choice","options":2}'
    """

    kind: Literal["choice"] = "choice"
    options: Size
    """How many there are to choose from."""


class Number(_AnswerType):
    """A number between two bounds, both of them allowed. A target is the number.

    Raises:
        pydantic.ValidationError: The bounds are not finite, not in order, too close for a float or too far apart, or those of
            whole numbers are not whole.

    Example:
        >>> Number(low=1, high=5, whole=True).high
        5.0
        >>> Number(low=1, high=0)
        Traceback (most recent call last):
        ...
        pydantic_core._pydantic_core.ValidationError: 1 validation error for Number
        ...
    """

    kind: Literal["number"] = "number"
    low: Annotated[float, Field(allow_inf_nan=False)]
    """The smallest one."""
    high: Annotated[float, Field(allow_inf_nan=False)]
    """The largest one."""
    whole: bool = False
    """Whether only whole numbers are meant."""

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if self.whole:
            widest = max(-self.low, self.high, self.high - self.low)
            if widest >= LARGEST_WHOLE or not (self.low.is_integer() and self.high.is_integer()):
                message = f"whole numbers need whole bounds, below 2^53 and less than that apart, got {self.low} and {self.high}"
                raise ValueError(message)
            if self.low > self.high:
                message = f"no whole number lies between {self.low} and {self.high}"
                raise ValueError(message)
        elif not KNOTS**2 * math.ulp(max(-self.low, self.high)) <= self.high - self.low < math.inf:
            message = f"the range from {self.low} to {self.high} is empty, too small or too large for floats: choose other bounds"
            raise ValueError(message)
        return self


class Text(_AnswerType):
    """A text: symbols, and one that ends it. A target is a row of symbols; what follows the first `end` is padding.

    Raises:
        pydantic.ValidationError: `end` is no symbol of the vocabulary.

    Example:
        >>> Text(vocabulary=257, end=256, longest=100).end
        256
    """

    kind: Literal["text"] = "text"
    vocabulary: Annotated[int, Field(ge=2)]
    """How many symbols there are, with the one that ends a text."""
    end: Annotated[int, Field(ge=0)]
    """The symbol that ends a text."""
    longest: Size
    """How many symbols a text has at most, without the end. A text of this length ends by itself."""

    @model_validator(mode="after")
    def _check_end(self) -> Self:
        if self.end >= self.vocabulary:
            message = f"the end, {self.end}, is no symbol of a vocabulary of {self.vocabulary}"
            raise ValueError(message)
        return self


class Record(_AnswerType):
    """Several answers at once, by name. A target is a dict of their targets.

    Example:
        >>> Record(fields={"urgent": Choice(options=2), "stars": Number(low=1, high=5, whole=True)}).fields["urgent"].options
        2
    """

    kind: Literal["record"] = "record"
    fields: Annotated[dict[str, Answer], Field(min_length=1)]
    """Each field's answer."""


Answer = Annotated[Choice | Number | Text | Record, Field(discriminator="kind")]

Record.model_rebuild()
