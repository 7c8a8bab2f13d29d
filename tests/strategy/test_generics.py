"""Type variables: what they stand for in a call, told from its arguments, and the types that come of it."""

# mypy: disable-error-code="valid-type"
# The variables below stand in types that are made while the tests run.
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, List, Literal, NamedTuple, NotRequired, Protocol, TypeVar  # noqa: UP035

import pytest
import typing_extensions
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter
from typing_extensions import TypeAliasType, TypedDict

from llm_brain.errors import ArgumentError
from llm_brain.strategy import ModelImplementation, TypedFunction, inspect_function, llm_strategy
from llm_brain.strategy.annotations.generics import resolve_type_variables, substitute, type_variables, unresolved
from tests.strategy.conftest import Answering, Scripted, never

S = TypeVar("S")
T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")
X = TypeVar("X")
Constrained = TypeVar("Constrained", int, str)
Bound = TypeVar("Bound", bound=int)
BoundLater = TypeVar("BoundLater", bound="NotYetDefined")  # type: ignore[name-defined]  # noqa: F821
Defaulted = typing_extensions.TypeVar("Defaulted", default=int)
Derived = typing_extensions.TypeVar("Derived", default=list[Defaulted])
NOT_EMPTY = Field(min_length=1)
Row = TypeAliasType("Row", list[T], type_params=(T,))


class G(BaseModel, Generic[T]):
    value: T


class H(BaseModel, Generic[T, S]):
    left: T
    right: S


class Counted(G[int]):
    pass


class Rows(G[list[V]], Generic[V]):
    name: str = ""


class Leaf(BaseModel, Generic[T]):
    items: list[T] = []
    below: list[Leaf[T]] = []


@dataclass
class Box(Generic[T]):
    content: T


@dataclass(frozen=True)
class Sealed(Generic[T]):
    content: T


@dataclass
class Crate(Box[list[V]], Generic[V]):
    label: str = ""


class Pair(NamedTuple, Generic[T]):
    first: T
    second: T


class Options(TypedDict, Generic[T]):
    chosen: T
    others: NotRequired[list[T]]


class Plain(Generic[T]):
    content: T

    def __init__(self, content: T) -> None:
        self.content = content


class Names(list[str]):
    pass


class Animal:
    pass


class Dog(Animal):
    pass


class Cat(Animal):
    pass


def of(annotation: Any, value: Any) -> Any:
    """Tell what the one type variable of an annotation stands for when a parameter of it is given a value."""
    (found,) = resolve_type_variables({"a": annotation}, {"a": value}).values()
    return found


@pytest.mark.parametrize(
    ("annotation", "variables"),
    [
        (int, ()),
        (None, ()),
        (T, (T,)),
        (dict[S, list[T | S]], (S, T)),
        (Annotated[T, Field(examples=[[1]])], (T,)),
        (Annotated[int, T], ()),
        (Literal["T", 1], ()),
        (G, (T,)),
        (G[int], ()),
        (H[U, int], (U,)),
        (list[H[U, V]], (U, V)),
        (Box[tuple[T, S]], (T, S)),
        (Options[T], (T,)),
        (Pair[T] | None, (T,)),
        (Row[T], (T,)),
        (type[T], (T,)),
        (List[T], (T,)),  # noqa: UP006 - the old way to write it
        (Callable[[T], S], (T, S)),
        ("a name", ()),
    ],
)
def test_the_variables_of_a_type_are_listed_in_their_order(annotation: Any, variables: tuple[Any, ...]) -> None:
    assert type_variables(annotation) == variables


def test_a_variable_stands_for_the_type_of_its_argument() -> None:
    types = resolve_type_variables({"a": T}, {"a": 3})
    assert TypeAdapter(substitute(T, types)).json_schema() == {"type": "integer"}


def test_variables_are_found_in_the_arguments_of_generic_models() -> None:
    parameters = {"a": G[U], "b": G[V]}
    types = resolve_type_variables(parameters, {"a": G[int](value=1), "b": G[str](value="")})
    assert substitute(H[U, V], types) is H[int, str]


