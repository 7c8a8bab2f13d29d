"""What `@llm_strategy` does to a class: every member without a body gets one, and nothing else changes."""

from __future__ import annotations

import asyncio
import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, field, replace
from typing import Any, Literal, Protocol

import pytest
from pydantic import BaseModel, Field

from llm_brain.errors import DefinitionError, ModelNameError
from llm_brain.strategy import llm_strategy
from tests.strategy.conftest import Scoring, Scripted, last_question

MODEL = Scripted('{"return_value": 7}')


@llm_strategy(MODEL)
@dataclass(frozen=True)
class Point:
    """You know points."""

    x: int
    y: int = 2

    def norm(self) -> int:
        """Give the norm."""
        raise NotImplementedError


def test_a_plain_class_answers_and_keeps_its_name_module_and_docs() -> None:
    @llm_strategy(Scripted("Paris"))
    class Quiz:
        """You know geography."""

        def capital(self, country: str) -> str:
            """Name the capital."""
            raise NotImplementedError("not mine to do")

    assert Quiz().capital("France") == "Paris"
    assert Quiz.__name__ == "Quiz"
    assert Quiz.__qualname__.endswith("<locals>.Quiz")
    assert Quiz.__module__ == __name__
    assert Quiz.__doc__ == "You know geography."
    assert Quiz.capital.__doc__ == "Name the capital."
    assert Quiz.capital(Quiz(), "France") == "Paris"


LEFT_OUT = ["...", "pass", "", "raise NotImplementedError", "raise NotImplementedError('later')"]


@pytest.mark.parametrize("body", [*LEFT_OUT, "raise NotImplementedError(f'{self} {n}')"])
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_every_way_to_leave_a_body_out_is_known(body: str, kind: str) -> None:
    space: dict[str, Any] = {}
    exec(f"class C:\n    {kind} f(self, n: int) -> int:\n        '''Count.'''\n        {body}\n", space)
    made = llm_strategy(MODEL)(space["C"])
    answer = made().f(1)  # type: ignore[attr-defined]
    assert (asyncio.run(answer) if kind == "async def" else answer) == 7


@pytest.mark.parametrize(
    "body",
    [
        "return n",
        "return None",
        "if n: raise NotImplementedError\n        return 3",
        "x = NotImplementedError\n        return 3",
        "return NotImplementedError",
        "yield n",
    ],
)
def test_a_member_with_a_body_stays(body: str) -> None:
    space: dict[str, Any] = {}
    docs = "pass" if body == "return None" else "'Count.'"
    rest = "    def g(self) -> int:\n        'G.'\n"
    exec(f"class C:\n    def f(self, n: int):\n        {docs}\n        {body}\n{rest}", space)
    assert llm_strategy(MODEL)(space["C"]).f is space["C"].f  # type: ignore[attr-defined]


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


def test_a_protocol_can_be_made() -> None:
    @llm_strategy(MODEL)
    class Counts(Protocol):
        def count(self, text: str) -> int:
            """Count."""
            raise NotImplementedError

    assert Counts().count("a") == 7


def test_a_frozen_dataclass_stays_one_and_pickles() -> None:
    point = Point(1)
    assert point.norm() == 7
    assert last_question(MODEL) == 'Give the norm.\nself: {"x": 1, "y": 2}'
    assert replace(point, y=5) == Point(1, 5)
    assert hash(point) == hash(Point(1))
    with pytest.raises(FrozenInstanceError):
        point.x = 3  # type: ignore[misc]
    again = pickle.loads(pickle.dumps(point))
    assert again == point
    assert type(again) is Point


def test_a_dataclass_without_docs_has_no_persona() -> None:
    @llm_strategy(MODEL)
    @dataclass
    class Bare:
        x: int

        def f(self) -> int:
            """Count."""
            raise NotImplementedError

    assert "Bare(" not in Bare(1).f.prompt()  # type: ignore[attr-defined]


