"""What is expected of any library of typed functions: behaviours 1 to 36, in their order, each under its number.

The list was made from what other libraries test, document and do. Names differ where ours were chosen otherwise: replies are
scripted by a backend, a class's or function's input is seen by `get_input_object`, what a model is asked by `prompt` and by the
request that it gets. An answer that is text, an object already, or one of a few options is asked for as itself, and not as
the one field of an object.
"""

# mypy: disable-error-code="empty-body,valid-type,no-untyped-def,type-arg"
from __future__ import annotations

import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError, asdict, dataclass, field
from datetime import date
from typing import Annotated, Any, Generic, TypeVar

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.llms import BaseLLM
from pydantic import BaseModel, Field, create_model

from llm_brain import llm_explicit_function, llm_function, llm_strategy, use_model
from llm_brain.backends import LanguageBackend, Message, Request
from llm_brain.errors import DefinitionError, ReplyError
from tests.strategy.conftest import Answering, Scripted, last_question

S = TypeVar("S")
T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")
X = TypeVar("X")


class G(BaseModel, Generic[T]):
    value: T


class H(BaseModel, Generic[T, S]):
    left: T
    right: S


def returning(value: Any) -> Scripted:
    return Scripted(json.dumps({"return_value": value}))


def arguments_in(request: Request) -> dict[str, Any]:
    """Read what a call was given back out of the question: each argument is a line of its own."""
    lines = (line.partition(": ") for line in request.messages[-1].content.splitlines())
    return {name: json.loads(value) for name, _, value in lines}


def adding() -> Answering:
    """Make a model that adds the numbers that it is given."""
    return Answering(lambda request: json.dumps({"return_value": sum(arguments_in(request).values())}))


