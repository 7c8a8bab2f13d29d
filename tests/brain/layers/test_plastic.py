"""Plastic synapses as a layer: the projections, the rule, and the way out."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_brain.brain import PlasticSynapses, plastic_chunked, plastic_loop
from llm_brain.errors import ArgumentError
from tests.brain.layers.networks import off_its_start

few = settings(max_examples=20, deadline=None)


def some_layer(seed: int, heads: int = 2, chunk: int = 64) -> PlasticSynapses:
    torch.manual_seed(seed)
    layer = PlasticSynapses(4 * heads, heads=heads, chunk=chunk)
    off_its_start(layer)
    return layer.double()


@few
@given(
    time=st.integers(1, 14),
    batch=st.integers(1, 3),
    heads=st.integers(1, 3),
    chunk=st.integers(1, 15),
    seed=st.integers(0, 99),
)
def test_it_is_the_loop_over_its_own_projections_in_values_and_gradients(
    time: int, batch: int, heads: int, chunk: int, seed: int
) -> None:
    layer = some_layer(seed, heads, chunk)
    sequence = torch.randn(time, batch, 4 * heads).double().requires_grad_()
    output, state = layer(sequence)
    query, key, value, signals, gate = layer.associations(sequence)
    read, expected = plastic_loop(query, key, value, **signals, state=None)
    by_loop = layer.readout(read, gate)
    torch.testing.assert_close(output, by_loop, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(state, expected, rtol=1e-9, atol=1e-10)
    sources = [sequence, *layer.parameters()]
    for fast, slow in zip(
        torch.autograd.grad(output.sin().sum(), sources), torch.autograd.grad(by_loop.sin().sum(), sources), strict=True
    ):
        torch.testing.assert_close(fast, slow, rtol=1e-8, atol=1e-9)


@few
@given(first=st.integers(1, 9), second=st.integers(1, 9), seed=st.integers(0, 99))
def test_a_state_carried_across_two_calls_gives_one_long_call(first: int, second: int, seed: int) -> None:
    layer, sequence = some_layer(seed, chunk=4), torch.randn(first + second, 2, 8).double()
    begun, state = layer(sequence[:first])
    ended, state = layer(sequence[first:], state)
    expected, end = layer(sequence)
    torch.testing.assert_close(torch.cat([begun, ended]), expected, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(state, end, rtol=1e-9, atol=1e-10)


def test_only_the_direction_of_queries_and_keys_counts() -> None:
    layer, sequence = some_layer(0), torch.randn(5, 3, 8).double()
    query, key, value, signals, _ = layer.associations(sequence)
    expected, _ = plastic_chunked(query, key, value, **signals, state=None, chunk=64)
    found, _ = plastic_chunked(3 * query, 0.5 * key, value, **signals, state=None, chunk=64)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_the_eligibility_starts_where_it_is_told_to() -> None:
    layer = PlasticSynapses(12, heads=3, eligibility_decay=(0.5, 0.9))
    torch.testing.assert_close(layer.eligibility_logit.sigmoid(), torch.tensor([0.5, 0.7, 0.9]))


def test_heads_that_do_not_share_the_width_are_refused() -> None:
    with pytest.raises(ArgumentError, match="a size of 8 cannot be shared equally by 3 heads: choose a multiple of 3"):
        PlasticSynapses(8, heads=3)
