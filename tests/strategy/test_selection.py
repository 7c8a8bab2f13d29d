"""Who answers: the declared model, or the one of the scope."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from llm_brain.errors import DefinitionError, ModelNameError
from llm_brain.strategy import Details, llm_function, llm_strategy, use_model
from tests.strategy.conftest import Scripted


class Constant:
    """An implementation that is no language model."""

    name = "constant"

    def __len__(self) -> int:
        return 0

    def call(self, spec: Any, arguments: Any, *, state: Any = None, sample: int = 0) -> Details:
        del spec, arguments, state, sample
        return Details("constant", self.name)


@llm_strategy(Scripted("declared"))
class Oracle:
    def ask(self, question: str = "?") -> str:
        """Answer."""
        raise NotImplementedError


def test_a_scope_chooses_the_model_and_ends() -> None:
    with use_model(Scripted("outer")):
        assert Oracle().ask() == "outer"
        with use_model(Constant()):
            assert Oracle().ask() == "constant"
        assert Oracle().ask() == "outer"
    assert Oracle().ask() == "declared"


def test_a_scope_ends_with_an_error_too() -> None:
    with pytest.raises(RuntimeError), use_model(Scripted("outer")):
        raise RuntimeError
    assert Oracle().ask() == "declared"


def test_a_scope_does_not_leak_into_other_threads_or_tasks() -> None:
    heard: list[str] = []
    with use_model(Scripted("here")):
        thread = threading.Thread(target=lambda: heard.append(Oracle().ask()))
        thread.start()
        thread.join()
    assert heard == ["declared"]

    async def scoped(name: str) -> str:
        with use_model(Scripted(name)):
            await asyncio.sleep(0.01)
            return Oracle().ask()

    async def both() -> list[str]:
        return list(await asyncio.gather(scoped("a"), scoped("b")))

    assert asyncio.run(both()) == ["a", "b"]


def test_an_unknown_name_is_refused_where_it_stands() -> None:
    with pytest.raises(ModelNameError), use_model("gpt"):
        pass


def test_only_language_models_have_a_prompt() -> None:
    with use_model(Constant()), pytest.raises(DefinitionError, match="'constant', which is not prompted"):
        Oracle().ask.prompt()  # type: ignore[attr-defined]


def test_the_embedded_model_answers_a_typed_question() -> None:
    with use_model("local"):
        details = Yes().is_capital.with_details("Paris", "France")  # type: ignore[attr-defined]
    assert details.implementation == "smollm2-135m-instruct"
    assert sum(details.probabilities.values()) == pytest.approx(1)


@llm_strategy(Scripted("true"))
class Yes:
    def is_capital(self, city: str, country: str) -> bool:
        """Tell whether the city is the capital of the country."""
        raise NotImplementedError


def test_a_model_that_is_given_with_the_call_itself_is_the_one_that_answers() -> None:
    @llm_function
    def name(model: object) -> str:
        """Name yourself."""
        raise NotImplementedError

    with use_model(Scripted("scope")):
        assert name(Scripted("given")) == "given"