def input_schema(function: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """Return the schema of a call's input without its name and what the docstring says."""
    schema = type(function.get_input_object(*args, **kwargs)).model_json_schema()
    return {key: value for key, value in schema.items() if key not in ("title", "description")}


def schema_asked_for(function: Any, *args: Any) -> Mapping[str, Any]:
    """Return the schema that a call asks its model for: of the reply's one field, where that is all the reply has."""
    model = Scripted("")
    with pytest.raises(ReplyError):
        function(model, *args)
    schema = dict(model.requests[0].schema or {})
    return schema["properties"]["return_value"] if schema.get("required") == ["return_value"] else schema


def only_raises(a: int) -> int:
    """Answer."""
    raise NotImplementedError


def only_raises_an_object(a: int) -> int:
    """Answer."""
    raise NotImplementedError()  # noqa: RSE102 - with the brackets, for once


@pytest.mark.parametrize("function", [only_raises, only_raises_an_object])
def test_a_body_that_only_raises_not_implemented_is_answered_by_the_model(function: Callable[[int], int]) -> None:  # 1
    assert llm_strategy(returning(3))(function)(1) == 3


def test_a_lambda_that_returns_something_is_not_taken_for_unimplemented() -> None:  # 1
    model = returning(3)
    with pytest.raises(DefinitionError, match="has a body"):
        llm_strategy(model)(lambda: 1)

    class Quiz:
        ask = staticmethod(lambda: 1)

        def other(self) -> int:
            """Answer."""
            raise NotImplementedError

    assert llm_strategy(model)(Quiz)().ask() == 1
    assert model.requests == []


@llm_function
def add(model: LanguageBackend, a: int, b: int) -> int:
    """Add two numbers."""
    raise NotImplementedError


def test_a_function_of_a_model_gives_the_models_answer() -> None:  # 2
    assert add(Scripted('{"return_value": 3}'), 1, 2) == 3


def test_a_decorated_function_keeps_its_docs_its_name_and_its_signature() -> None:  # 3
    def ask(model: str, question: str, *, limit: int = 5) -> list[str]:
        """Answer the question."""
        raise NotImplementedError

    made = llm_function(ask)
    assert (made.__doc__, made.__name__) == ("Answer the question.", "ask")
    assert inspect.signature(made) == inspect.signature(ask)


@pytest.mark.parametrize("annotation", [BaseLLM, BaseChatModel, LanguageBackend, str])
def test_the_first_parameter_may_be_annotated_as_any_kind_of_model(annotation: Any) -> None:  # 4
    def ask(model: Any, question: str) -> str:
        """Answer the question."""
        raise NotImplementedError

    ask.__annotations__["model"] = annotation
    assert llm_function(ask)(Scripted("fine"), "how?") == "fine"


def test_a_first_parameter_that_is_annotated_as_a_number_is_refused() -> None:  # 4
    def ask(x: int, question: str) -> str:
        """Answer the question."""
        raise NotImplementedError

    with pytest.raises(ValueError, match="first parameter `x`"):
        llm_function(ask)


@pytest.mark.parametrize("wrong", [3, None, [], object(), only_raises])
def test_a_first_argument_that_is_no_model_is_refused_and_no_model_is_asked(wrong: Any) -> None:  # 5
    model = returning(3)
    with use_model(model), pytest.raises(ValueError, match="is no model"):
        add(wrong, 1, 2)
    assert model.requests == []


def test_a_function_without_a_docstring_is_refused() -> None:  # 6
    def ask(model: str, question: str) -> str:
        raise NotImplementedError

    with pytest.raises(ValueError, match="ask` has no docstring"):
        llm_function(ask)


def test_a_function_without_a_return_annotation_is_refused() -> None:  # 7
    def ask(model: str, question: str):  # noqa: ANN202
        """Answer the question."""
        raise NotImplementedError

    with pytest.raises(ValueError, match="ask` has no return annotation"):
        llm_function(ask)


@llm_function
def described(model: str, a: str, b: int = Field(description="How many there are.")) -> int:
    """Count."""
    raise NotImplementedError


@llm_function
def elliptical(model: str, a: str, b: int = Field(..., description="How many there are.")) -> int:
    """Count."""
    raise NotImplementedError


@llm_function
def declared(model: str, a: int, b: int = Field(3)) -> int:
    """Add two numbers."""
    raise NotImplementedError


@llm_function
def defaulted(model: str, a: int, b: int = 3) -> int:
    """Add two numbers."""
    raise NotImplementedError


def test_a_missing_argument_is_a_type_error_that_names_it() -> None:  # 8
    model = returning(3)
    with pytest.raises(TypeError, match=r"missing.*'b'"):
        add(model, 1)  # type: ignore[call-arg]
    assert model.requests == []


@pytest.mark.parametrize("function", [described, elliptical])
def test_a_field_that_declares_no_default_is_an_argument_that_must_be_given(function: Any) -> None:  # 9
    model = returning(3)
    with pytest.raises(TypeError, match=r"missing.*'b'"):
        function(model, "x")
    assert model.requests == []


def test_a_field_with_a_default_has_the_schema_of_a_plain_default() -> None:  # 10
    assert input_schema(declared, 1) == input_schema(defaulted, 1)
    assert input_schema(declared, 1)["properties"]["b"]["default"] == 3


def test_an_argument_whose_field_declares_a_default_may_be_left_out() -> None:  # 11
    assert declared(adding(), 1) == 4
    assert declared(adding(), 1, b=5) == 6


@pytest.mark.parametrize("function", [described, elliptical])
def test_the_description_of_a_field_is_in_the_schema_of_a_required_argument_and_in_the_prompt(function: Any) -> None:  # 12
    schema = input_schema(function, "x", 1)
    assert schema["properties"]["b"] == {"description": "How many there are.", "title": "B", "type": "integer"}
    assert schema["required"] == ["a", "b"]
    assert "How many there are." in function.using(returning(3)).prompt("x", 1)


def test_a_parameter_without_an_annotation_is_a_type_error_that_names_it() -> None:  # 13
    def ask(model: str, a=1, b: int = 1) -> str:  # noqa: ANN001
        """Answer."""
        raise NotImplementedError

    with pytest.raises(TypeError, match=r"`a` of .*ask` has no annotation"):
        llm_function(ask)


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (int, {"type": "integer"}),
        (list[str], {"type": "array", "items": {"type": "string"}}),
        (date, {"type": "string", "format": "date"}),
    ],
)
def test_the_reply_is_asked_for_as_an_object_with_one_required_field(kind: Any, schema: Any) -> None:  # 14
    def ask(model: str) -> Any:
        """Answer."""
        raise NotImplementedError

    ask.__annotations__["return"] = kind
    model = Scripted("")
    with pytest.raises(ReplyError):
        llm_function(ask)(model)
    assert model.requests[0].schema == {"type": "object", "properties": {"return_value": schema}, "required": ["return_value"]}


