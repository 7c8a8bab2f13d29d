"""How a network is differentiated: in every way that autograd knows, the gradients are those of its steps."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from llm_brain.brain import NetworkState, PlasticRNN
from tests.brain.layers.networks import INPUT, a_life, some_network

Loss = Callable[[Tensor, NetworkState], Tensor]


def of_the_output(output: Tensor, _: NetworkState) -> Tensor:
    return output.sin().sum()


def of_the_state(_: Tensor, state: NetworkState) -> Tensor:
    return torch.stack([part.cos().sum() for part in state.tensors().values()]).sum()


def of_both(output: Tensor, state: NetworkState) -> Tensor:
    return of_the_output(output, state) + of_the_state(output, state)


LOSSES = pytest.mark.parametrize("loss", [of_the_output, of_the_state, of_both])


def learned(loss: Tensor, sources: Sequence[Tensor], *, again: bool = False) -> list[Tensor]:
    return list(torch.autograd.grad(loss, sources, retain_graph=again, allow_unused=True, materialize_grads=True))


def some_state(network: PlasticRNN) -> NetworkState:
    state: NetworkState = network(**a_life(4, 2))[1]
    return state.filled({name: part.detach().requires_grad_() for name, part in state.tensors().items()})


def stepped(network: PlasticRNN, lived: dict[str, Tensor], state: NetworkState) -> tuple[Tensor, NetworkState]:
    outputs = []
    for t in range(len(lived["input"])):
        output, state = network.step(
            lived["input"][t], state, reward=lived["reward"][t], prediction_error=lived["prediction_error"][t]
        )
        outputs.append(output)
    return torch.stack(outputs), state


def assert_close(found: list[Tensor], expected: list[Tensor]) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-9)


@LOSSES
@pytest.mark.parametrize("conv_size", [1, 3])
def test_output_and_state_teach_parameters_inputs_and_the_first_state_what_the_steps_teach(loss: Loss, conv_size: int) -> None:
    network, lived = some_network(conv_size=conv_size), a_life(17, 2)
    lived["input"].requires_grad_()
    before = some_state(network)
    sources = [*network.parameters(), lived["input"], *before.tensors().values()]
    found = learned(loss(*network(**lived, state=before)), sources)
    assert_close(found, learned(loss(*stepped(network, lived, before)), sources))


@pytest.mark.parametrize("part", range(9))
def test_any_part_of_a_state_may_be_the_only_one_that_learns(part: int) -> None:
    network, lived = some_network(conv_size=2).requires_grad_(requires_grad=False), a_life(12, 2)
    named = {name: tensor.detach() for name, tensor in some_state(network).tensors().items()}
    source = named[list(named)[part]].requires_grad_()
    before = network.initial_state(2).filled(named)
    found = learned(of_both(*network(**lived, state=before)), [source])
    assert_close(found, learned(of_both(*stepped(network, lived, before)), [source]))


@pytest.mark.parametrize("frozen", [0, 1])
def test_a_frozen_block_hands_on_what_the_others_learn(frozen: int) -> None:
    network, lived = some_network(), a_life(12, 2)
    network.blocks()[frozen].requires_grad_(requires_grad=False)
    sources = [parameter for parameter in network.parameters() if parameter.requires_grad]
    found = learned(of_both(*network(**lived)), sources)
    assert_close(found, learned(of_both(*stepped(network, lived, network.initial_state(2))), sources))


def test_an_input_alone_learns_through_a_frozen_network() -> None:
    network, lived = some_network().requires_grad_(requires_grad=False), a_life(12, 2)
    lived["input"].requires_grad_()
    found = learned(of_both(*network(**lived)), [lived["input"]])
    assert_close(found, learned(of_both(*stepped(network, lived, network.initial_state(2))), [lived["input"]]))


@LOSSES
def test_a_graph_that_is_kept_gives_the_same_gradient_twice_whatever_happens_between(loss: Loss) -> None:
    network, lived, other = some_network(), a_life(13, 2), a_life(13, 2)
    sources, before = list(network.parameters()), some_state(network)
    computed = loss(*network(**lived, state=before))
    first = [part.clone() for part in learned(computed, sources, again=True)]
    learned(loss(*network(**other)), sources)
    second = learned(computed, sources, again=True)
    torch.testing.assert_close(second, first, rtol=0, atol=0)
    torch.testing.assert_close(learned(computed, sources), first, rtol=0, atol=0)


def test_backward_called_twice_adds_up() -> None:
    network, lived = some_network(), a_life(13, 2)
    loss = of_both(*network(**lived))
    loss.backward(retain_graph=True)
    once = {name: parameter.grad.clone() for name, parameter in network.named_parameters() if parameter.grad is not None}
    loss.backward()
    for name, parameter in network.named_parameters():
        if name in once:
            torch.testing.assert_close(parameter.grad, 2 * once[name], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_checkpoint_gives_the_same_gradients(reentrant: bool) -> None:
    network, lived = some_network(), a_life(13, 2)
    sequence = lived["input"].requires_grad_()

    def gradients(output: Tensor) -> list[Tensor]:
        network.zero_grad()
        sequence.grad = None
        output.sin().sum().backward()
        return [part.grad.clone() for part in (sequence, *network.parameters()) if part.grad is not None]

    expected = gradients(network(sequence)[0])
    found = gradients(checkpoint(lambda x: network(x)[0], sequence, use_reentrant=reentrant))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_what_is_saved_may_be_moved_away_in_between() -> None:
    network, lived = some_network(), a_life(13, 2)
    sources = list(network.parameters())
    expected = learned(of_both(*network(**lived)), sources)
    with torch.autograd.graph.saved_tensors_hooks(lambda part: part.clone(), lambda part: part.clone()):
        computed = of_both(*network(**lived))
    torch.testing.assert_close(learned(computed, sources), expected, rtol=0, atol=0)


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("lengths", [None, torch.tensor([13, 4])])
def test_without_gradients_a_network_says_the_same(guard: Callable[[], torch.no_grad], lengths: Tensor | None) -> None:
    network, lived = some_network(conv_size=2), a_life(13, 2)
    expected, after = network(**lived, lengths=lengths)
    with guard():
        output, state = network(**lived, lengths=lengths)
    torch.testing.assert_close(output, expected.detach(), rtol=0, atol=1e-12)
    torch.testing.assert_close(state.tensors(), after.detach().tensors(), rtol=0, atol=1e-12)


def test_an_input_may_lie_in_memory_in_any_order() -> None:
    network = some_network(conv_size=2)
    whole = torch.randn(2, 2 * INPUT, 9).double()
    one_row = torch.randn(9, 1, INPUT).double().expand(9, 2, INPUT)
    for strided in (whole[:, ::2].permute(2, 0, 1), one_row, torch.randn(1, 1, INPUT).double().expand(9, 2, INPUT)):
        sources = [strided.detach().requires_grad_(), *network.parameters()]
        straight = [strided.detach().clone(memory_format=torch.contiguous_format).requires_grad_(), *network.parameters()]
        found, expected = network(sources[0])[0], network(straight[0])[0]
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
        assert_close(learned(found.sin().sum(), sources), learned(expected.sin().sum(), straight))
        expanded = (
            learned(network(x)[0].sum(), parameters) for x, *parameters in ((sources[0], *sources), (straight[0], *straight))
        )
        assert_close(*expanded)


def test_a_copy_made_between_forward_and_backward_stands_on_its_own() -> None:
    network, lived = some_network(), a_life(13, 2)
    sources = list(network.parameters())
    expected = learned(network(**lived)[0].sin().sum(), sources)
    output, _ = network(**lived)
    other = copy.deepcopy(network)
    from_copy = learned(other(**lived)[0].sin().sum(), list(other.parameters()))
    torch.testing.assert_close(learned(output.sin().sum(), sources), expected, rtol=0, atol=0)
    torch.testing.assert_close(from_copy, expected, rtol=0, atol=0)


def test_a_weight_that_changes_before_backward_is_an_error_and_no_wrong_gradient() -> None:
    network, lived = some_network(), a_life(5, 2)
    output, _ = network(**lived)
    with torch.no_grad():
        network.blocks()[1].observe.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.sum().backward()


def test_the_whole_network_passes_gradcheck() -> None:
    torch.manual_seed(0)
    network = PlasticRNN(2, 4, heads=2, chunk=3, conv_size=2).double()
    before = network(torch.randn(3, 2, 2).double())[1].detach()
    names = list(before.tensors())

    def run(sequence: Tensor, *parts: Tensor) -> tuple[Tensor, ...]:
        output, state = network(sequence, before.filled(dict(zip(names, parts, strict=True))), lengths=torch.tensor([5, 2]))
        return output, *state.tensors().values()

    sources = [torch.randn(5, 2, 2).double(), *before.tensors().values()]
    assert torch.autograd.gradcheck(run, [part.clone().requires_grad_() for part in sources])
