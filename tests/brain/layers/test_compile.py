"""A compiler is never needed, and changes no number where it is used."""

from __future__ import annotations

import pytest
import torch

from llm_brain.brain import PlasticRNN
from llm_brain.brain.equations.gating import add_gated
from tests.brain.layers.networks import a_life, off_its_start


@pytest.mark.filterwarnings("ignore")  # of what the compiler looks through
def test_a_compiled_equation_says_and_learns_the_same() -> None:
    torch.manual_seed(0)
    parts = [torch.randn(shape).double().requires_grad_() for shape in ((3, 4), (3, 2, 2), (3, 4))]
    try:
        found = torch.compile(add_gated, backend="eager")(*parts)
        gradients = torch.autograd.grad(found.sin().sum(), parts)
    finally:
        torch.compiler.reset()
    expected = add_gated(*parts)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(gradients, torch.autograd.grad(expected.sin().sum(), parts), rtol=0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_network_says_and_learns_the_same() -> None:
    torch.manual_seed(0)
    network = PlasticRNN(6, 8, heads=2, chunk=1, expansion=0)
    off_its_start(network)
    network.double()
    sequence, parameters = a_life(2, 1)["input"], list(network.parameters())
    try:
        compiled = torch.compile(network, backend="eager")
        found, _ = compiled(sequence)
        gradients = torch.autograd.grad(found.sin().sum(), parameters, allow_unused=True, materialize_grads=True)
    finally:
        torch.compiler.reset()
    expected, _ = network(sequence)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    by_itself = torch.autograd.grad(expected.sin().sum(), parameters, allow_unused=True, materialize_grads=True)
    torch.testing.assert_close(gradients, by_itself, rtol=0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_network_says_and_learns_the_same_through_a_traced_backward() -> None:
    torch.manual_seed(0)
    network = PlasticRNN(6, 8, heads=2, chunk=2).double()
    lived, parameters, found = a_life(5, 2), list(network.parameters()), []
    lengths, state = torch.tensor([5, 3]), network.initial_state(2)
    for run in (torch.compile(network, backend="aot_eager"), network):
        output, after = run(**lived, state=state, lengths=lengths)
        loss = output.sin().sum() + after.blocks[0].synapses.plastic.cos().sum()
        found.append([output, *after.tensors().values(), *torch.autograd.grad(loss, parameters)])
    torch.compiler.reset()
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-11)
