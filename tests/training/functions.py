"""What is taught in the tests of this room, and who teaches it: typed functions and models in plain Python."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from llm_brain.strategy import Details, FunctionSpec, TypedFunction, llm_strategy
from llm_brain.training import Subject
from llm_brain.training.data import PairSet

Mood = Literal["happy", "unhappy"]
Desk = Literal["billing", "repairs"]
Hours = Annotated[int, Field(ge=0, le=48)]


class Urgency(Enum):
    LOW = 1
    HIGH = 2


class Review(BaseModel):
    praises: bool
    stars: int = Field(ge=1, le=5)


class Customer(BaseModel):
    name: str
    since: int


class Triage:
    """You sort what customers write."""

    def __init__(self, language: str = "English") -> None:
        self.language = language

    def mood(self, message: str) -> Mood:
        """Tell the mood of the customer."""
        raise NotImplementedError

    def route(self, message: str, customer: Customer, urgency: Urgency = Urgency.LOW) -> Desk:
        """Tell who has to answer."""
        raise NotImplementedError

    def hours(self, message: str, limit: int) -> Hours:
        """Guess how many hours it takes, at most `limit`."""
        raise NotImplementedError

    def review(self, message: str) -> Review:
        """Read the review."""
        raise NotImplementedError


def mood(message: str) -> Mood:
    """Tell the mood of the customer."""
    raise NotImplementedError


def is_before(number: int, other: int) -> bool:
    """Tell whether the one number is less than the other."""
    raise NotImplementedError


def stars(message: str) -> Review:
    """Read the review."""
    raise NotImplementedError


def hours(message: str, limit: int) -> Hours:
    """Guess how many hours it takes, at most `limit`."""
    raise NotImplementedError


class Model:
    """Answers by a function of the arguments: a value, an error that is raised, or the probabilities of the options."""

    name = "model"

    def __init__(self, answer: Callable[[FunctionSpec, Mapping[str, Any]], Any]) -> None:
        self.answer = answer
        self.asked: list[Mapping[str, Any]] = []
        self.functions: list[FunctionSpec] = []
        self._lock = threading.Lock()

    def call(
        self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
    ) -> Details[Any]:
        del state, sample
        with self._lock:
            self.asked.append(arguments)
            self.functions.append(spec)
        told = self.answer(spec, arguments)
        if isinstance(told, Exception):
            raise told
        if isinstance(told, dict):
            return Details(max(told, key=told.__getitem__), self.name, probabilities=told)
        return Details(told, self.name)


def happy(chance: float) -> dict[str, float]:
    return {"happy": chance, "unhappy": 1 - chance}


def by_words(_: FunctionSpec, arguments: Mapping[str, Any]) -> Any:
    return happy(0.9 if "love" in arguments["message"] else 0.2)


def answered_by(model: Model | Callable[[FunctionSpec, Mapping[str, Any]], Any], function: Any = mood) -> TypedFunction[..., Any]:
    made: TypedFunction[..., Any] = llm_strategy(model if isinstance(model, Model) else Model(model))(function)
    return made


def method_of(model: Model, name: str, language: str = "English") -> TypedFunction[..., Any]:
    made: TypedFunction[..., Any] = getattr(llm_strategy(model)(Triage)(language), name)
    return made


class Stages:
    """Counts the stages that were begun, and their ticks."""

    def __init__(self) -> None:
        self.totals: dict[str, int] = {}
        self.ticks: dict[str, int] = {}
        self._lock = threading.Lock()

    def __call__(self, stage: str, total: int) -> Callable[[], None]:
        self.totals[stage] = total
        self.ticks[stage] = 0

        def tick() -> None:
            with self._lock:
                self.ticks[stage] += 1

        return tick


def gathered(source: Any, subject: Subject) -> PairSet:
    """Gather, and see that every stage that was begun came to its end."""
    stages = Stages()
    pairs = PairSet(subject.kind)
    source.gather(subject, pairs, stages)
    assert stages.ticks == stages.totals
    return pairs
