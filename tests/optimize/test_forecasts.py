"""Forecasts are scored against what happened, and read in the light of those before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.optimize import ImprovementProbability, Trial, forecasts_of, score_forecasts
from llm_brain.optimize.forecasts import recalibrated

Forecasts = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30)


def test_a_forecast_comes_true_where_the_trial_is_better_than_all_before_it() -> None:
    half = ImprovementProbability(considerations=[], probability=0.5)
    trials = [
        Trial(0, "default", None, status="complete", score=0.5),
        Trial(1, "core", None, status="complete", score=0.7, forecast=half),
        Trial(2, "core", None, status="complete", score=0.7, forecast=half),
        Trial(3, "core", None, status="stopped", score=0.9, forecast=half),
        Trial(4, "core", None, status="failed", forecast=half),
        Trial(5, "core", None, status="complete", score=0.8),
        Trial(6, "core", None, status="complete", score=0.81, forecast=half),
    ]
    assert [happened for _, happened in forecasts_of(trials)] == [True, False, False, False, True]


@given(Forecasts)
def test_scores_are_between_nothing_and_one_and_the_base_rate_is_its_own(forecasts: list[tuple[float, bool]]) -> None:
    found = score_forecasts(forecasts)
    assert found is not None
    assert 0 <= found.brier <= 1
    assert 0 <= found.base_brier <= 0.25
    assert found.base_brier == pytest.approx(found.base_rate * (1 - found.base_rate), abs=1e-6)


@given(Forecasts, st.floats(0, 1))
def test_a_recalibrated_forecast_is_a_probability(forecasts: list[tuple[float, bool]], told: float) -> None:
    assert 0 <= recalibrated(told, forecasts) <= 1


def test_somebody_who_is_always_sure_and_wrong_is_soon_not_believed() -> None:
    found = score_forecasts([(0.95, False)] * 20)
    assert found is not None
    assert found.recalibrated_brier < found.brier / 3
    assert score_forecasts([]) is None
