"""What `@llm_strategy` does to a class: each member without a body gets one, and nothing else changes."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Any

import pytest
from pydantic import BaseModel

from llm_brain.strategy import llm_strategy
from llm_brain.strategy.views import typed
from tests.strategy.conftest import Scoring, Scripted

MODEL = Scripted('{"return_value": 7}')


def test_a_plain_class_answers_and_keeps_its_name_module_and_docs() -> None:
    class Plain:
        """You know geography."""

        def capital(self, country: str) -> str:
            """Name the capital."""
            raise NotImplementedError("not mine to do")

    quiz = llm_strategy(Scripted("Paris"))(Plain)
    assert quiz().capital("France") == "Paris"
    assert issubclass(quiz, Plain)
    assert quiz.__name__ == "Plain"
    assert quiz.__qualname__.endswith("<locals>.Plain")
    assert quiz.__module__ == __name__
    assert quiz.__doc__ == "You know geography."
    assert quiz.capital.__doc__ == "Name the capital."
    assert quiz.capital(quiz(), "France") == "Paris"


def test_members_with_bodies_are_unchanged() -> None:
    class Plain:
        count = 3

        def __init__(self, size: int = 2) -> None:
            self.size = size

        def twice(self) -> int:
            return self.size * 2

        @staticmethod
        def one() -> int:
            return 1

        @classmethod
        def name(cls) -> str:
            return cls.__name__

        @property
        def half(self) -> float:
            return self.size / 2

        def guess(self) -> int:
            """Guess."""
            raise NotImplementedError

    quiz = llm_strategy(MODEL)(Plain)
    assert quiz.twice is Plain.twice
    assert (quiz(4).twice(), quiz.one(), quiz.name(), quiz(4).half, quiz.count, quiz().guess()) == (8, 1, "Plain", 2, 3, 7)
    with pytest.raises(NotImplementedError):
        Plain().guess()


def test_what_makes_an_object_and_hooks_that_do_nothing_are_never_asked_of_a_model() -> None:
    @llm_strategy(MODEL)
    class Quiz:
        def __init__(self) -> None:
            """Make a quiz."""

        def on_close(self) -> None:
            """Do nothing by default."""

        def count(self) -> int:
            """Count."""
            raise NotImplementedError

    asked = len(MODEL.requests)
    quiz = Quiz()
    quiz.on_close()
    assert len(MODEL.requests) == asked
    assert quiz.count() == 7


def test_a_librarys_empty_hooks_are_no_questions() -> None:
    class Hooked(threading.Thread):
        def count(self) -> int:
            """Count."""
            raise NotImplementedError

    space: dict[str, Any] = {"__name__": "library"}
    exec("class Base:\n    def hook(self):\n        '''Do something.'''\n", space)
    base: Any = space["Base"]

    class Quiz(base):
        def count(self) -> int:
            """Count."""
            raise NotImplementedError

    assert llm_strategy(MODEL)(Quiz)().count() == 7
    assert llm_strategy(MODEL)(Quiz)().hook() is None
    assert llm_strategy(MODEL)(Hooked)().count() == 7


def test_an_abstract_class_can_be_made_and_so_can_its_subclasses() -> None:
    @llm_strategy(MODEL)
    class Shape(ABC):
        @abstractmethod
        def corners(self) -> int:
            """Count the corners."""

        @property
        @abstractmethod
        def sides(self) -> int:
            """Count the sides."""

    class Square(Shape):
        pass

    shape, square = Shape(), Square()  # type: ignore[abstract]
    assert (shape.corners(), square.sides, square.corners()) == (7, 7, 7)


def test_inherited_members_are_implemented_with_the_docs_of_their_class() -> None:
    class Base(ABC):
        """You are the base."""

        @abstractmethod
        def one(self) -> int:
            """One."""

    class Middle(Base):
        pass

    class Documented(Base):
        """You are documented."""

    assert "You are the base." in typed(llm_strategy(MODEL)(Middle)().one).prompt()
    assert "You are documented." in typed(llm_strategy(MODEL)(Documented)().one).prompt()
    assert "You are the base." not in typed(llm_strategy(MODEL)(Documented)().one).prompt()


def test_annotations_may_name_classes_that_are_local_to_the_caller_and_the_class_itself() -> None:
    class Local(BaseModel):
        n: int

    @llm_strategy(Scripted('{"n": 3}'))
    class Quiz:
        def f(self, other: Quiz | None = None) -> Local:
            """Make."""
            raise NotImplementedError

    assert Quiz().f() == Local(n=3)


def test_an_imported_interface_means_its_own_modules_names() -> None:
    space: dict[str, Any] = {"__name__": "elsewhere"}
    exec(
        "from __future__ import annotations\nfrom typing import Literal\nMood = Literal['a', 'b']\n"
        "class C:\n    def f(self) -> Mood:\n        '''F.'''\n",
        space,
    )
    Mood = int  # noqa: N806, F841 - must not be taken for the other one
    made: Any = llm_strategy(Scoring(0.1, 0.9))(space["C"])
    assert made().f() == "b"
