"""Functions that are given their model at each call."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.language_models.llms import LLM
from langchain_core.runnables import Runnable
from pydantic import BaseModel

from llm_brain.backends import LanguageBackend
from llm_brain.errors import ArgumentError, DefinitionError, ModelNameError
from llm_brain.strategy import Details, Implementation
from llm_brain.strategy.explicit import llm_function
from tests.strategy.conftest import Scripted, last_question

T = TypeVar("T")


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


def test_the_model_comes_first_and_the_arguments_after() -> None:
    model = Scripted('{"return_value": 3}')
    assert add(model, 1, 2) == 3
    assert last_question(model).endswith("a: 1\nb: 2\nc: 0")
    assert "model" not in add.using(model).prompt(1)


@given(st.integers(), st.integers(), st.integers())
def test_positional_default_and_keyword_only_arguments_reach_the_implementer(a: int, b: int, c: int) -> None:
    assert add(Adder(), a, b, c=c) == a + b + c
    assert add(Adder(), b=b, a=a) == a + b
    assert add(Adder(), a) == a + 2


def test_it_keeps_its_name_docs_signature_and_attributes() -> None:
    def plain(model: Any, a: int) -> int:
        """Answer."""
        raise NotImplementedError

    plain.colour = "red"  # type: ignore[attr-defined]
    made: Any = llm_function(plain)
    assert (made.__name__, made.__doc__, made.__module__) == ("plain", "Answer.", __name__)
    assert inspect.signature(made) == inspect.signature(plain)
    assert made.colour == "red"
    assert made.__code__ is plain.__code__
    assert {"colour", "__code__", "explicit", "using"} <= set(dir(made))
    with pytest.raises(AttributeError, match="size"):
        _ = made.size


def annotated(annotation: Any) -> Any:
    def ask(model: Any, question: str) -> str:
        """Answer."""
        raise NotImplementedError

    ask.__annotations__["model"] = annotation
    return ask


def unannotated() -> Any:
    def ask(model, question: str) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001
        """Answer."""
        raise NotImplementedError

    return ask


@pytest.mark.parametrize(
    "annotation",
    [
        *(
            str,
            Any,
            object,
            LanguageBackend,
            Scripted,
            Implementation,
            Adder,
            BaseChatModel,
            LLM,
            Runnable,
            Runnable[Any, Any],
            T,
        ),
        *(str | LanguageBackend, BaseChatModel | None, "LanguageBackend", "str | BaseChatModel", "Absent"),
    ],
)
def test_the_first_parameter_may_be_annotated_with_whatever_a_model_is(annotation: Any) -> None:
    assert llm_function(annotated(annotation))(Scripted("fine"), "how?") == "fine"


def test_the_first_parameter_may_be_left_without_annotation() -> None:
    assert llm_function(unannotated())(Scripted("fine"), "how?") == "fine"


@pytest.mark.parametrize("annotation", [int, "int", list[str], int | float, Ticket, None])
def test_a_first_parameter_that_takes_no_model_is_refused(annotation: Any) -> None:
    with pytest.raises(ValueError, match=r"first parameter `model` of .*ask` takes the model"):
        llm_function(annotated(annotation))


@pytest.mark.parametrize("wrong", [3, None, "lokal", object(), Ticket(text="a")])
def test_a_first_argument_that_is_no_model_is_refused_before_any_call(wrong: Any) -> None:
    with pytest.raises(ModelNameError):
        add(wrong, 1, 2)
    with pytest.raises(ValueError, match="model"):
        add(wrong, 1, 2)


def test_a_langchain_model_answers() -> None:
    assert add(FakeListChatModel(responses=['{"return_value": 3}']), 1) == 3


def test_a_name_is_resolved_once() -> None:
    assert add.using("openai:gpt-5-mini") is add.using("openai:gpt-5-mini")


def test_a_missing_argument_is_named_and_one_too_many_is_refused() -> None:
    with pytest.raises(TypeError, match="'a'"):
        add(Adder())  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="too many"):
        add(Adder(), 1, 2, 3)  # type: ignore[call-arg]
    with pytest.raises(ArgumentError, match="`a`"):
        add(Adder(), "many")  # type: ignore[arg-type]


def test_the_typed_function_of_a_model_maps_and_tells_details() -> None:
    assert add.using(Adder()).map([1, (2, 5), {"a": 4, "c": 1}]) == [3, 7, 7]
    assert add.using(Adder()).with_details(1).implementation == "adder"


def test_an_async_function_is_awaited() -> None:
    @llm_function
    async def count(model: str, text: str) -> int:
        """Count."""
        raise NotImplementedError

    async def all_of_them() -> list[int]:
        model = Scripted('{"return_value": 3}')
        explicit = await count.explicit(model, count.get_input_object("a"))
        return [await count(model, "a"), explicit, *await count.using(model).map(["a", "b"])]

    assert asyncio.run(all_of_them()) == [3] * 4


class Sums:
    @staticmethod
    @llm_function
    def inner(model: Any, a: int) -> int:
        """Add."""
        raise NotImplementedError

    @llm_function
    @staticmethod
    def outer(model: Any, a: int) -> int:
        """Add."""
        raise NotImplementedError

    @llm_function
    def bare(model: Any, a: int) -> int:  # noqa: N805
        """Add."""
        raise NotImplementedError


def test_in_a_class_it_is_a_static_method_either_way() -> None:
    made = (Sums.inner, Sums().inner, Sums.outer, Sums().outer, Sums.bare, Sums().bare)
    assert [function(Adder(), 3) for function in made] == [3] * 6
    assert Sums.outer.spec.qualified_name == "Sums.outer"


@pytest.mark.parametrize("function", [add, Sums.inner, Sums.outer])
def test_it_is_pickled_and_copied_by_its_name(function: Any) -> None:
    assert pickle.loads(pickle.dumps(function)) is function
    assert copy.deepcopy(function) is function


def test_a_function_that_cannot_be_asked_is_refused() -> None:
    def full(model: Any, a: int) -> int:
        """Answer."""
        return a if model else 0

    def nothing() -> int:
        """Answer."""
        raise NotImplementedError

    def undocumented(model: Any, a: int) -> int:
        raise NotImplementedError

    with pytest.raises(DefinitionError, match="no function without a body"):
        llm_function(full)
    with pytest.raises(DefinitionError, match="takes no model"):
        llm_function(nothing)
    with pytest.raises(DefinitionError, match="no docstring"):
        llm_function(undocumented)