def test_several_places_may_say_the_same() -> None:
    parameters = {"a": H[U, int], "b": H[int, V], "c": H[V, V], "d": H[U, U]}
    whole, words = H[int, int](left=1, right=1), H[str, str](left="", right="")
    types = resolve_type_variables(parameters, {"a": whole, "b": H[int, str](left=1, right=""), "c": words, "d": whole})
    assert types == {U: int, V: str}


def test_a_contradiction_names_both_types_and_both_places() -> None:
    arguments = {"a": G[int](value=0), "b": G[str](value=""), "c": G[float](value=0.0)}
    with pytest.raises(ValueError, match=r"`V` .* str \(`b`\) and float \(`c`\)") as caught:
        resolve_type_variables({"a": G[U], "b": G[V], "c": G[V]}, arguments)
    assert isinstance(caught.value, ArgumentError)


def test_none_says_nothing_about_a_type() -> None:
    with pytest.raises(ArgumentError, match=r"`a` is None, .* `T`"):
        resolve_type_variables({"a": T}, {"a": None})
    assert resolve_type_variables({"a": T | None}, {"a": None}) == {}
    assert resolve_type_variables({"a": T | None, "b": T}, {"a": None, "b": 3}) == {T: int}
    assert resolve_type_variables({"a": list[T]}, {"a": [None, 2]}) == {T: int}
    assert resolve_type_variables({"a": Annotated[Defaulted, "a note"]}, {"a": None}) == {Defaulted: int}


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_a_plain_argument_says_more_than_the_elements_of_a_container(order: tuple[str, ...]) -> None:
    parameters = {"a": list[T], "b": T}
    arguments = {"a": [1, 2], "b": 2.5}
    assert resolve_type_variables({name: parameters[name] for name in order}, arguments) == {T: float}


@pytest.mark.parametrize(("elements", "plain"), [(["1"], 2), ([1.5], 1), ([1, "x"], 2.5), ([True], 1), ([["a"]], [1])])
def test_elements_that_are_not_of_a_plain_arguments_type_contradict_it(elements: list[Any], plain: Any) -> None:
    with pytest.raises(ArgumentError, match=r"`T` cannot be two types at once: .* \(`b`\) and .* \(`a\["):
        resolve_type_variables({"a": list[T], "b": T}, {"a": elements, "b": plain})


@pytest.mark.parametrize(("elements", "plain"), [([1], 2.5), ([Counted(value=1)], G[int](value=2)), ([[1]], []), ([None, 1], 2)])
def test_elements_within_a_plain_arguments_type_agree_with_it(elements: list[Any], plain: Any) -> None:
    assert resolve_type_variables({"a": list[T], "b": T}, {"a": elements, "b": plain}) == {T: type(plain)}


@pytest.mark.parametrize(
    ("elements", "kind", "expected"),
    [([1], G[int | str], int | str), ([1, "x"], G[int | str], int | str), ([True], G[bool | None], bool | None)],
)
def test_elements_may_be_of_any_member_of_a_declared_union(elements: list[Any], kind: Any, expected: Any) -> None:
    assert resolve_type_variables({"a": list[T], "b": G[T]}, {"a": elements, "b": kind(value=elements[0])}) == {T: expected}


def test_elements_alone_are_enough() -> None:
    assert of(list[T], ["a", "b"]) is str
    assert resolve_type_variables({"a": list[T]}, {"a": []}) == {}


def test_models_parametrised_in_steps_keep_their_variables_in_order() -> None:
    model: Any = H[S, T][U, V][X, X]
    assert type_variables(model) == (X,)
    assert of(model, H[int, int](left=1, right=1)) is int
    assert of(H[int, U][V], H[int, str](left=1, right="")) is str  # type: ignore[misc]


