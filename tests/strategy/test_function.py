"""Typed functions as objects: equal, hashed, pickled and copied as Python's functions and methods are."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Generator
from typing import Any

from llm_brain.backends import resolve_model
from llm_brain.strategy import (
    AsyncTypedFunction,
    TypedFunction,
    inspect_function,
    llm_function,
    llm_strategy,
    typed,
    use_model,
    use_texts,
)
from tests.strategy.conftest import Scripted


@llm_strategy("local")
class Quiz:
    def capital(self, country: str) -> str:
        """Name the capital."""
        raise NotImplementedError

    @classmethod
    def level(cls) -> int:
        """Tell the level."""
        raise NotImplementedError


@llm_function
def greet(model: Any, name: str) -> str:
    """Greet."""
    raise NotImplementedError


def test_two_looks_at_a_method_of_one_object_are_equal_and_of_two_objects_are_not() -> None:
    quiz, other = Quiz(), Quiz()
    assert quiz.capital == quiz.capital
    assert hash(quiz.capital) == hash(quiz.capital)
    assert quiz.capital != other.capital
    assert Quiz.level == Quiz.level
    callbacks = [quiz.capital]
    callbacks.remove(quiz.capital)
    assert not callbacks


def test_views_are_pickled_and_copied_as_what_they_are() -> None:
    view = typed(Quiz().capital).aio
    for again in (pickle.loads(pickle.dumps(view)), copy.copy(view), copy.deepcopy(view)):
        assert type(again) is AsyncTypedFunction
        assert again.spec is view.spec
    given = pickle.loads(pickle.dumps(greet.using("local")))
    assert type(given) is TypedFunction
    assert given.spec is greet.spec


def test_what_hangs_on_a_function_stays_and_hides_no_method() -> None:
    def invent(topic: str) -> str:
        """Invent."""
        raise NotImplementedError

    vars(invent).update(spec="mine", map="mine", note="kept")
    function = TypedFunction(inspect_function(invent), Scripted("x"))  # type: ignore[arg-type]
    assert function.spec.name == "invent"
    assert callable(function.map)
    assert vars(function)["note"] == "kept"


def test_a_scope_that_ends_in_another_context_ends_quietly() -> None:
    def scopes() -> Generator[int, None, None]:
        with use_model(resolve_model("local")), use_texts({}):
            yield 1

    import contextvars

    generator = scopes()
    assert contextvars.copy_context().run(next, generator) == 1
    generator.close()