def test_a_pydantic_model_stays_one() -> None:
    @llm_strategy(MODEL)
    class Customer(BaseModel):
        """You know customers."""

        name: str = Field(min_length=1)
        key: str = Field("secret", repr=False)

        def age(self) -> int:
            """Guess the age."""
            raise NotImplementedError

        @property
        def shoe_size(self) -> int:
            """Guess the shoe size."""
            raise NotImplementedError

    customer = Customer(name="Ann")
    assert (customer.age(), customer.shoe_size) == (7, 7)
    assert last_question(MODEL) == 'Guess the shoe size.\nself: {"name": "Ann"}'
    assert customer.model_dump() == {"name": "Ann", "key": "secret"}
    assert list(Customer.model_fields) == ["name", "key"]
    with pytest.raises(ValueError, match="at least 1"):
        Customer(name="")


def test_static_and_class_methods_are_called_on_class_and_object() -> None:
    @llm_strategy(MODEL)
    class Quiz:
        @staticmethod
        def add(a: int, b: int = 2) -> int:
            """Add."""
            raise NotImplementedError

        @classmethod
        def count(cls, text: str) -> int:
            """Count."""
            raise NotImplementedError

        @classmethod
        @abstractmethod
        def more(cls) -> int:
            """Count more."""

    quiz = Quiz()  # type: ignore[abstract]
    assert (Quiz.add(1), quiz.add(1, 3), Quiz.count("a"), quiz.count("a"), Quiz.more()) == (7,) * 5
    assert Quiz.count.map(["a", "b"]) == [7, 7]  # type: ignore[attr-defined]
    assert last_question(MODEL).startswith("Count.\ntext:")


def test_a_property_keeps_its_setter_and_docs() -> None:
    @llm_strategy(MODEL)
    class Quiz:
        @property
        def level(self) -> int:
            """Tell the level."""
            raise NotImplementedError

        @level.setter
        def level(self, value: int) -> None:
            self.set_to = value

    quiz = Quiz()
    quiz.level = 3
    assert quiz.level == 7
    assert quiz.set_to == 3
    assert Quiz.__dict__["level"].__doc__ == "Tell the level."


def test_async_members_are_awaited_in_all_their_kinds_and_can_be_mapped() -> None:
    @llm_strategy(MODEL)
    class Quiz:
        async def count(self, text: str) -> int:
            """Count."""
            raise NotImplementedError

        @staticmethod
        async def add(a: int) -> int:
            """Add."""
            raise NotImplementedError

        @classmethod
        async def more(cls, a: int) -> int:
            """More."""
            raise NotImplementedError

    async def all_of_them() -> list[int]:
        return list(await asyncio.gather(Quiz().count("a"), Quiz.add(1), Quiz().add(a=1), Quiz.more(1)))

    assert asyncio.run(all_of_them()) == [7] * 4
    assert Quiz().count.map(["a", "b"]) == [7, 7]  # type: ignore[attr-defined]
    assert Quiz().count.with_details("a").attempts == 1  # type: ignore[attr-defined]


def test_dunders_can_be_left_to_the_model() -> None:
    @llm_strategy(MODEL)
    class Quiz:
        def __len__(self) -> int:
            """Tell the length."""
            raise NotImplementedError

    assert len(Quiz()) == 7


def test_what_a_subclass_implements_wins_and_the_rest_is_inherited() -> None:
    @llm_strategy(MODEL)
    class Quiz:
        def one(self) -> int:
            """One."""
            raise NotImplementedError

        def two(self) -> int:
            """Two."""
            raise NotImplementedError

    class Sure(Quiz):
        def one(self) -> int:
            return super().one() - 6

    assert (Sure().one(), Sure().two()) == (1, 7)
    again = llm_strategy(Scripted("9"))(Sure)
    assert (again().one(), again().two()) == (1, 9)
    assert issubclass(again, Sure)
    rebound = Sure.using(Scripted("8"))  # type: ignore[attr-defined]
    assert (rebound().one(), rebound().two()) == (1, 8)