def test_the_schemas_of_collections_are_pydantics() -> None:  # 15
    @llm_function
    def sort(model: str, a: list[str], b: dict[str, list[str]]) -> dict[str, str]:
        """Sort."""
        raise NotImplementedError

    expected = dict(create_model("Input", a=(list[str], ...), b=(dict[str, list[str]], ...)).model_json_schema())
    del expected["title"]
    assert input_schema(sort, ["x"], {"y": ["z"]}) == expected
    assert schema_asked_for(sort, ["x"], {"y": ["z"]})["additionalProperties"] == {"type": "string"}


def test_arguments_by_keyword_only_work_and_defaults_are_sent() -> None:  # 16
    @llm_function
    def total(model: str, a: int, b: int = 20, *, c: int = 300, d: int) -> int:
        """Add."""
        raise NotImplementedError

    model = adding()
    assert total(model, 1, d=4000) == 4321
    assert arguments_in(model.requests[0]) == {"a": 1, "b": 20, "c": 300, "d": 4000}
    assert total.get_input_object(1, d=4000).model_dump() == {"a": 1, "b": 20, "c": 300, "d": 4000}
    with pytest.raises(TypeError, match="'d'"):
        total(model, 1)  # type: ignore[call-arg]


@llm_function
def echo(model: str, a: T) -> T:
    """Say it again."""
    raise NotImplementedError


def test_a_type_variable_is_the_type_of_its_argument() -> None:  # 17
    assert schema_asked_for(echo, 1) == {"type": "integer"}
    assert schema_asked_for(echo, 1.5) == {"type": "number"}


@llm_function
def pair(model: str, a: G[T], b: G[V], c: G[V]) -> H[T, V]:
    """Pair the values."""
    raise NotImplementedError


def test_the_type_variables_of_generic_models_are_resolved_one_by_one() -> None:  # 18
    model = Scripted('{"left": 1, "right": "x"}')
    assert pair(model, G[int](value=1), G[str](value="x"), G[str](value="y")) == H[int, str](left=1, right="x")
    asked = model.requests[0].schema or {}
    assert [asked["properties"][name]["type"] for name in ("left", "right")] == ["integer", "string"]


def test_a_type_variable_that_would_be_two_types_is_refused_with_the_names_of_both() -> None:  # 19
    model = returning(3)
    with pytest.raises(ValueError, match=r"`V`.* str .*float"):
        pair(model, G[int](value=1), G[str](value="x"), G[float](value=1.5))
    assert model.requests == []


def test_none_says_nothing_about_a_type_variable_and_no_model_is_asked() -> None:  # 20
    model = returning(None)
    with pytest.raises(ValueError, match="`a` is None"):
        echo(model, None)
    assert model.requests == []


