"""A question that makes no sense is refused when it is made, before any model is asked."""

from __future__ import annotations

import math
from typing import Any

import pytest

from llm_brain.backends import LanguageBackend, LocalBackend, Message, Reply, Request, Sampling
from llm_brain.errors import ArgumentError

QUESTION = Request((Message("user", "Well?"),))


class Echo(LanguageBackend):
    model_id = "echo"

    def count_tokens(self, text: Any) -> int:
        return len(text)

    def chat_completion(self, request: Request) -> Reply:
        return Reply(request.messages[-1].content, "stop", self.model_id)


@pytest.mark.parametrize(
    ("numbers", "complaint"),
    [
        ({"temperature": -1}, "temperature is 0 or more, got -1"),
        ({"temperature": math.nan}, "temperature is 0 or more, got nan"),
        ({"temperature": math.inf}, "temperature is 0 or more, got inf"),
        ({"temperature": "warm"}, "temperature is 0 or more, got 'warm'"),
        ({"top_p": 2}, "top_p is from 0 to 1, got 2"),
        ({"top_p": -0.1}, "top_p is from 0 to 1, got -0.1"),
        ({"max_tokens": 0}, "max_tokens is 1 or more, got 0"),
    ],
)
def test_numbers_by_which_no_token_can_be_drawn_are_refused(numbers: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ArgumentError, match=complaint):
        Sampling(**numbers)


def test_a_role_and_a_form_that_nobody_knows_are_refused_with_the_nearest() -> None:
    with pytest.raises(ArgumentError, match="'usr' is not known: did you mean 'user'"):
        Message("usr", "Hello")
    with pytest.raises(ArgumentError, match="'complete' is not known: did you mean 'completion'"):
        Request(QUESTION.messages, form="complete")
    with pytest.raises(ArgumentError, match="is a text, got one of type NoneType"):
        Message("user", None)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [("ab", "and not one text"), (["a", "b", "a"], "'a' stands twice"), (["a", 1], "one of them is of type int")],
)
def test_options_that_cannot_be_told_apart_are_refused(tiny: LocalBackend, options: Any, complaint: str) -> None:
    for backend in (tiny, Echo()):
        with pytest.raises(ArgumentError, match=complaint):
            backend.choose_from_options(QUESTION, options)


def test_one_text_is_not_taken_for_its_letters(tiny: LocalBackend) -> None:
    with pytest.raises(ArgumentError, match=r"give a list of texts, and not one text: \['hello'\]"):
        tiny.embed("hello")
