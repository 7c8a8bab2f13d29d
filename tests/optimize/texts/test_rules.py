"""What a new text has to keep."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, StringConstraints

from llm_brain.errors import DataError
from llm_brain.optimize.space import Space
from llm_brain.optimize.texts.rules import LONGEST, check_text, default_text, longest, placeholders


class Inner(BaseModel):
    words: str = Field("Inner {x}.", max_length=30)


class Plain(BaseModel):
    kind: Literal["plain"] = "plain"


class Told(BaseModel):
    kind: Literal["told"] = "told"
    words: str = Field("Told {y}.", max_length=40)
    inner: Inner = Inner()


class Knobs(BaseModel):
    free: str = "Is {message} kind?"
    short: Annotated[str, StringConstraints(max_length=20)] = "Be kind."
    inner: Inner = Inner()
    way: Plain | Told = Field(Plain(), discriminator="kind")


SPACE = Space(Knobs)


@pytest.mark.parametrize(
    ("name", "limit", "text"),
    [
        ("free", LONGEST, "Is {message} kind?"),
        ("short", 20, "Be kind."),
        ("inner.words", 30, "Inner {x}."),
        ("way[told].words", 40, "Told {y}."),
        ("way[told].inner.words", 30, "Inner {x}."),
    ],
)
def test_the_length_and_the_default_of_a_text_are_found_wherever_it_lies(name: str, limit: int, text: str) -> None:
    assert (longest(SPACE, name), default_text(SPACE, name)) == (limit, text)


def test_the_default_of_a_text_is_that_of_the_model_that_holds_it() -> None:
    class Outer(BaseModel):
        inner: Inner = Inner(words="Is {message} kind?")
        way: Plain | Told = Field(Told(words="Told {z}.", inner=Inner(words="{w}")), discriminator="kind")

    space = Space(Outer)
    names = ("inner.words", "way[told].words", "way[told].inner.words")
    assert [default_text(space, name) for name in names] == ["Is {message} kind?", "Told {z}.", "{w}"]
    with pytest.raises(DataError, match=r"has lost \{message\}"):
        check_text(space, "inner.words", "Is it kind?")


def test_a_text_that_has_lost_a_placeholder_is_refused_by_its_name() -> None:
    with pytest.raises(DataError, match=r"`free` has lost \{message\}"):
        check_text(SPACE, "free", "Is it kind?")


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(DataError, match="has 21 characters, and may have 20"):
        check_text(SPACE, "short", "x" * 21)


def test_an_empty_text_is_refused() -> None:
    with pytest.raises(DataError, match="is empty"):
        check_text(SPACE, "short", " \n")


@given(st.text(st.sampled_from("{}a ,1:"), max_size=15))
def test_other_braces_are_only_braces(noise: str) -> None:
    check_text(SPACE, "free", f"{noise} {{message}} {noise}")


@given(st.text())
def test_placeholders_stand_in_the_text(text: str) -> None:
    assert all(found in text for found in placeholders(text))