def test_a_plain_argument_says_what_the_elements_of_a_list_are() -> None:  # 21
    @llm_function
    def count(model: str, a: list[T], b: T) -> dict[T, T]:
        """Count."""
        raise NotImplementedError

    assert schema_asked_for(count, [], "x")["additionalProperties"] == {"type": "string"}
    assert schema_asked_for(count, [1, 2], 3.5)["additionalProperties"] == {"type": "number"}
    model = returning(None)
    with pytest.raises(ValueError, match="two types at once"):
        count(model, ["1", "2"], 3)
    assert model.requests == []


def test_a_generic_that_was_given_other_variables_again_and_again_means_the_last_ones() -> None:  # 22
    def both(model: str, a: Any) -> list[X]:
        """List both."""
        raise NotImplementedError

    both.__annotations__["a"] = H[S, T][U, V][X, X]  # type: ignore[misc,index]
    made: Any = llm_function(both)
    assert schema_asked_for(made, H[int, int](left=1, right=2)) == {"type": "array", "items": {"type": "integer"}}
    with pytest.raises(ValueError, match=r"`X`.*int.*str"):
        made(returning(3), H[int, str](left=1, right="x"))


def test_a_generic_that_was_given_some_variables_only_leaves_the_others_open() -> None:  # 22
    def second(model: str, a: Any) -> list[V]:
        """List the second one."""
        raise NotImplementedError

    second.__annotations__["a"] = H[int, U][V]  # type: ignore[misc,index]
    assert schema_asked_for(llm_function(second), H[int, str](left=1, right="x"))["items"] == {"type": "string"}


def test_generics_within_generics_are_resolved_on_both_sides() -> None:  # 22
    @llm_function
    def outer(model: str, a: H[T, S]) -> list[T]:
        """List what is on the left."""
        raise NotImplementedError

    @llm_function
    def inner(model: str, a: H[H[T, float], S]) -> H[T, S]:
        """Take it apart."""
        raise NotImplementedError

    given = H[H[int, float], str](left=H[int, float](left=1, right=2.5), right="x")
    [taken] = outer(Scripted('[{"left": 4, "right": 0.5}]'), given)
    assert taken == H[int, float](left=4, right=0.5)
    assert inner(Scripted('{"left": 4, "right": "y"}'), given) == H[int, str](left=4, right="y")


@pytest.mark.parametrize(("items", "kind"), [(["a", "b"], "string"), ([1, 2], "integer"), ([1, 2.5], "number")])
def test_a_list_alone_says_what_its_elements_are(items: list[Any], kind: str) -> None:  # 23
    @llm_function
    def some(model: str, a: list[T]) -> set[T]:
        """Pick some."""
        raise NotImplementedError

    assert schema_asked_for(some, items)["items"] == {"type": kind}


@pytest.mark.parametrize(
    "reply", ['```json\n{"return_value": 3}\n```', 'The sum is:\n\n{"return_value": 3}\n\nDo you need anything else?']
)
def test_a_reply_in_a_fence_or_amid_prose_is_read(reply: str) -> None:  # 24
    model = Scripted(reply)
    assert add(model, 1, 2) == 3
    assert len(model.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [
        '{"return_value": 3} as in {see above}',
        '{"return_value": 3} or, as a whole, {"a": 1, "b": 2}',
        '{"return_value": 3}\n{"return_value": 3}',
        '{"return_value": 3,}',
        "3",
    ],
)
def test_a_reply_with_braces_after_it_or_twice_or_with_a_comma_too_many_or_bare_is_read(reply: str) -> None:  # 25
    model = Scripted(reply)
    assert add(model, 1, 2) == 3
    assert len(model.requests) == 1


@pytest.mark.parametrize("reply", ['{"return_value": 3} {"return_value": 4}', '{"a": 1} {"b": 2}', "three", ""])
def test_a_reply_that_holds_no_answer_or_several_is_asked_for_again(reply: str) -> None:  # 25
    model = Scripted(reply, '{"return_value": 3}')
    assert add(model, 1, 2) == 3
    assert len(model.requests) == 2


