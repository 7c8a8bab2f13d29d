"""Forecasts of improvement, scored: how good they are, whether they know more than the base rate, and what they mean.

A language model's confidence is not calibrated. So each forecast is kept with what then happened, and a new one is read in the
light of those before it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from llm_brain.optimize.study import Trial

Forecast: TypeAlias = tuple[float, bool]
"""The probability that was told, and whether it happened."""
WIDTH: Final = 0.15
"""How far apart forecasts still say something about one another."""
TRUST: Final = 2.0
"""How many earlier forecasts the model's own word counts as much as."""


@dataclass(frozen=True)
class ForecastScore:
    """How good forecasts were.

    Attributes:
        number: How many there are.
        brier: The mean squared error of the probabilities (Brier 1950): 0 is perfect, .25 is what "one half" always gets.
        base_rate: How often there was an improvement.
        base_brier: The Brier score of telling the base rate every time.
        recalibrated_brier: That of the forecasts as `recalibrated` reads each by those before it.

    Example:
        >>> score_forecasts([(0.9, True), (0.9, False)]).brier
        0.41
    """

    number: int
    brier: float
    base_rate: float
    base_brier: float
    recalibrated_brier: float


def forecasts_of(trials: Sequence[Trial[Any]]) -> list[Forecast]:
    """Give the forecasts of a study's trials with what happened: whether the trial was better than all before it.

    Example:
        >>> forecasts_of([Trial(0, "default", None, score=0.5)])
        []
    """
    found, best = [], -math.inf
    for trial in trials:
        score = trial.score if trial.status == "complete" and trial.score is not None else -math.inf
        if trial.forecast is not None:
            found.append((trial.forecast.probability, score > best))
        best = max(best, score)
    return found


def score_forecasts(forecasts: Sequence[Forecast]) -> ForecastScore | None:
    """Score forecasts, oldest first; None where there are none."""
    if not forecasts:
        return None
    number = len(forecasts)
    rate = sum(happened for _, happened in forecasts) / number
    told = [recalibrated(told, forecasts[:place]) for place, (told, _) in enumerate(forecasts)]
    return ForecastScore(
        number,
        round(sum((told - happened) ** 2 for told, happened in forecasts) / number, 6),
        rate,
        round(rate * (1 - rate), 6),
        round(sum((p - happened) ** 2 for p, (_, happened) in zip(told, forecasts, strict=True)) / number, 6),
    )


def recalibrated(probability: float, earlier: Sequence[Forecast]) -> float:
    """Read a forecast in the light of earlier ones: a mean of what it says and of how often that happened near it.

    It is the mean of a beta distribution whose prior is the forecast, and whose counts are the earlier forecasts, weighted by
    how near they are (a Gaussian kernel).

    Example:
        >>> recalibrated(0.9, []), round(recalibrated(0.9, [(0.9, False)] * 8), 2)
        (0.9, 0.18)
    """
    weights = [math.exp(-(((told - probability) / WIDTH) ** 2) / 2) for told, _ in earlier]
    happened = sum(weight for weight, (_, was) in zip(weights, earlier, strict=True) if was)
    return (happened + TRUST * probability) / (sum(weights) + TRUST)
