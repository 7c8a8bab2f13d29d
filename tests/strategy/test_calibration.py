"""A model's lean, measured and taken out."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.errors import BackendError, DataError
from llm_brain.strategy import Details, Likelihood, ModelImplementation, TypedFunction, inspect_function
from llm_brain.strategy.calibration import Calibrated, fit_calibration
from tests.strategy.conftest import Scripted

Mood = Literal["happy", "sad"]


class Table:
    """Gives to each text the probability of "happy" that a test has written down."""

    name = "table"

    def __init__(self, happy: dict[str, float]) -> None:
        self.happy = happy

    def call(self, spec: Any, arguments: Any, *, state: Any = None, sample: int = 0) -> Details:
        del spec, state, sample
        if arguments["text"] not in self.happy:
            raise BackendError("no such text", kind="server")
        happy = self.happy[arguments["text"]]
        return Details("happy" if happy > 0.5 else "sad", self.name, probabilities={"happy": happy, "sad": 1 - happy})


def mood(text: str) -> Mood:
    """Tell the mood."""
    raise NotImplementedError


def score(text: str, mood: Mood) -> Annotated[float, Likelihood(of="mood")]:
    """Tell the mood."""
    raise NotImplementedError


@given(st.lists(st.floats(1e-6, 1 - 1e-6), min_size=1, max_size=20))
def test_after_calibration_the_mean_log_odds_are_zero(happy: list[float]) -> None:
    prior = [sum(map(math.log, column)) / len(happy) for column in zip(*((p, 1 - p) for p in happy), strict=True)]
    corrected = [Calibrated.correct([p, 1 - p], prior) for p in happy]
    assert sum(math.log(a / b) for a, b in corrected) / len(happy) == pytest.approx(0, abs=1e-6)
    assert all(sum(pair) == pytest.approx(1) for pair in corrected)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=2), st.lists(st.floats(-1000, 0), min_size=2, max_size=2))
def test_no_lean_is_too_strong_to_be_divided_by(probabilities: list[float], prior: list[float]) -> None:
    assert sum(Calibrated.correct(probabilities, prior)) == pytest.approx(1)


def test_a_lean_is_taken_out_of_the_answers_of_the_fitted_function_only() -> None:
    table = Table({"good": 0.9, "bad": 0.7})
    function = TypedFunction(inspect_function(mood), table)
    assert function.map(["good", "bad"]) == ["happy", "happy"]
    calibrated = fit_calibration(function, ["good", "bad"])
    assert TypedFunction(inspect_function(mood), calibrated).map(["good", "bad"]) == ["happy", "sad"]
    assert TypedFunction(inspect_function(score), calibrated).with_details("bad", "happy").probabilities["happy"] == 0.7


def test_a_likelihood_is_calibrated_too() -> None:
    function = TypedFunction(inspect_function(score), Table({"good": 0.9, "bad": 0.9}))
    calibrated = fit_calibration(function, [("good", "happy"), ("bad", "sad")])
    assert TypedFunction(inspect_function(score), calibrated)("good", "sad") == pytest.approx(0.5)


def test_inputs_that_fail_are_left_out() -> None:
    function = TypedFunction(inspect_function(mood), Table({"good": 0.9}))
    assert fit_calibration(function, ["good", "unknown"]).priors.keys() == {"mood"}


def test_without_probabilities_there_is_nothing_to_fit_and_the_reason_is_kept() -> None:
    with pytest.raises(DataError, match="only a model that scores options"):
        fit_calibration(TypedFunction(inspect_function(score), ModelImplementation(Scripted("happy"))), [("a", "sad")])
    with pytest.raises(DataError) as caught:
        fit_calibration(TypedFunction(inspect_function(mood), Table({})), ["a"])
    assert isinstance(caught.value.__cause__, BackendError)
