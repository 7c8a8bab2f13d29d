"""What `@llm_strategy` refuses, at decoration and by name."""

from __future__ import annotations

import enum
from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol, overload

import pytest
from pydantic import BaseModel

from llm_brain.errors import DefinitionError, ModelNameError
from llm_brain.strategy import llm_strategy
from tests.strategy.conftest import Scripted

MODEL = Scripted('{"return_value": 7}')


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


def async_property() -> type:
    class C:
        @property
        async def mood(self) -> int:
            """Tell."""
            raise NotImplementedError

    return C


def async_cached_property() -> type:
    class C:
        @cached_property
        async def mood(self) -> int:
            """Tell."""
            raise NotImplementedError

    return C


def overloads_only() -> type:
    class C(Protocol):
        @overload
        def mood(self, text: str) -> str: ...
        @overload
        def mood(self, text: int) -> int: ...

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
        (async_property, "make it a method"),
        (async_cached_property, "make it a method"),
        (overloads_only, "has overloads only"),
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


def test_a_class_that_cannot_be_subclassed_is_refused() -> None:
    class Mood(enum.Enum):
        GOOD = 1

        def reason(self) -> str:
            """Give a reason."""
            raise NotImplementedError

    for refused in (Mood, Mood.GOOD):
        with pytest.raises(DefinitionError, match=r"Mood` cannot be implemented, as it cannot be subclassed"):
            llm_strategy(MODEL)(refused)


def test_a_member_of_the_name_using_is_refused() -> None:
    class Taken:
        def using(self, tool: str) -> str:
            """Use it."""
            raise NotImplementedError

    class Taker(Taken):
        pass

    class Field(BaseModel):
        using: str

        def use(self) -> str:
            """Use it."""
            raise NotImplementedError

    for refused in (Taken, Taker, Field):
        with pytest.raises(DefinitionError, match="`using`"):
            llm_strategy(MODEL)(refused)


def test_an_unknown_model_is_named_at_decoration() -> None:
    with pytest.raises(ModelNameError, match="did you mean 'local'"):
        llm_strategy("locl")
    with pytest.raises(ModelNameError, match="type is no model"):
        llm_strategy(no_docs())


def test_a_hosted_model_needs_no_key_until_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    @llm_strategy("openai:gpt-5-mini")
    class Quiz:
        def f(self) -> int:
            """Count."""
            raise NotImplementedError

    quiz: Any = Quiz()
    assert quiz.f.implementation.name == "openai:gpt-5-mini"
