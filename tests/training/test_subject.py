"""A function, the answers that it gives, and its teacher, put together."""

from __future__ import annotations

import pytest

from llm_brain.errors import DefinitionError
from llm_brain.strategy import Details
from llm_brain.training import Subject
from tests.training.functions import Model, answered_by, by_words, hours, method_of


def test_the_text_of_a_call_tells_the_objects_state_as_it_is_now() -> None:
    function = method_of(Model(by_words), "mood")
    subject = Subject.of(function)
    assert subject.text({"message": "Good."}) == 'self: {"language": "English"}\nmessage: "Good."'
    function.instance.language = "French"  # type: ignore[attr-defined]
    assert subject.text({"message": "Good."}) == 'self: {"language": "French"}\nmessage: "Good."'


def test_probabilities_stand_in_the_order_of_the_options() -> None:
    subject = Subject.of(answered_by(by_words))
    assert subject.probabilities(Details("happy", "model", probabilities={"unhappy": 0.2, "happy": 0.8})) == (0.8, 0.2)
    assert subject.probabilities(Details("happy", "model")) == ()


def test_a_number_has_no_options() -> None:
    assert Subject.of(answered_by(lambda *_: 1, hours)).probabilities(Details(1, "model")) == ()


def test_a_type_that_a_brain_cannot_answer_with_is_refused() -> None:
    def anything(message: str) -> int:
        """Guess a number."""
        raise NotImplementedError

    with pytest.raises(DefinitionError, match="has no bounds"):
        Subject.of(answered_by(lambda *_: 1, anything))