def test_an_invalid_reply_is_asked_for_again_with_what_is_wrong() -> None:  # 26
    model = Scripted('{"return_value": "many"}', '{"return_value": 3}')
    assert add(model, 1, 2) == 3
    assert len(model.requests) == 2
    assert [message.role for message in model.requests[1].messages[-2:]] == ["assistant", "user"]
    assert "valid integer" in last_question(model)


def test_three_invalid_replies_are_an_error_after_three_calls_that_tells_all_of_them() -> None:  # 26
    model = Scripted("one", "two", "three", '{"return_value": 3}')
    with pytest.raises(ReplyError, match="none of 3 replies") as caught:
        add(model, 1, 2)
    assert len(model.requests) == 3
    assert caught.value.raw == "three"
    assert len(caught.value.attempts) == 3
    assert all(word in str(told) for word, told in zip(("one", "two", "three"), caught.value.attempts, strict=True))


def test_an_error_about_invalid_replies_carries_the_conversation() -> None:  # 26
    model = Scripted("one", "two", '{"return_value": "three"}')
    with pytest.raises(ReplyError) as caught:
        add(model, 1, 2)
    assert caught.value.conversation == (*model.requests[-1].messages, Message("assistant", '{"return_value": "three"}'))
    assert [turn.role for turn in caught.value.conversation] == ["system", "user", "assistant", "user", "assistant"]
    assert caught.value.invalid == {"return_value": "three"}


def add_positional(a: int, b: int) -> int:
    """Add two numbers."""
    raise NotImplementedError


def add_default(a: int, b: int = 10) -> int:
    """Add two numbers."""
    raise NotImplementedError


def add_keywords(*, a: int, c: int = 100) -> int:
    """Add two numbers."""
    raise NotImplementedError


def test_functions_of_all_kinds_of_parameters_are_implemented() -> None:  # 27
    strategy = llm_strategy(adding())
    assert strategy(add_positional)(1, 2) == strategy(add_positional)(b=2, a=1) == 3
    assert (strategy(add_default)(1), strategy(add_default)(1, 5)) == (11, 6)
    assert (strategy(add_keywords)(a=1), strategy(add_keywords)(c=2, a=1)) == (101, 3)


@dataclass
class Counter:
    """A counter of which some members are not written yet."""

    start: int = 5

    @property
    def size(self) -> int:
        """Tell the size."""
        raise NotImplementedError

    def ahead(self, steps: int) -> int:
        """Count ahead."""
        raise NotImplementedError

    @staticmethod
    def sum(a: int, b: int) -> int:
        """Add two numbers."""
        raise NotImplementedError

    def ready_method(self, steps: int = 1) -> int:
        return self.start + steps

    @staticmethod
    def ready_static(a: int) -> int:
        return a + 1

    @classmethod
    def ready_class(cls, start: int) -> Counter:
        return cls(start)

    @property
    def ready_property(self) -> int:
        return self.start


def test_the_members_of_a_dataclass_that_are_not_written_are_the_models() -> None:  # 28
    model = returning(7)
    made = llm_strategy(model)(Counter)
    counter = made(start=5)
    assert (counter.size, counter.ahead(2), counter.sum(1, 2), made.sum(1, 2)) == (7, 7, 7, 7)
    assert len(model.requests) == 4


def test_the_members_of_a_dataclass_that_are_written_stay_as_they_are() -> None:  # 28
    model = returning(7)
    made = llm_strategy(model)(Counter)
    assert (made().ready_method(3), made.ready_static(1), made.ready_class(9).start, made().ready_property) == (8, 2, 9, 5)
    assert model.requests == []


def test_a_decorated_object_is_another_object_with_the_same_fields() -> None:  # 29
    given = Counter(start=9)
    made = llm_strategy(returning(7))(given)
    assert made is not given
    assert asdict(made) == asdict(given) == {"start": 9}
    assert (made.ahead(1), made.ready_method(1)) == (7, 10)
    with pytest.raises(NotImplementedError):
        given.ahead(1)