def test_models_within_models_are_resolved_on_both_sides() -> None:
    inner = H[int, float](left=1, right=2.0)
    value = H[H[int, float], str](left=inner, right="x")
    assert resolve_type_variables({"a": H[U, V]}, {"a": value}) == {U: H[int, float], V: str}
    assert resolve_type_variables({"a": H[H[U, float], V]}, {"a": value}) == {U: int, V: str}


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (G[T], Counted(value=1), int),
        (G[T], Rows[int](value=[1]), list[int]),
        (G[list[T]], Rows[int](value=[1]), int),
        (Rows[T], Rows[int](value=[1]), int),
        (G[T], G(value="x"), str),
        (G[T], G[Any](value="x"), str),
        (G[T], G[int | None](value=None), int | None),
        (G[T | None], G[int | None](value=None), int),
        (G[T | None], G[int](value=1), int),
        (G[Sequence[T]], G[list[int]](value=[1]), int),
        (G[Annotated[T, "a note"]], G[int](value=1), int),
        (G[Row[T]], G[list[int]](value=[]), int),
        (G[T], {"value": 2}, int),
        (G[list[U]], G(value=["x"]), str),
        (Leaf[T], Leaf(below=[Leaf(items=[1])]), int),
        (Box[T], Box("x"), str),
        (Box[T], Box[float](1), float),
        (Box[list[T]], Crate[int]([1]), int),
        (Box[list[T]], Crate([1]), int),
        (Crate[T], Crate([1]), int),
        (Sealed[T], Sealed[float](1.0), float),
        (Plain[T], Plain(1), int),
        (list[Box[T]], [Box("x")], str),
        (Pair[T], Pair(1, 2), int),
        (Options[T], {"chosen": "x", "others": []}, str),
        (tuple[T, ...], (1, 2), int),
        (tuple[str, T], ("x", 2), int),
        (set[T], {"x"}, str),
        (frozenset[T], frozenset([1]), int),
        (Sequence[T], ["x"], str),
        (Mapping[str, T], {"x": 1}, int),
        (dict[T, int], {"x": 1}, str),
        (dict[str, list[T]], {"x": [], "y": [1.5]}, float),
        (list[T], Names(["x"]), str),
        (Row[T], ["x"], str),
        (Annotated[list[T], Field(min_length=1)], [1], int),
        (type[T], Animal, Animal),
        (type[G[T]], G[int], int),
        (T | str, 1, int),
        (list[T] | T, [1], int),
        (list[T] | dict[str, T], {"x": 1.5}, float),
        (T | Literal["none"], True, bool),
        (List[T], [1], int),  # noqa: UP006
    ],
)
def test_a_variable_is_found_wherever_it_stands(annotation: Any, value: Any, expected: Any) -> None:
    assert of(annotation, value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, bool),
        ([1, 2], list[int]),
        ([1, "x"], list[int | str]),
        ([1, None], list[int | None]),
        ([[1], []], list[list[int]]),
        ([{"x": 1}, {"x": ""}], list[dict[str, int | str]]),
        ((1, "x"), tuple[int, str]),
        ((), tuple[()]),
        ([], list),
        ({}, dict),
        (G(value=1), G[int]),
        (G[list[V]](value=["x"]), G[list[str]]),
        (Box([1]), Box[list[int]]),
        (Plain("x"), Plain[str]),
        (Names(["x"]), Names),
    ],
)
def test_the_type_of_a_value_has_its_arguments(value: Any, expected: Any) -> None:
    assert of(T, value) == expected


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ([Dog(), Animal(), Cat()], Animal),
        ([1, 2.5], float),
        ([{"x": 1}, {"y": "z"}], dict[str, int | str]),
        ([[], [1]], list[int]),
    ],
)
def test_elements_of_related_types_have_the_wider_one(elements: list[Any], expected: Any) -> None:
    assert of(list[T], elements) == expected
    assert of(list[T], elements[::-1]) == expected


@pytest.mark.parametrize("elements", [[1, True], [1, "x"], [Dog(), Cat()], [G[int](value=1), G[str](value="")]])
def test_elements_of_types_that_have_nothing_in_common_contradict_each_other(elements: list[Any]) -> None:
    with pytest.raises(ArgumentError, match=r"`T` .*`a\[0\]`.*`a\[1\]`"):
        of(list[T], elements)


def test_declared_containers_are_taken_at_their_word() -> None:
    with pytest.raises(ArgumentError, match=r"list\[int\].*list\[str\]"):
        resolve_type_variables({"a": G[T], "b": G[T]}, {"a": G[list[int]](value=[1]), "b": G[list[str]](value=["x"])})


