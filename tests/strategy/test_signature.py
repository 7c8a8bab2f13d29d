"""What is read from a signature, and what is checked before any model is asked."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from pydantic import BaseModel, Field

from llm_brain.errors import ArgumentError, DefinitionError
from llm_brain.strategy import Example, Likelihood, ModelImplementation, TypedFunction, examples, inspect_function, sampled
from llm_brain.strategy.annotations.closed_sets import closed_set
from llm_brain.strategy.schemas import reply_schema
from tests.strategy.conftest import Answering, never, returning


class Colour(Enum):
    RED = "red"
    BLUE = 2


class Item(BaseModel):
    name: str


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (bool, (True, False)),
        (Literal["a", 1, True], ("a", 1, True)),
        (Colour, (Colour.RED, Colour.BLUE)),
        (Annotated[Literal["a"], "note"], ("a",)),
        (int, None),
        (Literal["a"] | None, ("a", None)),
        (bool | Colour, (True, False, Colour.RED, Colour.BLUE)),
        (Literal["a"] | int, None),
        (Literal["a"] | Literal["a", "b"] | None, ("a", "b", None)),  # noqa: PYI030
        (Literal[1] | bool, None),
    ],
)
def test_small_closed_sets_are_known(kind: Any, options: Any) -> None:
    assert closed_set(kind) == options


def test_what_is_no_object_is_asked_for_in_the_field_of_one() -> None:
    assert returning(list[Item]).schema["required"] == ["return_value"]
    assert "Item" in returning(list[Item]).schema["$defs"]
    assert returning(Item).schema == reply_schema(Item.model_json_schema())
    assert returning(dict[str, int]).schema["type"] == "object"


def add(a: int, b: int = 3, *, copy: bool = False, _hidden: str = "") -> int:
    """Add."""
    raise NotImplementedError


def test_arguments_are_bound_checked_and_filled_up() -> None:
    assert inspect_function(add).bind((1,), {}) == {"a": 1, "b": 3, "copy": False, "_hidden": ""}
    assert inspect_function(add).bind(("1",), {"copy": True})["a"] == 1


@pytest.mark.parametrize(("args", "kwargs"), [((), {}), ((1, 2, 3), {}), ((1,), {"c": 3}), ((1,), {"a": 3})])
def test_a_call_that_does_not_fit_the_signature_is_a_type_error_as_ever(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        inspect_function(add).bind(args, kwargs)


def test_a_wrong_argument_is_refused_before_any_model_is_asked() -> None:
    backend = Answering(never)
    function = TypedFunction(inspect_function(add), ModelImplementation(backend))
    with pytest.raises(ArgumentError, match=r"add: `a`: .*valid integer.*'x'"):
        function("x")
    with pytest.raises(ArgumentError):
        function.map([1, "x"])
    assert backend.requests == []


def test_text_that_is_no_unicode_is_refused() -> None:
    def mood(message: str) -> int:
        """Tell."""
        raise NotImplementedError

    function = TypedFunction(inspect_function(mood), ModelImplementation(Answering(never)))
    with pytest.raises(ArgumentError, match="cannot be written as JSON"):
        function("\ud800")
    with pytest.raises(ArgumentError, match="cannot be written as JSON"):
        function(message="\ud800")


def test_objects_of_any_class_may_be_arguments_of_other_implementers_than_models() -> None:
    class Sensor:
        pass

    def read(sensor: Sensor) -> int:
        """Read it."""
        raise NotImplementedError

    spec = inspect_function(read, names=locals())
    sensor = Sensor()
    assert spec.bind((sensor,), {}) == {"sensor": sensor}
    with pytest.raises(ArgumentError, match="Sensor cannot be written as JSON"):
        TypedFunction(spec, ModelImplementation(Answering(never)))(sensor)


def test_examples_are_checked_converted_and_filled_up() -> None:
    @examples(({"item": {"name": "a"}}, "red"))
    def colour(item: Item, size: int = 3) -> Colour:
        """Tell."""
        raise NotImplementedError

    assert inspect_function(colour).examples == (Example({"item": Item(name="a"), "size": 3}, Colour.RED),)


@pytest.mark.parametrize(
    ("example", "complaint"),
    [
        (({"number": 1, "other": 2}, 1), "names `other`"),
        (({"number": "x"}, 1), "input of an example .* `number`"),
        (({}, 1), "input of an example .*missing.*number"),
        (({"number": 1}, "x"), "output of an example .* valid integer"),
    ],
)
def test_an_example_that_does_not_fit_is_refused_at_definition(example: Any, complaint: str) -> None:
    @examples(example)
    def double(number: int) -> int:
        """Double."""
        raise NotImplementedError

    with pytest.raises(DefinitionError, match=complaint) as caught:
        inspect_function(double)
    assert "double" in str(caught.value)


def likely(kind: Any, returns: Any) -> None:
    @examples(({"text": "a"}, "happy"))
    def score(text: str, mood: Any) -> Any:
        """Tell."""
        raise NotImplementedError

    score.__annotations__ |= {"mood": kind, "return": returns}
    inspect_function(score)


@pytest.mark.parametrize(
    ("kind", "returns", "complaint"),
    [
        (str, Annotated[float, Likelihood(of="mood")], "must be a Literal, an Enum or bool"),
        (Literal["happy", "sad"], Annotated[float, Likelihood(of="moot")], "`moot`, which is not a parameter"),
        (Literal["happy", "sad"], Annotated[int, Likelihood(of="mood")], "is a float"),
        (Literal["glad", "sad"], Annotated[float, Likelihood(of="mood")], "output of an example"),
    ],
)
def test_a_likelihood_is_checked_at_definition(kind: Any, returns: Any, complaint: str) -> None:
    with pytest.raises(DefinitionError, match=complaint):
        likely(kind, returns)
    likely(Literal["happy", "sad"], Annotated[float, Likelihood(of="mood"), Field(ge=0)])


def test_how_replies_are_drawn_is_declared() -> None:
    @sampled(0.8, top_p=0.5, max_tokens=9)
    def invent() -> str:
        """Invent."""
        raise NotImplementedError

    sampling = inspect_function(invent).sampling
    assert (sampling.temperature, sampling.top_p, sampling.max_tokens) == (0.8, 0.5, 9)
    assert inspect_function(add).sampling.temperature == 0


def test_a_named_tuple_is_one_argument_and_a_tuple_is_several() -> None:
    class Pair(NamedTuple):
        a: int
        b: int

    def total(pair: Pair) -> str:
        """Add."""
        raise NotImplementedError

    function = TypedFunction(inspect_function(total, names=locals()), ModelImplementation(Answering(lambda _: "3")))
    assert function.map([Pair(1, 2), {"pair": Pair(1, 2)}, (Pair(1, 2),)]) == ["3"] * 3
