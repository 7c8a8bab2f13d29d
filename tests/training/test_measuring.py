"""Measuring counts what is right, what failed, and how sure the share is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from llm_brain.errors import ArgumentError, BackendError, DataError, LLMBrainError
from llm_brain.strategy import TypedFunction
from llm_brain.training.answers import answer_for
from llm_brain.training.measuring import Watched, confusion, measure, read_gold, wilson_interval
from tests.training.functions import Model, Mood, answered_by, hours, method_of

GOLD = [({"message": "I love it."}, "happy"), ({"message": "It broke."}, "unhappy"), ({"message": "Hm."}, "unhappy")]
FUNCTION = answered_by(Model(lambda *_: "happy"))


class Weather(BaseModel):
    rain: bool
    heat: float = Field(ge=0, le=1)


class Report(BaseModel):
    weather: Weather
    hours: int = Field(ge=0, le=9)


def report(message: str) -> Report:
    """Read the report."""
    raise NotImplementedError


def test_right_answers_are_counted_and_failures_are_not_right() -> None:
    model = Model(lambda _, arguments: BackendError("no", kind="server") if arguments["message"] == "Hm." else "happy")
    measured = measure(FUNCTION, model, GOLD, concurrency=2)
    assert (measured.name, measured.right, measured.failed) == ("model", 1, 1)
    assert measured.accuracy == pytest.approx(1 / 3)
    assert measured.answers[:2] == ["happy", "happy"]
    assert isinstance(measured.answers[2], LLMBrainError)
    assert confusion(answer_for(Mood), GOLD, measured.answers) == [[1, 0], [1, 0]]


def test_what_meets_every_call_is_raised() -> None:
    with pytest.raises(BackendError, match="wrong key"):
        measure(FUNCTION, Model(lambda *_: BackendError("wrong key", kind="auth")), GOLD)


def test_a_number_is_no_truth_value() -> None:
    function = answered_by(Model(lambda *_: 1), hours)
    assert measure(function, Model(lambda *_: True), [({"message": "Soon?", "limit": 3}, 1)]).right == 0


def test_it_is_told_how_far_off_numbers_are() -> None:
    def said(heat: float, hours: int) -> Report:
        return Report(weather=Weather(rain=True, heat=heat), hours=hours)

    gold = [({"message": "a"}, said(0.5, 3)), ({"message": "b"}, said(0.25, 5)), ({"message": "c"}, said(1.0, 1))]
    told = {"a": said(0.75, 3), "b": said(0.25, 2), "c": BackendError("no", kind="server")}
    model = Model(lambda _, arguments: told[arguments["message"]])
    assert measure(answered_by(model, report), model, gold).errors == {"weather.heat": 0.125, "hours": 1.5}
    number = Model(lambda *_: 5)
    assert measure(answered_by(number, hours), number, [({"message": "Soon?", "limit": 3}, 2)]).errors == {"": 3.0}
    assert not measure(FUNCTION, Model(lambda *_: "happy"), GOLD).errors


def test_a_method_of_an_object_is_measured_with_its_state() -> None:
    asked = []

    class Seeing(Model):
        def call(self, spec: Any, arguments: Any, *, state: Any = None, sample: int = 0) -> Any:
            asked.append(state)
            return super().call(spec, arguments, state=state, sample=sample)

    seeing = Seeing(lambda *_: "happy")
    assert measure(method_of(seeing, "mood", "French"), seeing, GOLD[:1]).right == 1
    assert asked == [{"language": "French"}]


def test_a_call_that_was_answered_is_remembered_and_counted_all_the_same() -> None:
    model = Model(lambda *_: "happy")
    watched = Watched(model)
    measure(FUNCTION, watched, GOLD)
    assert (watched.asked, len(model.asked)) == (3, 3)
    taken = watched.seconds
    watched.rewind()
    measure(FUNCTION, watched, GOLD[:2])
    assert (watched.asked, len(model.asked)) == (2, 3)
    assert 0 < watched.seconds <= taken


def test_no_calls_are_nothing_to_measure_with() -> None:
    with pytest.raises(ArgumentError, match="no calls"):
        measure(FUNCTION, Model(lambda *_: "happy"), [])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"message": "Hm."}', "line 1 of .* has no field `answer`"),
        ('{"message": "Hm.", "answer": "sad"}', "line 1 of .* does not fit mood"),
        ('{"text": "Hm.", "answer": "happy"}', "line 1 of .* does not fit mood"),
        ("Hm.", "line 1 of .* is not JSON"),
        ("", "holds no calls"),
    ],
)
def test_a_line_that_is_no_call_with_an_answer_is_named(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "gold.jsonl").write_text(line)
    with pytest.raises(DataError, match=said):
        read_gold(tmp_path / "gold.jsonl", FUNCTION)


@pytest.mark.parametrize("line", ['{"message": "A", "limit": 3, "answer": 2}', '{"arguments": ["A", 3], "answer": 2}'])
def test_arguments_are_written_by_name_or_in_their_order(tmp_path: Path, line: str) -> None:
    (tmp_path / "gold.jsonl").write_text(line)
    function: TypedFunction[..., Any] = answered_by(Model(lambda *_: 1), hours)
    assert read_gold(tmp_path / "gold.jsonl", function) == [({"message": "A", "limit": 3}, 2)]


@given(st.integers(1, 10_000).flatmap(lambda number: st.tuples(st.integers(0, number), st.just(number))))
def test_the_interval_holds_the_share_and_lies_between_0_and_1(drawn: tuple[int, int]) -> None:
    right, number = drawn
    low, high = wilson_interval(right, number)
    assert 0 <= low <= right / number + 1e-12
    assert right / number - 1e-12 <= high <= 1


def test_the_interval_is_the_published_one() -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_an_open_set_of_answers_has_no_confusion() -> None:
    assert confusion(answer_for(str), [({}, "a")], ["a"]) == []