def test_what_is_ambiguous_or_cannot_be_looked_at_says_nothing() -> None:
    def endless() -> Iterator[int]:
        while True:
            yield 1

    unread = endless()
    for annotation, value in [(T | S, 1), (int | T, 1), (list[T] | list[S], [1]), (Sequence[T], unread), (Sequence[T], "text")]:
        assert resolve_type_variables({"a": annotation}, {"a": value}) == {}


def test_bounds_and_constraints_are_kept() -> None:
    assert of(Bound, True) is bool
    assert of(Constrained, True) is int
    assert of(list[Constrained], [1, True]) is int
    assert of(BoundLater, 1) is int
    with pytest.raises(ArgumentError, match=r"`Bound` is str \(`a`\), and should be int"):
        of(Bound, "x")
    with pytest.raises(ArgumentError, match=r"`Constrained` is float \(`a\[0\]`\), and should be one of int, str"):
        of(list[Constrained], [2.5])


def test_a_protocol_that_cannot_tell_bounds_nothing() -> None:
    class Sized(Protocol):
        def size(self) -> int: ...

    Open = TypeVar("Open", bound=Sized)
    assert of(Open, 1) is int


def test_what_nothing_is_said_about_has_its_default() -> None:
    assert resolve_type_variables({"a": list[Defaulted]}, {"a": []}) == {Defaulted: int}
    assert resolve_type_variables({"a": list[Defaulted]}, {"a": ["x"]}) == {Defaulted: str}
    assert substitute(dict[str, Derived], {Defaulted: str}) == dict[str, list[str]]
    assert unresolved(dict[Defaulted, T], {}) == (T,)
    assert unresolved(dict[S, T], {S: int, T: str}) == ()


class Store(Generic[T]):
    def __init__(self, *items: T) -> None:
        self.items = items


class NumberStore(Store[float]):
    pass


class ModelStore(BaseModel, Generic[T]):
    items: list[T] = []


@dataclass
class FieldStore(Generic[T]):
    items: list[T]


def test_the_object_whose_method_is_called_comes_first() -> None:
    parameters, arguments = {"item": T}, {"item": 1}
    owner: Any
    for owner in (Store[float](), NumberStore(), ModelStore[float](), ModelStore[float], FieldStore[float]([])):
        assert resolve_type_variables(parameters, arguments, owner=owner) == {T: float}
    assert resolve_type_variables(parameters, {"item": None}, owner=Store[int | None]()) == {T: int | None}


def test_an_object_that_was_made_without_a_type_leaves_it_to_the_arguments_and_then_to_its_fields() -> None:
    owner: Any
    for owner in (Store(1), ModelStore(items=[1]), FieldStore([1])):
        assert resolve_type_variables({"item": T}, {"item": "x"}, owner=owner) == {T: str}
    for owner in (ModelStore(items=[1]), FieldStore([1])):
        assert resolve_type_variables({}, {}, owner=owner) == {T: int}
    assert resolve_type_variables({}, {}, owner=3) == {}


def test_an_argument_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ArgumentError, match="contains itself"):
        of(T, endless)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (T, int),
        (S, S),
        (int, int),
        (list[T] | None, list[int] | None),
        (Annotated[list[T], NOT_EMPTY, "a note"], Annotated[list[int], NOT_EMPTY, "a note"]),
        (G[T], G[int]),
        (G, G[int]),
        (H[T, S], H[int, S]),
        (dict[str, H[list[T], str]], dict[str, H[list[int], str]]),
        (Box[T], Box[int]),
        (Pair[list[T]], Pair[list[int]]),
        (Options[T], Options[int]),
        (Row[T], Row[int]),
        (tuple[T, ...], tuple[int, ...]),
        (tuple[T, S], tuple[int, S]),
        (type[T], type[int]),
        (List[T], list[int]),  # noqa: UP006
        (Callable[[T, S], T], Callable[[int, S], int]),
        (Literal["T"], Literal["T"]),
    ],
)
def test_types_take_the_places_of_the_variables(annotation: Any, expected: Any) -> None:
    assert substitute(annotation, {T: int}) == expected


