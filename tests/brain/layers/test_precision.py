"""Under autocast every layer runs in the precision of its own parameters; converted, it runs in the one that it is given."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from llm_brain.brain import BrainBlock, Neuron, OnlineLearner, PlasticRNN, PlasticSynapses
from tests.brain.layers.networks import INPUT, a_life, gradients, some_network

LAYERS: dict[str, Callable[[], nn.Module]] = {
    "neuron": lambda: Neuron(6, 8),
    "synapses": lambda: PlasticSynapses(6, heads=2),
    "block": lambda: BrainBlock(6, heads=2),
    "network": lambda: PlasticRNN(6, 8, heads=2, conv_size=2),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def autocast(*, enabled: bool = True) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=enabled)  # type: ignore[no-untyped-call]


@every_layer
@pytest.mark.parametrize("learns", [True, False])
def test_under_autocast_a_layer_says_and_learns_what_it_does_without(name: str, learns: bool) -> None:
    torch.manual_seed(0)
    layer, sequence = LAYERS[name](), torch.randn(9, 2, 6)
    with torch.set_grad_enabled(learns):
        expected, after = layer(sequence)
        with autocast():
            output, state = layer(sequence)
            assert torch.is_autocast_enabled("cpu")
    torch.testing.assert_close(output, expected, rtol=0, atol=0)
    torch.testing.assert_close(state, after, rtol=0, atol=0)
    if learns:
        parameters = list(layer.parameters())
        found, wanted = (
            torch.autograd.grad(said.sin().sum(), parameters, allow_unused=True, materialize_grads=True)
            for said in (output, expected)
        )
        torch.testing.assert_close(found, wanted, rtol=0, atol=0)


@every_layer
def test_under_autocast_a_layer_takes_what_a_linear_layer_gives(name: str) -> None:
    torch.manual_seed(0)
    layer, before, after = LAYERS[name](), nn.Linear(3, 6), nn.Linear(8, 2)
    with autocast():
        given_now = before(torch.randn(5, 2, 3))
        assert given_now.dtype == torch.bfloat16
        output, _ = layer(given_now)
        assert output.dtype == torch.float32
        answer = after(nn.functional.pad(output, (0, 8 - output.shape[-1])))
    answer.float().sum().backward()
    assert before.weight.grad is not None
    assert before.weight.grad.isfinite().all()


def test_under_autocast_steps_and_online_learning_are_what_they_are_without() -> None:
    network = some_network(conv_size=2).float()
    learner, now = OnlineLearner(network), torch.randn(3, 2, INPUT)
    found = []
    for on in (False, True):
        network.zero_grad()
        state, memory = learner.initial_state(2), network.initial_state(2)
        outputs = []
        for x in now:
            with autocast(enabled=on):
                output, state = learner.step(x, state)
                said, memory = network.step(x, memory)
            output.sin().sum().backward()
            outputs += [output.detach(), said.detach()]
        gradients = [parameter.grad.clone() for parameter in network.parameters() if parameter.grad is not None]
        found.append([*outputs, *state.network.tensors().values(), *memory.detach().tensors().values(), *gradients])
        found[-1] += [part for traces in state.traces for part in traces]
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=0)


@every_layer
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_a_converted_layer_runs_and_learns_in_its_new_precision(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layer, sequence = LAYERS[name](), torch.randn(9, 2, 6)
    expected, _ = layer(sequence)
    output, _ = layer.to(dtype)(sequence.to(dtype))
    assert output.dtype == dtype
    torch.testing.assert_close(output.float(), expected, rtol=0.2, atol=0.2)
    output.float().square().mean().backward()
    gradients = [parameter.grad for parameter in layer.parameters() if parameter.grad is not None]
    assert {gradient.dtype for gradient in gradients} == {dtype}
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_converted_network_says_nearly_the_same_and_keeps_its_state_in_its_precision(dtype: torch.dtype) -> None:
    network, lived = some_network(), a_life(9, 2)
    expected, _ = network(**lived)
    network.to(dtype)
    output, state = network(**{name: part.to(dtype) for name, part in lived.items()}, lengths=torch.tensor([9, 4]))
    assert output.dtype == dtype
    assert {part.dtype for part in state.tensors().values()} == {dtype}
    assert output.isfinite().all()
    assert (output[:, 0].double() - expected[:, 0]).abs().max() < (0.3 if dtype == torch.bfloat16 else 1e-4)
    assert all(gradient.isfinite().all() for gradient in gradients(network, output.square().mean()))
