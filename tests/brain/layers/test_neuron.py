"""The neuron alone: its equation, its state, and where its time constants start."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from llm_brain.brain import BrainBlock, Neuron
from llm_brain.brain.layers.neuron import input_gain, spread_gates

few = settings(max_examples=20, deadline=None)


def as_written(neuron: Neuron, input: Tensor, state: Tensor) -> Tensor:  # noqa: A002 - as the layer calls it
    states = []
    for x in input:
        gate, candidate = (x @ neuron.observe.weight.T + neuron.observe.bias).chunk(2, dim=-1)
        opened = gate.sigmoid()
        state = (1 - opened) * state + opened * candidate
        states.append(state)
    return torch.stack(states)


@few
@given(
    time=st.integers(1, 30),
    batch=st.integers(1, 3),
    inputs=st.integers(1, 5),
    hidden=st.integers(1, 5),
    carried=st.booleans(),
    seed=st.integers(0, 99),
)
def test_it_is_the_equation_as_written_in_values_and_gradients(
    time: int, batch: int, inputs: int, hidden: int, carried: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    neuron = Neuron(inputs, hidden).double()
    sequence = torch.randn(time, batch, inputs).double().requires_grad_()
    state = torch.randn(batch, hidden).double().requires_grad_() if carried else None
    output, last = neuron(sequence, state)
    expected = as_written(neuron, sequence, torch.zeros(batch, hidden).double() if state is None else state)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(last, expected[-1], rtol=0, atol=1e-12)
    sources = [sequence, *neuron.parameters(), *([] if state is None else [state])]
    for fast, slow in zip(
        torch.autograd.grad(output.sin().sum(), sources),
        torch.autograd.grad(expected.sin().sum(), sources),
        strict=True,
    ):
        torch.testing.assert_close(fast, slow, rtol=0, atol=1e-10)


def test_a_state_carried_across_two_calls_gives_one_long_call() -> None:
    neuron, sequence = Neuron(3, 4).double(), torch.randn(9, 2, 3).double()
    first, state = neuron(sequence[:4])
    rest, _ = neuron(sequence[4:], state)
    torch.testing.assert_close(torch.cat([first, rest]), neuron(sequence)[0], rtol=0, atol=1e-12)


def test_its_states_stay_within_what_its_candidates_were() -> None:
    neuron, sequence = Neuron(3, 4).double(), torch.randn(50, 2, 3).double()
    candidates = (sequence @ neuron.observe.weight.T + neuron.observe.bias).chunk(2, dim=-1)[1]
    assert neuron(sequence)[0].abs().max() <= candidates.abs().max()


def test_its_time_constants_start_spread_between_two_and_thirty_three_steps() -> None:
    constants = 1 / spread_gates(64).sigmoid()
    assert constants[0] == 2
    assert torch.isclose(constants[-1], torch.tensor(33.0))
    assert (constants.diff() > 0).all()


@few
@given(gate=st.floats(0.02, 1.0))
def test_with_its_gain_a_neurons_state_varies_as_much_as_its_input(gate: float) -> None:
    decay = (1 - gate) ** torch.arange(2000).double()
    gained = (
        gate * input_gain(torch.tensor(gate, dtype=torch.float64)) * decay
    )  # what each past input, of variance one, adds to the state
    torch.testing.assert_close(gained.square().sum(), torch.tensor(1.0).double(), rtol=1e-9, atol=0)


def test_every_neuron_is_heard_alike_from_the_start() -> None:
    torch.manual_seed(0)
    neuron = Neuron(32, 64)
    with torch.no_grad():
        neuron.observe.weight[:64] = 0.0  # gates where they start, whatever comes in
        output, _ = neuron(torch.randn(600, 64, 32))
    varying = output[200:].var(dim=(0, 1))
    assert varying.max() < 3 * varying.min()


def test_a_block_scales_what_its_neurons_take_in_by_their_gain() -> None:
    torch.manual_seed(0)
    block = BrainBlock(64, heads=4)
    candidate = block.observe.split(block._sizes)[2]  # noqa: SLF001 - which rows are whose is the block's to say
    spread = candidate.std(dim=1) / (64**-0.5 / 3**0.5)
    gain = input_gain(spread_gates(64).sigmoid())
    torch.testing.assert_close(spread, gain, rtol=0.35, atol=0)
    assert candidate.abs().max() <= gain.max() * 64**-0.5