def join(left: G[T], right: G[S]) -> H[T, S]:
    """Join them."""
    raise NotImplementedError


def first(items: list[T], otherwise: T) -> T:
    """Return the first one."""
    raise NotImplementedError


def test_a_typed_function_is_asked_for_and_gives_the_types_of_its_call() -> None:
    backend = Scripted('{"left": 1, "right": "2"}')
    joined: Any = TypedFunction(inspect_function(join), ModelImplementation(backend))(G[int](value=1), G[str](value="x"))
    assert type(joined) is H[int, str]
    assert joined == H[int, str](left=1, right="2")
    schema = backend.requests[0].schema
    assert schema is not None
    assert [part["type"] for part in schema["properties"].values()] == ["integer", "string"]


@pytest.mark.parametrize(("items", "otherwise"), [([1], None), ([1], "x"), ([], None)])
def test_a_call_that_contradicts_itself_asks_nobody(items: list[Any], otherwise: Any) -> None:
    backend = Answering(never)
    with pytest.raises(ArgumentError, match="first"):
        TypedFunction(inspect_function(first), ModelImplementation(backend))(items, otherwise)
    assert backend.requests == []


def test_what_no_argument_tells_cannot_be_returned() -> None:
    backend = Answering(never)

    def invent(topic: str, like: list[T]) -> T:
        """Invent one."""
        raise NotImplementedError

    with pytest.raises(ArgumentError, match="invent"):
        TypedFunction(inspect_function(invent), ModelImplementation(backend))("rain", [])
    assert backend.requests == []


@llm_strategy(Scripted("3.5"))
class Shelf(Generic[T]):
    def __init__(self, *items: T) -> None:
        self.items = items

    def nearest(self, item: T) -> T:
        """Return the nearest one."""
        raise NotImplementedError


def test_a_decorated_class_stays_generic() -> None:
    assert Shelf[float](1.0).nearest(3) == 3.5
    with pytest.raises(ArgumentError, match="valid number"):
        Shelf[float](1.0).nearest("x")


# What a variable can stand for, with values of it.
LEAVES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers()),
    (bool, st.booleans()),
    (str, st.text(max_size=3)),
    (float, st.floats(allow_nan=False)),
    (list[str], st.lists(st.text(max_size=3), min_size=1, max_size=3)),
    (dict[str, int], st.dictionaries(st.text(max_size=3), st.integers(), min_size=1, max_size=3)),
    (tuple[int, str], st.tuples(st.integers(), st.text(max_size=3))),
    (G[int], st.integers().map(lambda value: G[int](value=value))),
    (Box[str], st.text(max_size=3).map(Box[str])),
]
# How a type is built around others, and a value around theirs.
SHAPES: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
    (lambda kind: list[kind], lambda value: [value]),
    (lambda kind: Sequence[kind], lambda value: (value,)),
    (lambda kind: tuple[kind, ...], lambda value: (value, value)),
    (lambda kind: kind | None, lambda value: value),
    (lambda kind: Annotated[kind, "a note"], lambda value: value),
    (lambda kind: dict[str, kind], lambda value: {"a": value}),
    (lambda kind: G[kind], lambda value: G(value=value)),
    (lambda kind: Box[kind], Box),
    (lambda kind: Options[kind], lambda value: {"chosen": value}),
    (lambda kind: H[str, kind], lambda value: H(left="", right=value)),
    (lambda kind: tuple[int, kind], lambda value: (1, value)),
]


@given(
    leaf=st.sampled_from(range(len(LEAVES))).flatmap(lambda at: st.tuples(st.just(LEAVES[at][0]), LEAVES[at][1])),
    shapes=st.lists(st.sampled_from(SHAPES), max_size=4),
)
def test_what_was_put_into_a_type_is_found_in_it_again(leaf: tuple[Any, Any], shapes: list[Any]) -> None:
    binding, value = leaf
    annotation: Any = T
    expected = binding
    for of_type, of_value in shapes:
        annotation, expected, value = of_type(annotation), of_type(expected), of_value(value)
    types = resolve_type_variables({"a": annotation}, {"a": value})
    assert types == {T: binding}
    assert substitute(annotation, types) == expected
