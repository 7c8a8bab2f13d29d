"""Forecasts of short series by exponential smoothing, with or without a trend and a season."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, Field
from pydantic.config import JsonDict

from benchmarks.optimize.problems.contract import REPEATS, Losses

LOG: JsonDict = {"log": True}
LENGTH, SCORED, SERIES, AHEAD = 72, 24, 6, 3


class NoTrend(BaseModel):
    kind: Literal["none"] = "none"


class Damped(BaseModel):
    kind: Literal["damped"] = "damped"
    rate: float = Field(0.3, ge=1e-3, le=1.0, json_schema_extra=LOG)
    damping: float = Field(0.9, ge=0.3, le=1.0)


class NoSeason(BaseModel):
    kind: Literal["none"] = "none"


class Periodic(BaseModel):
    kind: Literal["periodic"] = "periodic"
    rate: float = Field(0.3, ge=1e-3, le=1.0, json_schema_extra=LOG)
    period: Literal[4, 6, 8, 12] = 4


class Smoothing(BaseModel):
    """Exponential smoothing (Hyndman & Athanasopoulos 2021, chapter 8) of a power of the values."""

    rate: float = Field(0.03, ge=1e-3, le=1.0, json_schema_extra=LOG)
    power: float = Field(1.0, ge=0.1, le=2.0)
    begun: int = Field(8, ge=1, le=24, json_schema_extra=LOG, description="how many values the first level is the mean of")
    trust: float = Field(1.0, ge=0.0, le=1.0, description="the rest is what was last seen")
    trend: Annotated[NoTrend | Damped, Field(discriminator="kind")] = NoTrend()
    season: Annotated[NoSeason | Periodic, Field(discriminator="kind")] = NoSeason()


def forecasts(values: Smoothing, split: int) -> Losses:
    """Give the logarithm of the mean squared error three steps ahead, on a few series, and on others like them."""
    chosen_on, *held = drawn_series(split)
    return Losses(
        lambda: float(np.log(error(values, chosen_on))),
        lambda: float(np.mean([np.log(error(values, series)) for series in held])),
    )


def error(values: Smoothing, series: np.ndarray) -> float:
    """Give the mean squared error three steps ahead, after the first values.

    Args:
        values: How it is smoothed.
        series: Positive numbers, of shape [series, steps].
    """
    made = series**values.power
    season = values.season
    period = season.period if isinstance(season, Periodic) else 1
    level, slope, seasons = made[:, : values.begun].mean(1), np.zeros(len(made)), np.zeros((period, len(made)))
    damping = values.trend.damping if isinstance(values.trend, Damped) else 0.0
    along = sum(damping**step for step in range(1, AHEAD + 1))
    errors = []
    for step in range(LENGTH - AHEAD):
        place, before = step % period, level
        level = values.rate * (made[:, step] - seasons[place]) + (1 - values.rate) * (level + damping * slope)
        if isinstance(values.trend, Damped):
            slope = values.trend.rate * (level - before) + (1 - values.trend.rate) * damping * slope
        if isinstance(season, Periodic):
            seasons[place] += season.rate * (made[:, step] - level - seasons[place])
        if step >= SCORED:
            told = level + along * slope + seasons[(step + AHEAD) % period]
            told = values.trust * told + (1 - values.trust) * made[:, step]
            errors.append(np.maximum(told, 0.0) ** (1 / values.power) - series[:, step + AHEAD])
    return float(np.mean(np.square(errors)))


@cache
def drawn_series(split: int) -> tuple[np.ndarray, ...]:
    """Draw the series to choose on, and those of the hidden test: the same season and trend, other noise."""
    random = np.random.default_rng([19, split])
    period, slope, size = int(random.choice([4, 6, 8, 12])), random.uniform(0.0, 0.02), random.uniform(0.3, 0.6)
    season = size * random.standard_normal(period)
    found = []
    for count in (SERIES, *[2 * SERIES] * REPEATS):
        walk = np.cumsum(0.03 * random.standard_normal((count, LENGTH)), axis=1)
        steps = np.arange(LENGTH)
        found.append(np.exp(slope * steps + walk + season[steps % period] + 0.1 * random.standard_normal((count, LENGTH))))
    return tuple(found)
