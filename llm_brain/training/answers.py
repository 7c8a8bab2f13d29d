"""From the return type of a function to what a brain is asked for, and values to targets and back.

    bool, Literal, Enum, None, unions of these     Choice
    int, float with bounds                         Number; with `multiple_of`, a whole number of steps
    str                                            Text, in the symbols of a codec
    a pydantic model of these, nested              Record

Values come back as they were: numbers to the last bit, texts where the codec is exact. What a brain gives lies inside the type.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NoReturn

import annotated_types
import torch
from pydantic import BaseModel, RootModel, ValidationError
from torch import Tensor

from llm_brain.brain.heads.answers import Answer, Choice, Number, Record, Text
from llm_brain.brain.text.bytes import ByteCodec
from llm_brain.brain.text.codec import SymbolCodec, pad
from llm_brain.errors import ArgumentError, DefinitionError
from llm_brain.strategy.annotations.closed_sets import closed_set, said
from llm_brain.strategy.annotations.hidden import hides
from llm_brain.strategy.annotations.names import type_name
from llm_brain.strategy.annotations.parts import is_model
from llm_brain.strategy.words import json_text
from llm_brain.training.constraints import BOUNDS, bounds_of, first_unknown, real_range, unwrapped, whole_range

SUPPORTED = (
    "a brain answers with bool, Literal, Enum or a union of these, with an int or float that has bounds, with str, or with a "
    "pydantic model of such fields"
)


class AnswerType(ABC):
    """A Python type, and the answer that a brain gives for it.

    Attributes:
        answer: For `BrainConfig`.

    Example:
        >>> kind = answer_for(bool)
        >>> kind.answer, kind.target([False, True]), kind.values(torch.tensor([0]))
        (Choice(kind='choice', options=2), tensor([1, 0]), [True])
    """

    @property
    @abstractmethod
    def answer(self) -> Answer:
        """What a brain is asked for."""

    @abstractmethod
    def target(self, values: Sequence[Any]) -> Any:
        """Turn values into a target for the distribution's `log_prob`, one a row.

        Raises:
            ArgumentError: A value is none of the type.
        """

    @abstractmethod
    def values(self, target: Any) -> list[Any]:
        """Turn a target, or what a distribution's `best` or `sample` gives, into values."""

    @abstractmethod
    def meaning(self) -> Any:
        """Say in JSON what the answer's numbers stand for, so that a saved brain is not taken for another."""


def answer_for(annotation: Any, *, codec: SymbolCodec | None = None, longest: int = 64) -> AnswerType:
    """Find out what a brain is to be asked for, so that its answers are values of a type.

    Args:
        annotation: The type.
        codec: How texts are written; `ByteCodec` when omitted.
        longest: How many symbols a text has at most.

    Raises:
        DefinitionError: A brain cannot answer with that type; the message says what it can answer with.

    Example:
        >>> from pydantic import BaseModel, Field
        >>> class Review(BaseModel):
        ...     praises: bool
        ...     stars: int = Field(ge=1, le=5)
        >>> kind = answer_for(Review)
        >>> target = kind.target([Review(praises=True, stars=4)])
        >>> target
        {'praises': tensor([0]), 'stars': tensor([4.], dtype=torch.float64)}
        >>> kind.values(target)
        [Review(praises=True, stars=4)]
        >>> answer_for(int)
        Traceback (most recent call last):
        ...
        llm_brain.errors.DefinitionError: int has no bounds: say them, as in Annotated[int, Field(ge=0, le=10)]
    """
    return _answer_for(annotation, codec or ByteCodec(), longest, ())


def _answer_for(annotation: Any, codec: SymbolCodec, longest: int, inside: tuple[Any, ...]) -> AnswerType:
    if hides(annotation):
        _refuse(annotation, "is hidden, and a brain's answers are seen")
    kind, constraints = unwrapped(annotation)
    values = closed_set(kind)
    if values is not None:
        _check_known(annotation, constraints, ())
        return _ClosedSet(values)
    if kind is int or kind is float:
        _check_known(annotation, constraints, BOUNDS)
        return _number(kind, annotation, constraints)
    if kind is str:
        _check_known(annotation, constraints, (annotated_types.MaxLen,))
        return _text(constraints, codec, longest)
    if is_model(kind) and not issubclass(kind, RootModel):
        _check_known(annotation, constraints, ())
        return _model(kind, codec, longest, inside)
    return _refuse(annotation, "is no type that a brain answers with")


