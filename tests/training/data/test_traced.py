"""Pairs out of recorded traces: what was asked and answered comes back, and what was not recorded whole does not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from llm_brain import llm_strategy, typed
from llm_brain.errors import BackendError, DataError
from llm_brain.strategy import Details, FunctionSpec, ModelImplementation, TypedFunction, inspect_function
from llm_brain.strategy.calibration import Calibrated
from llm_brain.tracing import keep_secret, record, span
from llm_brain.training import Pair, Subject, Traced
from llm_brain.training.cascade import Answered, cascade
from tests.strategy.conftest import Scoring, Scripted
from tests.training.functions import (
    Customer,
    Model,
    Review,
    Triage,
    Urgency,
    answered_by,
    by_words,
    gathered,
    hours,
    is_before,
    method_of,
    mood,
    stars,
)


def test_calls_that_were_recorded_are_pairs(tmp_path: Path) -> None:
    function = answered_by(by_words)
    with record(tmp_path), span("a day's work"):
        function("I love it.")
        function.map(["It broke.", "i love it"])
    pairs = gathered(Traced(tmp_path), Subject.of(function))
    assert pairs.pairs == [Pair("I love it.", "happy", (), "traced"), Pair("It broke.", "unhappy", (), "traced")]
    assert dict(pairs.refused) == {"duplicate": 1}


def test_other_functions_and_failed_calls_are_no_pairs(tmp_path: Path) -> None:
    function = answered_by(lambda _, arguments: BackendError("busy", kind="server") if "b" in arguments["message"] else "happy")
    with record(tmp_path):
        function.map_details(["aaa", "bbb"])
        answered_by(lambda *_: Review(praises=True, stars=4), stars)("Good.")
    pairs = gathered(Traced(tmp_path), Subject.of(function))
    assert pairs.pairs == [Pair("aaa", "happy", (), "traced")]
    assert not pairs.refused


def test_a_models_probabilities_come_with_the_pair(tmp_path: Path) -> None:
    function = TypedFunction(inspect_function(mood), ModelImplementation(Scoring(0.75, 0.25)))
    with record(tmp_path):
        function.map(["I love it.", "It is red."])
    pairs = gathered(Traced(tmp_path), Subject.of(function))
    assert {pair.probabilities for pair in pairs.pairs} == {(0.75, 0.25)}
    assert len(pairs) == 2


def test_probabilities_that_say_another_answer_than_was_given_are_left_out(tmp_path: Path) -> None:
    calibrated = Calibrated(ModelImplementation(Scoring(0.75, 0.25)), {"mood": [-0.1, -2.0]})
    function = TypedFunction(inspect_function(mood), calibrated)
    with record(tmp_path):
        assert function("I love it.") == "unhappy"
    assert gathered(Traced(tmp_path), Subject.of(function)).pairs == [Pair("I love it.", "unhappy", (), "traced")]


def test_several_arguments_models_enums_and_models_as_answers_come_back(tmp_path: Path) -> None:
    routing = answered_by(lambda *_: True, is_before)
    reading = answered_by(lambda *_: Review(praises=True, stars=4), stars)
    guessing = answered_by(lambda *_: 12, hours)
    with record(tmp_path):
        routing(-1, other=2)
        reading("Good.")
        guessing("It broke.", 24)
    assert gathered(Traced(tmp_path), Subject.of(routing)).pairs == [Pair("number: -1\nother: 2", True, (), "traced")]
    assert gathered(Traced(tmp_path), Subject.of(reading)).pairs == [Pair("Good.", Review(praises=True, stars=4), (), "traced")]
    assert gathered(Traced(tmp_path), Subject.of(guessing)).pairs == [Pair('message: "It broke."\nlimit: 24', 12, (), "traced")]


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 48))
def test_every_call_comes_back_with_the_text_that_it_had(message: str, limit: int) -> None:
    import tempfile

    function = answered_by(lambda *_: 1, hours)
    subject = Subject.of(function)
    with tempfile.TemporaryDirectory() as folder:
        with record(folder):
            function(message, limit)
        pairs = gathered(Traced(folder), subject)
    assert [pair.text for pair in pairs.pairs] == [subject.text({"message": message, "limit": limit})]


class Order(BaseModel):
    number: int = Field(alias="orderNumber")
    placed: date


def test_dates_aliases_sets_and_enums_of_numbers_come_back(tmp_path: Path) -> None:
    def ship(order: Order, tags: set[str], urgency: Urgency, plain: dict[int, float]) -> Urgency:
        """Tell how soon it is shipped."""
        raise NotImplementedError

    function = answered_by(lambda *_: Urgency.HIGH, ship)
    subject = Subject.of(function)
    call = {
        "order": Order(orderNumber=5, placed=date(2026, 1, 2)),
        "tags": {"a"},
        "urgency": Urgency.LOW,
        "plain": {1: 0.5},
    }
    with record(tmp_path):
        function(**call)
    assert gathered(Traced(tmp_path), subject).pairs == [Pair(subject.text(call), Urgency.HIGH, (), "traced")]


def test_contents_that_were_not_captured_are_refused(tmp_path: Path) -> None:
    function = answered_by(by_words)
    with record(tmp_path, capture_content=False):
        function("I love it.")
    pairs = gathered(Traced(tmp_path), Subject.of(function))
    assert (pairs.pairs, dict(pairs.refused)) == ([], {"contents not captured": 1})


@pytest.mark.parametrize("message", ["my key is sk-live-0123456789", "the word is correct horse battery", "I love it. " * 10_000])
def test_contents_that_were_redacted_or_cut_are_refused(message: str, tmp_path: Path) -> None:
    keep_secret("correct horse battery")
    function = answered_by(by_words)
    with record(tmp_path):
        function(message)
    pairs = gathered(Traced(tmp_path), Subject.of(function))
    assert (pairs.pairs, dict(pairs.refused)) == ([], {"redacted or cut": 1})


def test_a_list_that_was_cut_is_refused(tmp_path: Path) -> None:
    def has_five(numbers: list[int]) -> bool:
        """Tell whether five is among the numbers."""
        raise NotImplementedError

    function = answered_by(lambda *_: True, has_five)
    with record(tmp_path):
        function(list(range(2000)))
    assert dict(gathered(Traced(tmp_path), Subject.of(function)).refused) == {"redacted or cut": 1}


def test_what_no_longer_fits_the_types_is_refused(tmp_path: Path) -> None:
    function = answered_by(by_words)
    with record(tmp_path):
        function("I love it.")

    def changed(message: str, customer: Customer) -> Literal["glad", "sad"]:
        """Tell the mood of the customer."""
        raise NotImplementedError

    changed.__qualname__ = "mood"
    pairs = gathered(Traced(tmp_path), Subject.of(answered_by(by_words, changed)))
    assert (pairs.pairs, dict(pairs.refused)) == ([], {"malformed": 1})


def test_the_state_of_the_object_is_read_from_the_prompt(tmp_path: Path) -> None:
    english, french = (llm_strategy(Scripted("happy"))(Triage)(language).mood for language in ("English", "French"))
    with record(tmp_path):
        english("Good.")
        french("Good.")
    pairs = gathered(Traced(tmp_path), Subject.of(typed(english)))
    assert [pair.text for pair in pairs.pairs] == [
        'self: {"language": "English"}\nmessage: "Good."',
        'self: {"language": "French"}\nmessage: "Good."',
    ]


def test_a_call_on_an_object_whose_state_was_not_recorded_is_refused(tmp_path: Path) -> None:
    function = method_of(Model(by_words), "mood")
    with record(tmp_path):
        function("I love it.")
    pairs = gathered(Traced(tmp_path), Subject.of(function))
    assert (pairs.pairs, dict(pairs.refused)) == ([], {"state not recorded": 1})


def test_calls_inside_of_a_call_do_not_speak_for_it(tmp_path: Path) -> None:
    inner = TypedFunction(inspect_function(mood), ModelImplementation(Scoring(0.75, 0.25)))

    class Twice:
        name = "twice"

        def call(self, spec: FunctionSpec, arguments: Mapping[str, Any], **_: Any) -> Details[Any]:
            del spec
            return Details(inner(arguments["message"]) == "happy", self.name)

    def praises(message: str) -> bool:
        """Tell whether it is praise."""
        raise NotImplementedError

    function: TypedFunction[..., Any] = llm_strategy(Twice())(praises)
    with record(tmp_path):
        function("Good.")
    assert gathered(Traced(tmp_path), Subject.of(function)).pairs == [Pair("Good.", True, (), "traced")]


def test_a_repaired_reply_is_one_pair(tmp_path: Path) -> None:
    reply = json.dumps({"praises": True, "stars": 4})
    function = TypedFunction(inspect_function(stars), ModelImplementation(Scripted("no idea", reply)))
    with record(tmp_path):
        function("Good.")
    assert gathered(Traced(tmp_path), Subject.of(function)).pairs == [Pair("Good.", Review(praises=True, stars=4), (), "traced")]


def test_a_folder_that_is_not_there_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no run is recorded"):
        gathered(Traced(tmp_path / "none"), Subject.of(answered_by(by_words)))


class Sure:
    """A brain that is sure of what has an x, and wrong."""

    name, function = "brain", "mood"

    def text(self, spec: Any, arguments: Any, state: Any) -> str:
        del spec, state
        return str(arguments["message"])

    def answer(self, text: str) -> Answered:
        return Answered(Details("unhappy", self.name), 0.9 if "x" in text else 0.1, torch.ones(2))


def test_what_a_cascades_brain_was_sure_of_is_not_learned_from_unless_it_is_wanted(tmp_path: Path) -> None:
    held_out = [Pair(f"x {number}", "unhappy") for number in range(20)]
    function = answered_by(by_words)
    both = cascade(Sure(), Model(by_words), agreement=0.9, held_out=held_out, audit=0.0)
    with record(tmp_path):
        TypedFunction(function.spec, both).map(["I love x.", "I love it."])
    subject = Subject.of(function)
    pairs = gathered(Traced(tmp_path), subject)
    assert [(pair.text, pair.answer) for pair in pairs.pairs] == [("I love it.", "happy")]
    assert dict(pairs.refused) == {"answered by a brain": 1}
    everybody = gathered(Traced(tmp_path, brains=True), subject)
    assert sorted((pair.text, pair.answer) for pair in everybody.pairs) == [("I love it.", "happy"), ("I love x.", "unhappy")]
