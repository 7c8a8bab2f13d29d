"""States are values: a call makes a new one, and rows are taken, replaced, looked into and put back."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_brain.brain import NetworkState
from llm_brain.errors import ArgumentError
from tests.brain.layers.networks import INPUT, a_life, assert_same_state, between, some_network

few = settings(max_examples=15, deadline=None)


def after_some_steps(batch: int = 3) -> NetworkState:
    state: NetworkState = some_network()(**a_life(5, batch))[1]
    return state


@pytest.mark.parametrize("gradient", [True, False])
def test_a_call_leaves_the_state_it_was_given_as_it_was(gradient: bool) -> None:
    network, state = some_network(), after_some_steps(2).detach()
    kept = copy.deepcopy(state)
    with torch.set_grad_enabled(gradient):
        output, _ = network(**a_life(11, 2), state=state)
        network.step(a_life(1, 2)["input"][0], state)
        if gradient:
            output.sum().backward()
    assert_same_state(state, kept, exactly=True)


def test_no_part_of_a_state_can_be_replaced_in_place() -> None:
    state = after_some_steps()
    with pytest.raises(AttributeError):
        state.blocks = ()  # type: ignore[misc]
    with pytest.raises(AttributeError):
        state.blocks[0].neuron = torch.zeros(1)  # type: ignore[misc]


@few
@given(order=st.permutations([0, 1, 2]), time=st.integers(1, 6), seed=st.integers(0, 99))
def test_a_row_lives_on_as_it_would_have_among_the_others(order: list[int], time: int, seed: int) -> None:
    network, lived = some_network(seed), a_life(4 + time, 3)
    _, state = network(**between(lived, 0, 4))
    expected, end = network(**between(lived, 4, 4 + time), state=state)
    index = torch.tensor(order)
    moved = {name: part[:, index] for name, part in between(lived, 4, 4 + time).items()}
    output, after = network(**moved, state=state.rows(index))
    torch.testing.assert_close(output, expected[:, index], rtol=1e-9, atol=1e-10)
    assert_same_state(after, end.rows(index))


def test_a_slice_takes_rows_too() -> None:
    state = after_some_steps()
    assert_same_state(state.rows(slice(1, 3)), state.rows(torch.tensor([1, 2])), exactly=True)


def test_rows_that_are_replaced_begin_anew_and_the_others_go_on() -> None:
    network, lived = some_network(), a_life(9, 3)
    _, state = network(**between(lived, 0, 4))
    ended = torch.tensor([True, False, True])
    mixed, _ = network(**between(lived, 4, 9), state=state.replace_rows(ended, network.initial_state(3)))
    went_on, _ = network(**between(lived, 4, 9), state=state)
    fresh, _ = network(**between(lived, 4, 9))
    torch.testing.assert_close(mixed, torch.where(ended[None, :, None], fresh, went_on), rtol=1e-9, atol=1e-10)


def test_every_tensor_of_a_state_has_a_name_and_goes_back_to_its_place() -> None:
    network, state = some_network(), after_some_steps()
    tensors = state.tensors()
    names = ("tonic", "neuron", "synapses.eligibility", "synapses.plastic")
    assert list(tensors) == ["recent", *(f"blocks.{block}.{name}" for block in range(2) for name in names)]
    back = network.initial_state(3).filled(tensors)
    assert isinstance(back, NetworkState)
    assert_same_state(back, state, exactly=True)
    assert_same_state(network.initial_state(1).filled(tensors), state, exactly=True)  # of any batch


def test_tensors_of_another_network_are_refused_by_name() -> None:
    tensors = after_some_steps().tensors()
    with pytest.raises(ArgumentError, match=r"this is the state of another brain: 'blocks.2.neuron' should be \(8,\)"):
        some_network(num_layers=3).initial_state(3).filled(tensors)
    with pytest.raises(ArgumentError, match=r"'blocks.1.neuron' should be absent a row and is \(8,\)"):
        some_network(num_layers=1).initial_state(3).filled(tensors)
    with pytest.raises(ArgumentError, match="load it into a brain of the configuration"):
        some_network().initial_state(3).filled({**tensors, "blocks.0.tonic": torch.zeros(3, 5)})


def test_detaching_cuts_the_gradient_and_keeps_the_values() -> None:
    state = after_some_steps()
    assert state.blocks[0].neuron.requires_grad
    assert not any(part.requires_grad for part in state.detach().tensors().values())
    assert_same_state(state.detach(), state, exactly=True)


def test_a_state_changes_its_precision() -> None:
    state = after_some_steps()
    assert {part.dtype for part in state.to(torch.float32).tensors().values()} == {torch.float32}
    assert_same_state(state.to("cpu"), state, exactly=True)


def test_a_pickled_state_is_the_same_life() -> None:
    network, state = some_network(), after_some_steps(2).detach()
    back = pickle.loads(pickle.dumps(state))
    assert_same_state(back, state, exactly=True)
    given_now = torch.randn(3, 2, INPUT).double()
    torch.testing.assert_close(network(given_now, back), network(given_now, state), rtol=0, atol=0)


def test_a_state_is_as_large_after_many_steps_as_after_one() -> None:
    network = some_network()
    sizes = {tuple(part.shape for part in network(**a_life(time, 2))[1].tensors().values()) for time in (1, 7, 60)}
    assert len(sizes) == 1