@dataclass(frozen=True, slots=True)
class _ClosedSet(AnswerType):
    options: tuple[Any, ...]

    @property
    def answer(self) -> Choice:
        return Choice(options=len(self.options))

    def target(self, values: Sequence[Any]) -> Tensor:
        places = {(type(option), option): place for place, option in enumerate(self.options)}
        try:
            return torch.tensor([places[type(value), value] for value in values], dtype=torch.long)
        except (KeyError, TypeError) as error:
            message = f"a value is none of {', '.join(map(repr, self.options))}: {error.args[0]}"
            raise ArgumentError(message) from error

    def values(self, target: Tensor) -> list[Any]:
        return [self.options[place] for place in target.tolist()]

    def meaning(self) -> Any:
        return [json_text(said(option)) for option in self.options]


@dataclass(frozen=True, slots=True)
class _Number(AnswerType):
    """A float between bounds, or the multiples of a step."""

    number: Number
    kind: type
    step: Fraction | None

    @property
    def answer(self) -> Number:
        return self.number

    def target(self, values: Sequence[Any]) -> Tensor:
        if any(isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) for value in values):
            message = f"a value is no {self.kind.__name__}: {values}"
            raise ArgumentError(message)
        found = list(values) if self.step is None else [round(Fraction(str(value)) / self.step) for value in values]
        if not all(self.answer.low <= number <= self.answer.high for number in found):
            message = f"a value lies outside of the declared bounds: {values}"
            raise ArgumentError(message)
        return torch.tensor([float(number) for number in found], dtype=torch.float64)

    def values(self, target: Tensor) -> list[Any]:
        numbers = target.tolist()
        if self.step is None:
            return [min(max(number, self.answer.low), self.answer.high) for number in numbers]
        return [self.kind(round(number) * self.step) for number in numbers]

    def meaning(self) -> Any:
        return {"step": None if self.step is None else str(self.step), "kind": self.kind.__name__}


@dataclass(frozen=True, slots=True)
class _Text(AnswerType):
    text: Text
    codec: SymbolCodec
    most: int | None
    """Characters that the type allows; what a brain writes beyond is cut off."""

    @property
    def answer(self) -> Text:
        return self.text

    def target(self, values: Sequence[Any]) -> Tensor:
        if not all(isinstance(value, str) for value in values):
            message = f"a value is no text: {values}"
            raise ArgumentError(message)
        rows = [self.codec.encode(value) for value in values]
        longest = max(map(len, rows), default=0)
        if longest > self.answer.longest:
            message = (
                f"a text has {longest} symbols and the brain writes {self.answer.longest} at most: shorten it, or ask for more "
                "with `longest`"
            )
            raise ArgumentError(message)
        end = self.answer.end
        return pad([[*row.tolist(), end] for row in rows], filling=end)[0]

    def values(self, target: Tensor) -> list[Any]:
        return [self.codec.decode(row).text[: self.most] for row in target]

    def meaning(self) -> Any:
        return {"codec": type(self.codec).__name__, "most": self.most}


@dataclass(frozen=True, slots=True)
class _Model(AnswerType):
    kind: type[BaseModel]
    fields: Mapping[str, AnswerType]

    @property
    def answer(self) -> Record:
        return Record(fields={name: field.answer for name, field in self.fields.items()})

    def target(self, values: Sequence[Any]) -> dict[str, Any]:
        if not all(isinstance(value, self.kind) for value in values):
            message = f"a value is no {self.kind.__name__}: {values}"
            raise ArgumentError(message)
        return {name: field.target([getattr(value, name) for value in values]) for name, field in self.fields.items()}

    def values(self, target: Mapping[str, Any]) -> list[Any]:
        columns = [field.values(target[name]) for name, field in self.fields.items()]
        rows = zip(*columns, strict=True)
        return [self.kind.model_validate(dict(zip(self.fields, row, strict=True)), by_alias=False, by_name=True) for row in rows]

    def meaning(self) -> Any:
        return {name: field.meaning() for name, field in self.fields.items()}


