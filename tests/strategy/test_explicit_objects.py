"""The object that holds a call's arguments, and functions that take one such object besides the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from llm_brain.errors import ArgumentError, DefinitionError
from llm_brain.strategy import Details
from llm_brain.strategy.explicit import llm_explicit_function, llm_function
from tests.strategy.conftest import Scripted, last_question

T = TypeVar("T")
S = TypeVar("S")


class Adder:
    """Adds, whatever it is asked."""

    name = "adder"

    def call(self, spec: Any, arguments: Any, *, state: Any = None, sample: int = 0) -> Details[Any]:
        del spec, state, sample
        return Details(sum(arguments.values()), self.name)


@llm_function
def add(model: Any, a: int, b: int = 2, *, c: int = 0) -> int:
    """Add numbers."""
    raise NotImplementedError


class Ticket(BaseModel):
    text: str
    urgency: int = Field(1, description="from 1 to 5", ge=1, le=5)


@dataclass
class Letter:
    text: str
    urgency: int = 1


class Pair(BaseModel, Generic[T]):
    first: T


class Made(BaseModel, Generic[S, T]):
    first: S
    second: T


def test_the_input_object_holds_the_arguments_by_name() -> None:
    made: Any = add.get_input_object(1, c=4)
    assert isinstance(made, BaseModel)
    assert made.model_dump() == {"a": 1, "b": 2, "c": 4}
    assert type(made).model_json_schema()["required"] == ["a"]
    assert type(add.get_input_object(5)) is type(made)
    with pytest.raises(TypeError, match="'a'"):
        add.get_input_object()  # type: ignore[call-arg]
    with pytest.raises(ArgumentError, match="`a`"):
        add.get_input_object("many")  # type: ignore[arg-type]


@given(st.integers(), st.integers(), st.integers())
def test_a_call_with_the_input_object_is_the_same_call(a: int, b: int, c: int) -> None:
    assert add.explicit(Adder(), add.get_input_object(a, b, c=c)) == add(Adder(), a, b, c=c)


def test_any_object_with_the_fields_is_taken_as_the_input() -> None:
    class Other(BaseModel):
        a: int
        other: str = "x"

    assert add.explicit(Adder(), Other(a=1)) == 3
    with pytest.raises(TypeError, match="'a'"):
        add.explicit(Adder(), Ticket(text="a"))


def test_positional_only_parameters_work_too() -> None:
    @llm_function
    def subtract(model: Any, a: int, b: int, /) -> int:
        """Subtract."""
        raise NotImplementedError

    assert subtract(Adder(), 1, 2) == 3
    assert subtract.explicit(Adder(), subtract.get_input_object(1, 2)) == 3


def test_parameters_of_containers_have_the_schemas_that_pydantic_gives_them() -> None:
    @llm_function
    def sort(model: Any, names: list[str], groups: dict[str, list[str]]) -> int:
        """Sort."""
        raise NotImplementedError

    class Expected(BaseModel):
        names: list[str]
        groups: dict[str, list[str]]

    made = type(sort.get_input_object([], {})).model_json_schema()
    assert made["properties"] == Expected.model_json_schema()["properties"]


def test_the_input_object_of_a_generic_function_has_the_types_of_the_call() -> None:
    @llm_function
    def echo(model: Any, value: T) -> T:
        """Echo."""
        raise NotImplementedError

    assert type(echo.get_input_object(3)).model_json_schema()["properties"]["value"]["type"] == "integer"
    assert type(echo.get_input_object("a")).model_json_schema()["properties"]["value"]["type"] == "string"


@pytest.mark.parametrize("name", ["json", "model_dump", "_hidden", "copy"])
def test_a_parameter_of_which_no_field_can_be_made_is_refused(name: str) -> None:
    space: dict[str, Any] = {}
    exec(f"def ask(model, {name}: int) -> int:\n    '''Answer.'''\n", space)
    with pytest.raises(DefinitionError, match=f"rename the parameter `{name}`"):
        llm_function(space["ask"])


@llm_explicit_function
def route(model: Any, ticket: Ticket) -> str:
    """Name the team."""
    raise NotImplementedError


@llm_explicit_function
def forward(model: Any, letter: Letter) -> str:
    """Name the person."""
    raise NotImplementedError


def test_an_explicit_function_takes_a_model_and_one_object() -> None:
    model = Scripted("sales")
    assert route(model, Ticket(text="Hello")) == "sales"
    assert last_question(model).endswith('ticket: {"text": "Hello", "urgency": 1}')
    assert route.explicit(model, Ticket(text="Hello")) == "sales"
    assert forward(model, Letter("Hello")) == "sales"
    assert last_question(model).endswith('letter: {"text": "Hello", "urgency": 1}')
    assert route.using(model).map([Ticket(text="a"), Ticket(text="b")]) == ["sales", "sales"]


def test_an_explicit_function_makes_its_object() -> None:
    assert route.get_input_object(text="Hello", urgency=2) == Ticket(text="Hello", urgency=2)
    assert forward.get_input_object("Hello") == Letter("Hello")
    with pytest.raises(ArgumentError, match="`urgency`"):
        route.get_input_object(text="Hello", urgency=9)
    with pytest.raises(ArgumentError, match="`text`"):
        route.get_input_object()
    with pytest.raises(TypeError, match="'text'"):
        forward.get_input_object()


def test_an_explicit_function_resolves_the_types_of_its_object() -> None:
    @llm_explicit_function
    def extend(model: Any, pair: Pair[T]) -> Made[T, str]:
        """Extend."""
        raise NotImplementedError

    answer: Any = extend(Scripted('{"first": 3, "second": "three"}'), Pair[int](first=3))
    assert answer == Made[int, str](first=3, second="three")
    assert type(answer) is Made[int, str]


def test_an_explicit_function_of_anything_else_is_refused() -> None:
    def number(model: Any, a: int) -> int:
        """Answer."""
        raise NotImplementedError

    def two(model: Any, a: Ticket, b: Ticket) -> int:
        """Answer."""
        raise NotImplementedError

    def none(model: Any) -> int:
        """Answer."""
        raise NotImplementedError

    for refused in (number, two, none):
        with pytest.raises(DefinitionError, match="one pydantic model or dataclass"):
            llm_explicit_function(refused)  # type: ignore[arg-type]