def test_using_gives_the_same_class_with_another_model() -> None:
    other: Any = Point.using(Scripted("8"))  # type: ignore[attr-defined]
    third = other.using(Scripted("9"))
    assert (Point(1).norm(), other(1).norm(), third(1).norm()) == (7, 8, 9)
    assert other.__qualname__ == Point.__qualname__
    assert isinstance(other(1), Point)
    assert issubclass(third, Point)
    assert len(third.__mro__) == len(other.__mro__)


def test_using_keeps_every_kind_of_member() -> None:
    @llm_strategy(MODEL)
    class Quiz:
        """P."""

        @property
        def a(self) -> int:
            """A."""
            raise NotImplementedError

        @classmethod
        def b(cls) -> int:
            """B."""
            raise NotImplementedError

        @staticmethod
        def c() -> int:
            """C."""
            raise NotImplementedError

        async def d(self) -> int:
            """D."""
            raise NotImplementedError

    other: Any = Quiz.using(Scripted("8"))  # type: ignore[attr-defined]
    assert (other().a, other.b(), other.c(), asyncio.run(other().d())) == (8, 8, 8, 8)
    assert other.__doc__ == "P."


def no_docs() -> type:
    class C:
        def mood(self, text: str) -> str:
            raise NotImplementedError

    return C


def no_return() -> type:
    class C:
        def mood(self, text: str):  # type: ignore[no-untyped-def]  # noqa: ANN202
            """Tell."""
            raise NotImplementedError

    return C


def no_parameter() -> type:
    class C:
        def mood(self, text) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001
            """Tell."""
            raise NotImplementedError

    return C


def stars() -> type:
    class C:
        def mood(self, *texts: str) -> str:
            """Tell."""
            raise NotImplementedError

    return C


def unknown_name() -> type:
    class C:
        def mood(self, text: Nowhere) -> str:  # type: ignore[name-defined]  # noqa: F821
            """Tell."""
            raise NotImplementedError

    return C


def no_schema() -> type:
    class C:
        def mood(self) -> Callable[[], int]:
            """Tell."""
            raise NotImplementedError

    return C


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (no_docs, "has no docstring"),
        (no_return, "has no return annotation"),
        (no_parameter, "parameter `text` of .* has no annotation"),
        (stars, r"takes `\*texts`"),
        (unknown_name, "cannot be resolved.*Nowhere"),
        (no_schema, "return type of .* cannot be used"),
    ],
)
def test_what_cannot_be_implemented_is_said_at_decoration_with_its_name(make: Callable[[], type], complaint: str) -> None:
    with pytest.raises(DefinitionError, match=complaint) as caught:
        llm_strategy(MODEL)(make())
    assert "mood" in str(caught.value)


def test_a_class_with_nothing_to_implement_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"Full.*nothing to implement"):

        @llm_strategy(MODEL)
        class Full:
            def f(self) -> int:
                return 1


def test_a_member_of_the_name_using_is_refused() -> None:
    with pytest.raises(DefinitionError, match="`using`"):

        @llm_strategy(MODEL)
        class Taken:
            def using(self, tool: str) -> str:
                """Use it."""
                raise NotImplementedError


def test_an_unknown_model_is_named_at_decoration() -> None:
    with pytest.raises(ModelNameError, match="did you mean 'local'"):
        llm_strategy("locl")
    with pytest.raises(ModelNameError, match="type is no model"):
        llm_strategy(Point)


def test_a_hosted_model_needs_no_key_until_it_is_called() -> None:
    @llm_strategy("openai:gpt-5-mini")
    class Quiz:
        def f(self) -> int:
            """Count."""
            raise NotImplementedError

    assert Quiz().__class__ is Quiz


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


def test_a_field_that_is_hidden_from_the_repr_is_hidden_from_the_prompt() -> None:
    @llm_strategy(Scripted("8"))
    @dataclass
    class Shop:
        city: str
        api_key: str = field(default="secret", repr=False)
        _cache: int = 3
        callback: Any = print

        def mood(self) -> Literal["8", "9"]:
            """Tell."""
            raise NotImplementedError

    assert Shop("Oslo").mood.prompt().endswith('Tell.\nself: {"city": "Oslo"}')  # type: ignore[attr-defined]
    assert Shop("Oslo").mood() == "8"
