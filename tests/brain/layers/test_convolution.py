"""The convolution at a network's entrance: each step sees its last inputs, across calls and beside padding and none later."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from llm_brain.brain import PlasticRNN
from tests.brain.layers.networks import INPUT, WIDTH, a_life, assert_same_state, between, some_network

few = settings(max_examples=15, deadline=None)


def seen_by_the_first_block(network: PlasticRNN, sequence: Tensor, **more: Tensor) -> Tensor:
    seen = []
    handle = network.layers[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    network(sequence, **more)
    handle.remove()
    return torch.cat(seen)


@few
@given(time=st.integers(1, 9), batch=st.integers(1, 3), conv_size=st.integers(1, 5), seed=st.integers(0, 99))
def test_each_step_sees_its_window_through_one_matrix(time: int, batch: int, conv_size: int, seed: int) -> None:
    network, sequence = some_network(seed, conv_size=conv_size), a_life(time, batch)["input"]
    parts = network.project.weight.split(INPUT, dim=1)
    expected = []
    for t in range(time):
        projected = network.project.bias.expand(batch, WIDTH)
        for lag, part in enumerate(reversed(parts)):
            if t >= lag:
                projected = projected + sequence[t - lag] @ part.T
        expected.append(projected)
    torch.testing.assert_close(seen_by_the_first_block(network, sequence), torch.stack(expected), rtol=0, atol=1e-12)


@few
@given(time=st.integers(0, 6), conv_size=st.integers(2, 5), seed=st.integers(0, 99))
def test_a_state_holds_the_last_inputs_and_nothing_before_the_first(time: int, conv_size: int, seed: int) -> None:
    network, sequence = some_network(seed, conv_size=conv_size), a_life(6, 2)["input"]
    _, state = network(sequence, lengths=torch.tensor([time, 6]))
    padded = torch.cat([torch.zeros(conv_size - 1, 2, INPUT).double(), sequence])
    for row, length in enumerate((time, 6)):
        torch.testing.assert_close(state.recent[row], padded[length : length + conv_size - 1, row], rtol=0, atol=0)


@few
@given(
    cuts=st.lists(st.integers(1, 3), min_size=1, max_size=6),
    conv_size=st.integers(2, 6),
    stepped=st.booleans(),
    seed=st.integers(0, 99),
)
def test_calls_shorter_than_the_window_give_one_long_call(cuts: list[int], conv_size: int, stepped: bool, seed: int) -> None:
    network, lived = some_network(seed, conv_size=conv_size), a_life(sum(cuts), 2)
    expected, end = network(**lived)
    outputs, state, first = [], network.initial_state(2), 0
    for length in cuts:
        part = between(lived, first, first + length)
        if stepped and length == 1:
            output, state = network.step(
                part["input"][0], state, reward=part["reward"][0], prediction_error=part["prediction_error"][0]
            )
            output = output[None]
        else:
            output, state = network(**part, state=state)
        outputs.append(output)
        first += length
    torch.testing.assert_close(torch.cat(outputs), expected, rtol=1e-9, atol=1e-10)
    assert_same_state(state, end)


def test_a_row_of_no_steps_keeps_its_window_and_a_short_one_moves_it() -> None:
    network, lived = some_network(conv_size=4), a_life(5, 3)
    _, before = network(**lived)
    more = a_life(6, 3)
    _, after = network(**more, state=before, lengths=torch.tensor([0, 2, 6]))
    torch.testing.assert_close(after.recent[0], before.recent[0], rtol=0, atol=0)
    moved = torch.cat([before.recent[1, 2:], more["input"][:2, 1]])
    torch.testing.assert_close(after.recent[1], moved, rtol=0, atol=0)
    torch.testing.assert_close(after.recent[2], more["input"][3:, 2], rtol=0, atol=0)


@pytest.mark.parametrize("conv_size", [1, 2, 4])
@pytest.mark.parametrize("changed", [0, 1, 6, 10])
def test_a_later_input_changes_no_earlier_output(conv_size: int, changed: int) -> None:
    network, lived = some_network(conv_size=conv_size), a_life(11, 2)
    expected, _ = network(**lived)
    for name in lived:
        other = {**lived, name: torch.cat([lived[name][:changed], torch.randn_like(lived[name][changed:])])}
        output, _ = network(**other)
        torch.testing.assert_close(output[:changed], expected[:changed], rtol=0, atol=1e-13)
        assert not torch.allclose(output[changed], expected[changed])


@pytest.mark.parametrize("conv_size", [1, 3])
def test_every_output_depends_on_all_inputs_so_far_and_on_none_ahead(conv_size: int) -> None:
    network = some_network(conv_size=conv_size)
    sequence = a_life(9, 1)["input"].requires_grad_()
    output, _ = network(sequence)
    for t in range(9):
        (gradient,) = torch.autograd.grad(output[t].sin().sum(), sequence, retain_graph=True)
        assert gradient[: t + 1].any(dim=-1).all()
        assert not gradient[t + 1 :].any()


def test_the_gradient_reaches_the_inputs_of_an_earlier_call() -> None:
    network, lived = some_network(conv_size=3), a_life(7, 2)
    sequence = lived["input"].requires_grad_()
    expected = torch.autograd.grad(network(sequence)[0].sin().sum(), sequence)
    begun, state = network(sequence[:4])
    ended, _ = network(sequence[4:], state)
    found = torch.autograd.grad(begun.sin().sum() + ended.sin().sum(), sequence)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)
