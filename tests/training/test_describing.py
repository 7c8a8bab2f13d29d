"""Who judges is told apart where it judges otherwise, and is the same in another process."""

from __future__ import annotations

import functools
import subprocess
import sys
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from llm_brain import llm_strategy
from llm_brain.interface import Teacher
from llm_brain.training import Teaching
from tests.training.functions import Model, answered_by, by_words


class Judge:
    def __init__(self, praised: str = "love", strict: bool = False) -> None:
        self.praised, self._strict = praised, strict
        self.asked = 0

    def evaluate_output(self, message: str, mood: str) -> float:
        self.asked += 1
        return float((mood in {"happy", "glad", "merry"}) == self.praises(message))

    def praises(self, message: str) -> bool:
        return self.praised in message

    def generate_training_pair(self, thing: str) -> tuple[str, str]:
        return f"I love my {thing}.", "happy"


class Kinder(Judge):
    def praises(self, message: str) -> bool:
        return "hate" not in message


class Prolific(Judge):
    def generate_training_pair(self, thing: str) -> tuple[str, str]:
        return f"I hate my {thing}.", "unhappy"


class Stricter(Judge):
    least = "love it"


class Strictest(Judge):
    least = "love it so"


class Half(Judge):
    @staticmethod
    def worth() -> float:
        return 0.25


class More(Judge):
    @staticmethod
    def worth() -> float:
        return 0.75


class Known(Judge):
    @property
    def word(self) -> str:
        return "love"


class Unknown(Judge):
    @property
    def word(self) -> str:
        return "like"


def judged(message: str, mood: str, weight: float = 0.5) -> float:
    return weight * float((mood == "happy") == ("love" in message))


def judged_otherwise(message: str, mood: str, weight: float = 0.75) -> float:
    return weight * float((mood == "happy") == ("love" in message))


@dataclass
class Weighing:
    weight: float

    def evaluate_output(self, message: str, mood: str) -> float:
        return self.weight * float((mood == "happy") == ("love" in message))


def told(teacher: Any, function: Any = None) -> Any:
    return Teaching(teacher, function or answered_by(by_words)).describe()


def test_the_same_judge_is_the_same_though_it_was_asked_meanwhile() -> None:
    judge = Judge()
    before = told(judge)
    judge.evaluate_output("I love it.", "happy")
    assert told(judge) == told(Judge()) == before


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Judge(), Judge("like")),
        (Judge(), Judge(strict=True)),
        (Judge(), Kinder()),
        (Stricter(), Strictest()),
        (Weighing(0.5), Weighing(1.0)),
        (Half(), More()),
        (Known(), Unknown()),
        (SimpleNamespace(evaluate_output=judged), SimpleNamespace(evaluate_output=judged_otherwise)),
        (
            SimpleNamespace(evaluate_output=functools.partial(judged, weight=0.1)),
            SimpleNamespace(evaluate_output=functools.partial(judged, weight=0.9)),
        ),
        (SimpleNamespace(evaluate_output=lambda _, mood: mood == "happy"), SimpleNamespace(evaluate_output=lambda _, mood: mood)),
        (Judge(), SimpleNamespace(evaluate_output=Judge().evaluate_output, score_validation=Judge().evaluate_output)),
    ],
)
def test_another_judge_is_another(one: Any, other: Any) -> None:
    # The names of classes are left out: Stricter and Strictest differ in what they hold alone.
    assert [found and found[2:] for found in told(one)] != [found and found[2:] for found in told(other)]


def test_a_method_that_is_wrapped_is_the_one_inside() -> None:
    def wrapped(judge: Judge) -> Any:
        @functools.wraps(judge.evaluate_output)
        def call(message: str, mood: str) -> float:
            return judge.evaluate_output(message, mood)

        return SimpleNamespace(evaluate_output=call)

    assert told(wrapped(Judge())) == told(Judge())
    assert told(wrapped(Judge())) != told(wrapped(Judge("like")))


def test_who_writes_the_pairs_does_not_matter() -> None:
    assert told(Prolific())[0][2:] == told(Judge())[0][2:]


def test_a_typed_judge_is_told_by_its_question_and_its_model() -> None:
    class Critic:
        """You judge."""

        def __init__(self, rubric: str) -> None:
            self.rubric = rubric

        def evaluate_output(self, message: str, mood: str) -> float:
            """Tell whether `mood` is right."""
            raise NotImplementedError

    class Harsh(Critic):
        def evaluate_output(self, message: str, mood: str) -> float:
            """Tell whether `mood` is wrong."""
            raise NotImplementedError

    def typed(kind: type, rubric: str = "Be fair.", name: str = "model") -> Any:
        model = Model(by_words)
        model.name = name
        return told(llm_strategy(model)(kind)(rubric))

    assert typed(Critic) == typed(Critic)
    assert len({str(found) for found in (typed(Critic), typed(Harsh), typed(Critic, "Be kind."), typed(Critic, name="b"))}) == 4


def test_where_the_functions_own_model_judges_it_counts() -> None:
    other = Model(by_words)
    other.name = "another model"
    assert told(Teacher()) != told(Teacher(), answered_by(other))
    assert told(Judge()) == told(Judge(), answered_by(other))


PROCESS = """
from tests.training.test_describing import Judge, told
print(told(Judge()))
"""


def test_another_process_says_the_same() -> None:
    said = {
        subprocess.run(
            [sys.executable, "-c", PROCESS], env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert said == {f"{told(Judge())}\n".encode()}
