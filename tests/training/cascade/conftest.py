"""A toy to defer in: numbers as texts, a brain that is often wrong where it is unsure, and a model that is always right."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from llm_brain.errors import BackendError
from llm_brain.strategy import Details, llm_strategy
from llm_brain.training.cascade import Answered, Cascade, cascade


class Pair(NamedTuple):
    text: str
    answer: bool


@llm_strategy("local")
class Sorter:
    """You sort messages."""

    def urgent(self, message: str) -> bool:
        """Tell whether it is urgent."""
        raise NotImplementedError

    def summary(self, message: str) -> str:
        """Sum it up."""
        raise NotImplementedError


def right(text: str) -> bool:
    return random.Random(text).random() < 0.5


class Unsteady:
    """Is as sure as `sure` says, and right as often as it is sure, unless `right_where` says where it is right."""

    name = "brain"
    function = "Sorter.urgent"

    def __init__(
        self, sure: Callable[[str], float] | None = None, *, right_where: Callable[[str], bool] | None = None, bend: float = 0.0
    ) -> None:
        self.sure = sure or (lambda text: random.Random(f"sure {text}").random())
        self.right_where = right_where
        self.bend = bend
        self.asked: Counter[str] = Counter()

    def text(self, spec: Any, arguments: Any, state: Any) -> str:
        del spec, state
        return str(arguments["message"])

    def answer(self, text: str) -> Answered:
        self.asked[text] += 1
        confidence = self.sure(text)
        is_right = random.Random(f"luck {text}").random() < confidence if self.right_where is None else self.right_where(text)
        value = right(text) == is_right
        draw = random.Random(f"features {text}")
        # What is shifted lies elsewhere in the space of features, as a text in another language would.
        shift = 6.0 if text.startswith("shifted") else 0.0
        features = torch.tensor([draw.gauss(shift + self.bend, 1) for _ in range(3)])
        return Answered(
            Details(value, self.name, probabilities={value: confidence, not value: 1 - confidence}), confidence, features
        )


class Oracle:
    """The model: right, but for texts on which it fails."""

    name = "model"

    def __init__(self, fails: Callable[[str], bool] | None = None) -> None:
        self.fails = fails or (lambda _: False)
        self.asked: Counter[str] = Counter()

    def call(self, spec: Any, arguments: Any, *, state: Any = None, sample: int = 0) -> Details[bool]:
        del spec, state, sample
        text = arguments["message"]
        if self.fails(text):
            raise BackendError("the server answered 503", kind="server")
        self.asked[text] += 1
        return Details(right(text), self.name, probabilities={False: 1.0 - right(text), True: float(right(text))})


def pairs(prefix: str, number: int) -> list[Pair]:
    return [Pair(text, right(text)) for text in texts(prefix, number)]


def texts(prefix: str, number: int) -> list[str]:
    return [f"{prefix} {index}" for index in range(number)]


def sorter(implementation: Any) -> Any:
    return Sorter.using(implementation)()  # type: ignore[attr-defined]


def built(brain: Any = None, model: Any = None, **options: Any) -> Cascade:
    return cascade(brain or Unsteady(), model or Oracle(), **{"held_out": pairs("held out", 200), "audit": 0.0, **options})
