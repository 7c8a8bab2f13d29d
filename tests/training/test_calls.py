"""A call as the text that a brain reads."""

import json
from typing import Annotated, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_brain.errors import ArgumentError
from llm_brain.strategy import Hidden, inspect_function
from llm_brain.training.calls import answer_text, bound_arguments, call_arguments, call_of, call_text
from tests.training.functions import Customer, Model, Review, Urgency, answered_by, hours, is_before, method_of, mood


@given(st.text())
def test_one_text_without_a_state_is_read_as_it_is(text: str) -> None:
    assert call_text(inspect_function(mood), {"message": text}) == text


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers())
def test_several_arguments_are_a_line_of_json_each_whatever_they_hold(message: str, limit: int) -> None:
    lines = call_text(inspect_function(hours), {"limit": limit, "message": message}).splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["message", "limit"]
    assert [json.loads(line.partition(": ")[2]) for line in lines] == [message, limit]


def test_a_state_stands_above_the_arguments_and_a_single_text_has_its_name_then() -> None:
    text = call_text(inspect_function(mood), {"message": "It broke."}, {"language": "English"})
    assert text == 'self: {"language": "English"}\nmessage: "It broke."'


def test_models_and_members_of_enums_are_written_as_prompts_write_them() -> None:
    function = method_of(Model(lambda *_: "billing"), "route")
    arguments = bound_arguments(function, ("It broke.", Customer(name="Ada", since=2020)))
    text = call_text(function.spec, arguments)
    assert text == 'message: "It broke."\ncustomer: {"name": "Ada", "since": 2020}\nurgency: 1'


def test_what_the_types_hide_is_not_read() -> None:
    def login(user: str, key: Annotated[str, Hidden]) -> bool:
        """Tell whether the user may."""
        raise NotImplementedError

    assert call_text(inspect_function(login), {"user": "ada", "key": "0123456789"}) == "ada"


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from([None, {"language": "English"}]))
@example("self: it broke", None)
@example("self: it broke", {"language": "English"})
@example("self: it\nbroke", None)
def test_one_text_is_read_back_whatever_it_begins_with(message: str, state: dict[str, str] | None) -> None:
    spec = inspect_function(mood)
    assert call_arguments(spec, call_text(spec, {"message": message}, state)) == {"message": message}


def test_a_hidden_argument_is_not_read_back_from_a_text() -> None:
    def login(user: str, key: Annotated[str, Hidden]) -> bool:
        """Tell whether the user may."""
        raise NotImplementedError

    with pytest.raises(ArgumentError, match=r"`key` of .*login is hidden"):
        call_arguments(inspect_function(login), "ada")


def test_what_has_no_json_form_is_an_argument_error() -> None:
    with pytest.raises(ArgumentError, match="cannot be written as JSON"):
        call_text(inspect_function(hours), {"message": "\ud800", "limit": object()})


@pytest.mark.parametrize(
    ("answer", "text"), [("a b", "a b"), (True, "true"), (4, "4"), (None, "null"), (Urgency.HIGH, "HIGH"),
                         (Review(praises=True, stars=4), '{"praises": true, "stars": 4}')]
)  # fmt: skip
def test_an_answer_is_shown_to_a_judge_as_words_or_json(answer: Any, text: str) -> None:
    assert answer_text(answer) == text


@pytest.mark.parametrize("given_input", [(1, 2), {"number": 1, "other": "2"}, {"other": 2, "number": 1}])
def test_an_input_is_bound_as_map_binds_it(given_input: Any) -> None:
    function = answered_by(lambda *_: True, is_before)
    assert bound_arguments(function, given_input) == {"number": 1, "other": 2}
    assert call_of(function.spec, {"other": 2, "number": 1}) == ((1, 2), {})


@pytest.mark.parametrize("given_input", [(1,), (1, 2, 3), ("a", 2), {"number": 1}, "text"])
def test_an_input_that_does_not_fit_is_an_argument_error(given_input: Any) -> None:
    with pytest.raises(ArgumentError):
        bound_arguments(answered_by(lambda *_: True, is_before), given_input)
