"""Drawing: the likeliest where no chance is wanted, the declared distribution elsewhere, and each row by itself."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.backends import Sampling
from llm_brain.backends.local.row import Row
from llm_brain.backends.local.sampler import draw

LOGITS = torch.tensor([1.0, 3.0, 2.0, -torch.inf, 0.0])


def drawn(sampling: Sampling, logits: torch.Tensor = LOGITS) -> int:
    return draw([Row([1], sampling)], logits[None].clone())[0]


def frequencies(count: int, **sampling: float) -> torch.Tensor:
    rows = [Row([1], Sampling(seed=seed, **sampling)) for seed in range(count)]  # type: ignore[arg-type]
    return torch.bincount(torch.tensor(draw(rows, LOGITS.repeat(count, 1))), minlength=5) / count


def test_without_temperature_the_likeliest_is_drawn() -> None:
    assert drawn(Sampling(temperature=0.0)) == 1


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_tokens_come_as_often_as_the_softmax_has_it(temperature: float) -> None:
    found = frequencies(20_000, temperature=temperature)
    torch.testing.assert_close(found, (LOGITS / temperature).softmax(dim=0), rtol=0, atol=0.015)


def test_a_nucleus_holds_the_fewest_tokens_that_reach_its_probability() -> None:
    probabilities = LOGITS.softmax(dim=0)
    assert float(probabilities[1]) < 0.8 < float(probabilities[1] + probabilities[2])
    found = frequencies(20_000, temperature=1.0, top_p=0.8)
    expected = torch.tensor([0.0, float(probabilities[1]), float(probabilities[2]), 0.0, 0.0])
    torch.testing.assert_close(found, expected / expected.sum(), rtol=0, atol=0.015)


@pytest.mark.parametrize("top_p", [0.0, 1e-9, 0.3])
def test_the_smallest_nucleus_is_the_likeliest_token(top_p: float) -> None:
    assert {drawn(Sampling(temperature=2.0, top_p=top_p, seed=seed)) for seed in range(50)} == {1}


@pytest.mark.parametrize("temperature", [1e-30, 1e-6, 1e6])
@pytest.mark.parametrize("top_p", [0.9, 1.0])
def test_no_temperature_draws_what_is_impossible(temperature: float, top_p: float) -> None:
    found = {drawn(Sampling(temperature=temperature, top_p=top_p, seed=seed)) for seed in range(100)}
    assert 3 not in found
    assert temperature > 1 or found == {1}


@given(
    seeds=st.lists(st.integers(-(2**70), 2**70), min_size=1, max_size=6),
    temperatures=st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=6, max_size=6),
    nuclei=st.lists(st.sampled_from([0.5, 1.0]), min_size=6, max_size=6),
)
def test_a_row_is_drawn_alike_whatever_is_drawn_beside_it(
    seeds: list[int], temperatures: list[float], nuclei: list[float]
) -> None:
    samplings = [
        Sampling(temperature=temperature, top_p=nucleus, seed=seed)
        for temperature, nucleus, seed in zip(temperatures, nuclei, seeds, strict=False)
    ]
    logits = torch.randn(len(samplings), 50, generator=torch.Generator().manual_seed(0))
    together = draw([Row([1], sampling) for sampling in samplings], logits.clone())
    assert together == [drawn(sampling, row) for sampling, row in zip(samplings, logits, strict=True)]


def test_a_seed_draws_the_same_and_none_draws_anew() -> None:
    flat = torch.zeros(10_000)
    assert drawn(Sampling(1.0, seed=7), flat) == drawn(Sampling(1.0, seed=7), flat)
    assert len({drawn(Sampling(1.0), flat) for _ in range(8)}) > 1