def _number(kind: type, annotation: Any, constraints: Sequence[Any]) -> AnswerType:
    bounds = bounds_of(constraints)
    steps = bounds["multiple_of"]
    missing = [which for which, names in (("lower", ("ge", "gt")), ("upper", ("le", "lt"))) if not any(map(bounds.get, names))]
    if missing:
        what = f"no {missing[0]} bound" if len(missing) == 1 else "no bounds"
        message = f"{type_name(annotation)} has {what}: say them, as in Annotated[{kind.__name__}, Field(ge=0, le=10)]"
        raise DefinitionError(message)
    if len(steps) > 1:
        _refuse(annotation, "has more than one multiple_of")
    try:
        if kind is float and not steps:
            low, high = real_range(**bounds)
            return _Number(Number(low=low, high=high), kind, None)
        step = Fraction(str(steps[0])) if steps else Fraction(1)
        low, high = whole_range(**{name: [Fraction(str(bound)) / step for bound in found] for name, found in bounds.items()})
        return _Number(Number(low=low, high=high, whole=True), kind, step)
    except (ValueError, ArithmeticError, TypeError) as error:  # a ValidationError is a ValueError
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        message = f"{type_name(annotation)} has bounds that a brain cannot keep: {reason}"
        raise DefinitionError(message) from error


def _text(constraints: Sequence[Any], codec: SymbolCodec, longest: int) -> AnswerType:
    if codec.end is None:
        message = f"a {type(codec).__name__} without an end cannot tell where a text is over: give it `end`"
        raise DefinitionError(message)
    most = min((part.max_length for part in constraints if isinstance(part, annotated_types.MaxLen)), default=None)
    return _Text(Text(vocabulary=codec.vocabulary, end=codec.end, longest=longest), codec, most)


def _model(kind: type[BaseModel], codec: SymbolCodec, longest: int, inside: tuple[Any, ...]) -> AnswerType:
    if not kind.__pydantic_complete__ and not kind.model_rebuild(raise_errors=False):
        _refuse(kind, "has a field whose type is not defined")
    own = kind.__pydantic_decorators__
    if own.field_validators or own.model_validators or own.validators or own.root_validators:
        _refuse(kind, "has validators of its own, which a brain's answer might not pass")
    if kind.model_config.get("str_min_length"):
        _refuse(kind, "has a `str_min_length`, which a brain's answer might not have")
    if kind in inside:
        _refuse(kind, "holds itself, and a brain's answers have an end")
    if not kind.model_fields:
        _refuse(kind, "has no fields")
    fields = {}
    for name, field in kind.model_fields.items():
        try:
            made = _answer_for(field.rebuild_annotation(), codec, longest, (*inside, kind))
        except DefinitionError as error:
            message = f"{kind.__name__}.{name}: {error}"
            raise DefinitionError(message) from error
        fields[name] = _cut(made, kind.model_config.get("str_max_length"))
    return _Model(kind, fields)


def _cut(field: AnswerType, most: int | None) -> AnswerType:
    """Let a text be no longer than its model allows."""
    if not isinstance(field, _Text) or most is None:
        return field
    return replace(field, most=most if field.most is None else min(field.most, most))


def _check_known(annotation: Any, constraints: Sequence[Any], known: tuple[type, ...]) -> None:
    """Refuse what pydantic would check and a brain might not fulfil; what means nothing to pydantic means nothing here."""
    part = first_unknown(constraints, known)
    if part is not None:
        _refuse(annotation, f"has a constraint that a brain's answer might not pass, {part!r}")


def _refuse(annotation: Any, why: str) -> NoReturn:
    message = f"{type_name(annotation)} {why}: {SUPPORTED}"
    raise DefinitionError(message)