class Doubler(Counter):
    def ahead(self, steps: int) -> int:
        return 2 * steps


def test_what_was_made_is_of_the_class_that_it_was_made_of_and_what_a_subclass_writes_counts() -> None:  # 30
    model = returning(7)
    assert isinstance(llm_strategy(model)(Counter()), Counter)
    made = llm_strategy(model)(Doubler())
    assert isinstance(made, Doubler)
    assert (made.ahead(3), made.size) == (6, 7)

    class Tripler(llm_strategy(model)(Counter)):  # type: ignore[misc]
        def ahead(self, steps: int) -> int:
            return 3 * steps

    assert (Tripler().ahead(3), Tripler().size) == (9, 7)


@dataclass
class Customer:
    name: str
    born: date


@dataclass
class Customers:
    known: list[Customer]

    def index_of(self, query: str) -> int:
        """Find the customer that fits the query best, and tell its index."""
        raise NotImplementedError

    @staticmethod
    def invent(count: int = 1) -> list[Customer]:
        """Invent customers."""
        raise NotImplementedError


def test_invented_customers_are_customers_and_can_be_searched() -> None:  # 31
    people = [{"name": name, "born": f"19{year}-07-12"} for name, year in (("Amina", 90), ("Elias", 85), ("Sofia", 92))]
    model = Scripted(json.dumps({"return_value": people}), '```json\n{"return_value": 1}\n```')
    made = llm_strategy(model)(Customers)
    invented = made.invent(3)
    assert invented == [Customer("Amina", date(1990, 7, 12)), Customer("Elias", date(1985, 7, 12)), invented[2]]
    assert [type(customer) for customer in invented] == [Customer] * 3
    index = made(invented).index_of("who was born in 1985?")
    assert (index, invented[index].name) == (1, "Elias")
    asked = "\n".join(message.content for message in model.requests[1].messages)
    assert '{"name": "Elias", "born": "1985-07-12"}' in asked
    assert "who was born in 1985?" in asked


def test_self_needs_no_annotation() -> None:  # 32
    class Guide:
        def __init__(self, city: str) -> None:
            self.city = city

        def sights(self, limit: int = 3) -> list[str]:
            """Name the sights of the city."""
            raise NotImplementedError

    guide = llm_strategy(returning(["the opera"]))(Guide)("Oslo")
    assert guide.sights() == ["the opera"]
    assert '"city": "Oslo"' in llm_strategy(returning([]))(guide).sights.prompt()  # type: ignore[attr-defined]


class Speaker(ABC):
    @abstractmethod
    def greet(self, name: str) -> str:
        """Greet."""

    @property
    @abstractmethod
    def language(self) -> str:
        """Tell the language."""


def test_an_abstract_class_can_be_made_objects_of() -> None:  # 33
    with pytest.raises(TypeError, match="abstract"):
        Speaker()  # type: ignore[abstract]
    speaker = llm_strategy(Scripted("Hello!"))(Speaker)()
    assert (speaker.greet("Ann"), speaker.language) == ("Hello!", "Hello!")
    assert isinstance(speaker, Speaker)


@dataclass(frozen=True)
class Frozen:
    city: str

    def sights(self) -> list[str]:
        """Name the sights of the city."""
        raise NotImplementedError

    @classmethod
    def largest(cls, country: str) -> list[str]:
        """Name the largest cities."""
        raise NotImplementedError


@pytest.mark.parametrize("target", [Frozen, Frozen("Oslo")])
def test_a_frozen_dataclass_is_implemented_and_stays_frozen(target: Any) -> None:  # 34
    made: Any = llm_strategy(returning(["the opera"]))(target)
    instance = made("Oslo") if target is Frozen else made
    assert instance.sights() == ["the opera"]
    assert asdict(instance) == {"city": "Oslo"}
    with pytest.raises(FrozenInstanceError):
        instance.city = "Rome"


