"""Types and signatures as they are written in prompts and messages."""

# mypy: disable-error-code="empty-body,type-arg,valid-type"
# The variables below stand in types that are made while the tests run.
from __future__ import annotations

import collections.abc
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Dict, ForwardRef, Generic, List, Literal, NewType, TypeVar, Union  # noqa: UP035

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, PositiveInt
from typing_extensions import TypeAliasType, TypedDict

from llm_brain.strategy.annotations.names import signature_line, type_name

T = TypeVar("T")
S = TypeVar("S")
UserId = NewType("UserId", int)
Row = TypeAliasType("Row", list[T], type_params=(T,))


class Colour(Enum):
    RED = "red"


class B(BaseModel, Generic[T]):
    value: T


class H(BaseModel, Generic[T, S]):
    left: T
    right: S


@dataclass
class Box(Generic[T]):
    content: T


class Options(TypedDict, Generic[T]):
    chosen: T


class Outer:
    class Inner(BaseModel):
        pass


def local() -> type:
    class Near:
        pass

    return Near


@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        (int, "int"),
        (None, "None"),
        (type(None), "None"),
        (Any, "Any"),
        (typing.Self, "Self"),
        (list[int], "list[int]"),
        (List[int], "list[int]"),  # noqa: UP006 - the old way to write it
        (List, "list"),  # noqa: UP006
        (list, "list"),
        (Dict[str, List[int]], "dict[str, list[int]]"),  # noqa: UP006
        (dict[str, list[int]], "dict[str, list[int]]"),
        (set[frozenset[int]], "set[frozenset[int]]"),
        (Sequence[int], "Sequence[int]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (tuple[()], "tuple[()]"),
        (int | None, "int | None"),
        (Union[int, str, None], "int | str | None"),  # noqa: UP007
        (list[int | None], "list[int | None]"),
        (Literal["a", "b"], "Literal['a', 'b']"),
        (Literal[Colour.RED, 1], "Literal[Colour.RED, 1]"),
        (Annotated[int, Field(ge=0)], "int"),
        (list[Annotated[str, "a note"]], "list[str]"),
        (PositiveInt, "int"),
        (Callable[[int, str], bool], "Callable[[int, str], bool]"),
        (Callable[..., None], "Callable[..., None]"),
        (collections.abc.Iterator[int], "Iterator[int]"),
        (type[T], "type[T]"),
        (T, "T"),
        (UserId, "UserId"),
        (Row, "Row[T]"),
        (Row[int], "Row[int]"),
        (B, "B[T]"),
        (B[int], "B[int]"),
        (list[B], "list[B[T]]"),
        (list[B[int]], "list[B[int]]"),
        (H[T, int], "H[T, int]"),
        (H[str, B[int | None]], "H[str, B[int | None]]"),
        (Box, "Box[T]"),
        (Box[B[int]], "Box[B[int]]"),
        (Options[int], "Options[int]"),
        (Outer.Inner, "Outer.Inner"),
        (local(), "Near"),
        (Colour, "Colour"),
        ("Later", "Later"),
        (ForwardRef("Later"), "Later"),
        (list["Later"], "list[Later]"),  # type: ignore[name-defined]  # noqa: F821
    ],
)
def test_a_type_is_written_as_a_reader_writes_it(annotation: Any, name: str) -> None:
    assert type_name(annotation) == name


NAMED = [int, str, bool, None, Colour, Outer.Inner, B[int], Box[str], Literal["a", 1]]


@given(
    st.recursive(
        st.sampled_from(NAMED),
        lambda inner: st.one_of(
            inner.map(lambda kind: list[kind]),
            inner.map(lambda kind: B[kind]),
            inner.map(lambda kind: kind if kind is None else kind | None),
            st.tuples(inner, inner).map(lambda kinds: dict[kinds[0], kinds[1]]),
            st.tuples(inner, inner).map(lambda kinds: tuple[kinds]),
        ),
        max_leaves=5,
    )
)
def test_a_name_can_be_read_back_as_the_type(annotation: Any) -> None:
    assert eval(type_name(annotation), globals()) == annotation


class Kinds:
    def plain(self, message: str, limit: int = 5) -> str: ...

    def keywords(self, message: str, *, limit: int | None = None, strict: bool = False) -> str: ...

    def only_keywords(self, *, limit: int) -> str: ...

    def positional(self, message: str, /, limit: int) -> str: ...

    def only_positional(self, message: str, /) -> str: ...

    def all_kinds(self, message: str, /, limit: int, *, strict: bool = False) -> str: ...

    def none(self) -> None: ...

    @staticmethod
    def static(message: str) -> str: ...


def hints(function: Any) -> tuple[dict[str, Any], Any]:
    found = typing.get_type_hints(function, include_extras=True)
    return {name: hint for name, hint in found.items() if name != "return"}, found["return"]


@pytest.mark.parametrize(
    ("function", "line"),
    [
        (Kinds.plain, "plain(message: str, limit: int = 5) -> str"),
        (Kinds.keywords, "keywords(message: str, *, limit: int | None = None, strict: bool = False) -> str"),
        (Kinds.only_keywords, "only_keywords(*, limit: int) -> str"),
        (Kinds.positional, "positional(message: str, /, limit: int) -> str"),
        (Kinds.only_positional, "only_positional(message: str, /) -> str"),
        (Kinds.all_kinds, "all_kinds(message: str, /, limit: int, *, strict: bool = False) -> str"),
        (Kinds.none, "none() -> None"),
    ],
)
def test_a_signature_is_written_without_self(function: Any, line: str) -> None:
    assert signature_line(function, True, *hints(function)) == line


def test_a_function_without_self_keeps_its_first_parameter() -> None:
    assert signature_line(Kinds.static, False, *hints(Kinds.static)) == "static(message: str) -> str"


def test_what_is_not_among_the_parameters_is_left_out() -> None:
    def ask(model: Any, question: str) -> str: ...

    assert signature_line(ask, False, {"question": str}, str) == "ask(question: str) -> str"


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("default", "written"),
    [
        (3, " = 3"),
        ("it's", ' = "it\'s"'),
        ("two\nlines", r" = 'two\nlines'"),
        (Colour.RED, " = Colour.RED"),
        (int, " = int"),
        ((1, 2), " = (1, 2)"),
        ({"only"}, " = {'only'}"),
        ({"one", "two"}, " = ..."),
        (object(), " = ..."),
        ("long" * 100, " = ..."),
        (Unspeakable(), " = ..."),
        (Field(3, description="How many."), " = 3"),
        (Field(default_factory=list), " = ..."),
        (Field(description="How many."), ""),
        (Field(..., description="How many."), ""),
    ],
)
def test_a_default_is_written_where_it_is_short_and_the_same_in_every_process(default: Any, written: str) -> None:
    def ask(limit=default):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        pass

    assert signature_line(ask, False, {"limit": Any}, str) == f"ask(limit: Any{written}) -> str"
