"""What is read from a signature, and what is checked before any model is asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from enum import Enum, Flag, auto
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypeAliasType

from llm_brain.errors import ArgumentError, DefinitionError
from llm_brain.strategy import Example, Likelihood, ModelImplementation, TypedFunction, examples, inspect_function, sampled
from llm_brain.strategy.annotations.closed_sets import closed_set
from llm_brain.strategy.schemas import reply_schema
from tests.strategy.conftest import Answering, Scoring, Scripted, never, returning


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


class Permission(Flag):
    READ = auto()
    WRITE = auto()


class Alike(Enum):
    ONE = 1
    TEXT = "1"


Moods = TypeAliasType("Moods", Literal["happy", "sad"])
NewMood = NewType("NewMood", Literal["happy", "sad"])  # type: ignore[valid-newtype]
Words = TypeAliasType("Words", Annotated[str, "in English"])
NewWords = NewType("NewWords", str)


@pytest.mark.parametrize(
    ("kind", "reply", "value"),
    [
        (Literal["true", True], '{"return_value": true}', True),
        (Literal["true", True], '{"return_value": "true"}', "true"),
        (Literal["1 ", 1], '{"return_value": 1}', 1),
        (Permission, '{"return_value": 3}', Permission.READ | Permission.WRITE),
    ],
)
def test_what_no_option_could_say_is_written_as_json(kind: Any, reply: str, value: Any) -> None:
    spec = returning(kind)
    assert spec.options is None
    answer = TypedFunction(spec, ModelImplementation(Answering(lambda _: reply)))()
    assert (answer, type(answer)) == (value, type(value))


def test_members_whose_values_read_alike_are_told_by_their_names() -> None:
    assert returning(Alike).option_words == ("ONE", "TEXT")


@pytest.mark.parametrize("kind", [Moods, NewMood, Annotated[Moods, "a note"]])
def test_a_closed_set_by_another_name_is_one(kind: Any) -> None:
    assert returning(kind).options == ("happy", "sad")
    assert returning(Optional[kind]).options == ("happy", "sad", None)  # noqa: UP045


@pytest.mark.parametrize("kind", [Words, NewWords])
def test_text_by_another_name_is_text(kind: Any) -> None:
    assert returning(kind).is_text


def test_an_iterator_by_another_name_gives_items() -> None:
    assert returning(TypeAliasType("Numbers", Iterator[int])).items is int


Rank = Enum("Rank", ["LOW", "HIGH"])


@examples(({"message": "nothing"}, Rank.LOW))
def rank(message: str) -> Rank:
    """Rank the message."""
    raise NotImplementedError


@pytest.mark.parametrize("form", ["chat", "completion"])
def test_an_enum_of_numbers_is_put_to_a_model_by_its_names(form: Any) -> None:
    backend = Scoring(0.25, 0.75, choice_form=form)
    details = TypedFunction(inspect_function(rank), ModelImplementation(backend)).with_details("It burns.")
    assert (details.value, details.probabilities) == (Rank.HIGH, {Rank.LOW: 0.25, Rank.HIGH: 0.75})
    assert backend.options == [["LOW", "HIGH"] if form == "chat" else [' "LOW"', ' "HIGH"']]
    said = [message.content for message in backend.requests[0].messages]
    assert ("LOW" in said) if form == "chat" else ('rank: "LOW"' in said[0])


def test_a_model_names_the_member_of_an_enum_of_numbers() -> None:
    assert TypedFunction(inspect_function(rank), ModelImplementation(Scripted("HIGH")))("It burns.") is Rank.HIGH


def total(numbers: Iterable[int], more: Annotated[Iterator[int] | None, "later"] = None) -> str:
    """Add."""
    raise NotImplementedError


@pytest.mark.parametrize("numbers", [["1", 2], (1, 2), {"1": 0, "2": 0}, iter([1, 2]), range(1, 3), deque([1, 2])])
def test_iterables_are_checked_before_a_model_is_asked_and_shown_whole(numbers: Any) -> None:
    backend = Scripted("3")
    assert TypedFunction(inspect_function(total), ModelImplementation(backend))(numbers, more=iter([3])) == "3"
    assert backend.requests[0].messages[-1].content == "numbers: [1, 2]\nmore: [3]"


@pytest.mark.parametrize("numbers", [["x"], iter(["x"]), "12", 3])
def test_iterables_of_something_else_are_refused(numbers: Any) -> None:
    with pytest.raises(ArgumentError, match="numbers"):
        TypedFunction(inspect_function(total), ModelImplementation(Answering(never)))(numbers)


def test_a_keyword_only_parameter_is_not_filled_by_position() -> None:
    def reply(*, message: str) -> str:
        """Reply."""
        raise NotImplementedError

    spec = inspect_function(reply)
    with pytest.raises(TypeError):
        spec.bind(("x",), {})
    assert spec.bind((), {"message": "x"}) == {"message": "x"}