def test_a_property_that_the_model_answers_keeps_its_setter() -> None:  # 34
    class Mood:
        def __init__(self) -> None:
            self.history: list[str] = []

        @property
        def today(self) -> str:
            """Tell the mood of today."""
            raise NotImplementedError

        @today.setter
        def today(self, mood: str) -> None:
            self.history.append(mood)

    mood = llm_strategy(Scripted("sunny"))(Mood)()
    mood.today = "grey"
    assert (mood.today, mood.history) == ("sunny", ["grey"])


def test_a_class_method_is_the_models_through_the_class_and_through_an_object() -> None:  # 34
    model = returning(["Oslo", "Bergen"])
    made = llm_strategy(model)(Frozen)
    assert made.largest("Norway") == made("Rome").largest("Norway") == ["Oslo", "Bergen"]
    assert arguments_in(model.requests[0]) == {"country": "Norway"}


class Node(BaseModel):
    label: str
    below: list[Node] = []


@dataclass
class Couple:
    first: Customer
    second: Customer


@dataclass
class Matchmaker:
    known: list[Customer] = field(default_factory=list)

    def match(self, wish: Customer) -> Couple:
        """Match two customers."""
        raise NotImplementedError

    def tree(self) -> Node:
        """Draw the family tree."""
        raise NotImplementedError


def test_the_fields_of_self_and_the_definitions_of_types_stand_once_in_the_prompt() -> None:  # 35
    couple = {"first": {"name": "Amina", "born": "1990-07-12"}, "second": {"name": "Elias", "born": "1985-03-25"}}
    model = Scripted(json.dumps(couple))
    made = llm_strategy(model)(Matchmaker)([Customer("Amina", date(1990, 7, 12))])
    assert made.match(Customer("Elias", date(1985, 3, 25))).first == Customer("Amina", date(1990, 7, 12))
    assert (model.requests[0].schema or {})["$defs"].keys() == {"Customer"}
    asked = "\n".join(message.content for message in model.requests[0].messages)
    assert [asked.count(text) for text in ('"Amina"', '"Elias"', '"Customer": {', '"required": ["name", "born"]')] == [1] * 4


def test_a_type_that_contains_itself_is_answered() -> None:  # 35
    tree = {"label": "Amina", "below": [{"label": "Elias", "below": [{"label": "Sofia", "below": []}]}]}
    model = Scripted(json.dumps({"return_value": tree}))
    made = llm_strategy(model)(Matchmaker)()
    assert made.tree() == Node(label="Amina", below=[Node(label="Elias", below=[Node(label="Sofia")])])
    assert (model.requests[0].schema or {})["$defs"].keys() == {"Node"}
    assert len(model.requests) == 1


def test_an_explicit_function_of_a_generic_model_gives_the_generic_model_of_its_type() -> None:  # 36
    @llm_explicit_function
    def label(model: str, task: G[T]) -> H[T, str]:
        """Label the value."""
        raise NotImplementedError

    model = Scripted('{"left": 1, "right": "one"}')
    assert label(model, G[int](value=1)) == H[int, str](left=1, right="one")
    assert (model.requests[0].schema or {})["properties"]["left"]["type"] == "integer"


def test_an_explicit_function_takes_a_dataclass() -> None:  # 36
    @llm_explicit_function
    def age(model: str, customer: Customer) -> Annotated[int, Field(ge=0)]:
        """Tell the customer's age."""
        raise NotImplementedError

    model = returning(35)
    assert age(model, Customer("Amina", date(1990, 7, 12))) == 35
    assert arguments_in(model.requests[0]) == {"customer": {"name": "Amina", "born": "1990-07-12"}}
    assert age.explicit(model, age.get_input_object("Amina", date(1990, 7, 12))) == 35
