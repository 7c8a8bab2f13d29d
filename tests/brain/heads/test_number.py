"""Numbers: a density that integrates to one, whose draws follow it, and which can be as sharp as a knot's distance."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from llm_brain.brain import Number, NumberDistribution
from llm_brain.brain.heads.number import knots
from tests.brain.heads.brains import seeded

ranges = settings(max_examples=60, deadline=None)
whole_bounds = st.tuples(st.integers(-(2**52), 2**52), st.integers(-(2**52), 2**52)).map(sorted)
real_bounds = st.tuples(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12)).map(sorted)


def peaked(answer: Number, seed: int = 0, rows: int = 1) -> NumberDistribution:
    logits = 2 * torch.randn(1, len(knots(answer)), dtype=torch.float64, generator=seeded(seed))
    return NumberDistribution(answer, logits.expand(rows, -1))


def test_a_real_number_has_a_density_that_integrates_to_one() -> None:
    answer = peaked(Number(low=-0.5, high=2))
    points = torch.linspace(-0.5, 2, 1 + 255 * 20, dtype=torch.float64)
    density = torch.cat([answer.log_prob(point[None]) for point in points]).exp()
    assert torch.trapezoid(density, points).item() == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(
    "answer", [Number(low=-0.5, high=2), Number(low=-7, high=1003, whole=True), Number(low=5, high=900, whole=True)]
)
def test_draws_follow_the_probabilities_below_every_knot(answer: Number) -> None:
    rows = 40_000
    drawn = peaked(answer, rows=rows).sample(seeded(1))
    one = peaked(answer)
    if answer.whole:
        values = torch.arange(answer.low, answer.high + 1, dtype=torch.float64)
        below = torch.cat([one.log_prob(value[None]) for value in values]).exp().cumsum(0)
    else:
        values = torch.linspace(answer.low, answer.high, 2041, dtype=torch.float64)
        density = torch.cat([one.log_prob(value[None]) for value in values]).exp()
        below = torch.cumulative_trapezoid(density, values)
        values = values[1:]
    found = torch.searchsorted(drawn.sort().values, values, right=True) / rows
    assert (found - below).abs().max() < 1.95 / math.sqrt(rows)  # Kolmogorov and Smirnov, at .001


@ranges
@given(bounds=whole_bounds, seed=st.integers(0, 99))
def test_whole_numbers_of_any_range_stay_inside_and_whole(bounds: list[int], seed: int) -> None:
    low, high = bounds
    answer = peaked(Number(low=low, high=high, whole=True), seed, rows=50)
    places = answer.knots
    assert places[0] == low
    assert places[-1] == high
    assert len(places) == min(high - low + 1, 256)
    assert (places.diff() > 0).all()
    for numbers in (answer.sample(seeded(seed)), answer.best()):
        assert ((numbers >= low) & (numbers <= high) & (numbers == numbers.round())).all()
        assert answer.log_prob(numbers).isfinite().all()


@ranges
@given(bounds=real_bounds, seed=st.integers(0, 99))
def test_real_numbers_of_any_range_stay_inside(bounds: list[float], seed: int) -> None:
    low, high = bounds
    if high - low < 1e-6 * max(-low, high, 1e-3):
        return
    answer = peaked(Number(low=low, high=high), seed, rows=50)
    for numbers in (
        answer.sample(seeded(seed)),
        answer.best(),
        torch.full((50,), low).double(),
        torch.full((50,), high).double(),
    ):
        inside = numbers.clamp(low, high)
        assert torch.allclose(inside, numbers)
        assert answer.log_prob(inside).isfinite().all()


def test_in_single_precision_a_number_is_still_inside() -> None:
    answer = NumberDistribution(Number(low=0.1, high=0.3), torch.tensor([[0.0] * 255 + [80.0]]))
    assert answer.best().item() <= 0.3
    assert answer.sample(seeded()).item() <= 0.3


def test_the_likelihood_of_one_number_makes_it_the_answer_to_half_a_knots_distance() -> None:
    answer, target = Number(low=0, high=10), torch.tensor([math.pi], dtype=torch.float64)
    logits = torch.zeros(1, 256, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.3)
    for _ in range(150):
        optimizer.zero_grad()
        (-NumberDistribution(answer, logits).log_prob(target)).sum().backward()
        optimizer.step()
    assert abs(NumberDistribution(answer, logits).best().item() - math.pi) < 0.5 * 10 / 255


def test_the_best_of_few_whole_numbers_is_the_likeliest_and_not_their_mean() -> None:
    logits = torch.tensor([[1.0, -60.0, -60.0, -60.0, 1.1], [1.1, 0.9, 0.9, 0.9, 0.9]])
    answer = NumberDistribution(Number(low=1, high=5, whole=True), logits)
    assert answer.best().tolist() == [5.0, 1.0]
    assert answer.log_prob(answer.best()).tolist() == torch.log_softmax(logits, dim=-1).amax(dim=-1).tolist()


@pytest.mark.parametrize(
    ("number", "mean"), [({"high": 256, "whole": True}, 128), ({"high": 1}, 0.5), ({"high": 2, "whole": False}, 1)]
)
def test_the_best_of_two_equal_numbers_of_a_wide_or_a_real_range_is_their_mean(number: dict[str, Any], mean: float) -> None:
    logits = torch.full((1, 256), -60.0)
    logits[0, [0, 255]] = 0.0
    assert NumberDistribution(Number(low=0, **number), logits).best().item() == pytest.approx(mean)


@pytest.mark.parametrize(
    ("low", "high", "whole"),
    [
        (1, 0, False),
        (1, 1, False),
        (0, math.inf, False),
        (math.nan, 1, False),
        (-1e308, 1e308, False),
        (1, 1 + 1e-15, False),
        (2, 1, True),
        (0.5, 3, True),
        (0, 2.0**54, True),
        (-(2.0**53), 1, True),
    ],
)
def test_bounds_that_no_head_could_keep_are_refused(low: float, high: float, whole: bool) -> None:
    with pytest.raises(ValidationError):
        Number(low=low, high=high, whole=whole)


def test_a_range_of_one_whole_number_is_certain() -> None:
    answer = peaked(Number(low=4, high=4, whole=True))
    assert answer.best().item() == answer.sample().item() == 4.0
    assert answer.log_prob(torch.tensor([4.0])).item() == 0.0
