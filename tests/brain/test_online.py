"""Learning online: the gradient of backpropagation through time where it is promised, in memory that stays the same."""

from __future__ import annotations

import copy
import gc
import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from llm_brain.brain import Ablation, NetworkState, PlasticRNN
from llm_brain.brain.online import OnlineLearner, OnlineState
from llm_brain.errors import ArgumentError

few = settings(max_examples=15, deadline=None)
INPUT = 3
UNMODULATED: tuple[Ablation, ...] = ("dopamine", "acetylcholine", "noradrenaline", "serotonin", "plasticity")


def some_network(
    seed: int, *, num_layers: int = 1, hidden_size: int = 4, conv_size: int = 1, ablate: tuple[Ablation, ...] = ()
) -> PlasticRNN:
    torch.manual_seed(seed)
    network = PlasticRNN(INPUT, hidden_size, num_layers, heads=2, conv_size=conv_size, ablate=ablate).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return network


def a_life(time: int, batch: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw inputs, rewards and the targets of a loss at every step."""
    return torch.randn(time, batch, INPUT).double(), torch.randn(time, batch).double(), torch.randn(time, batch, 1).double()


def gradients(network: nn.Module) -> dict[str, Tensor]:
    found = {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
        for name, parameter in network.named_parameters()
    }
    network.zero_grad()
    return found


def through_time(network: PlasticRNN, inputs: Tensor, reward: Tensor, targets: Tensor) -> dict[str, Tensor]:
    output, _ = network(inputs, reward=reward)
    (output - targets).square().sum().backward()
    return gradients(network)


def online(network: PlasticRNN, inputs: Tensor, reward: Tensor, targets: Tensor) -> dict[str, Tensor]:
    learner = OnlineLearner(network)
    state = learner.initial_state(inputs.shape[1])
    for given_now, reward_now, target in zip(inputs, reward, targets, strict=True):
        output, state = learner.step(given_now, state, reward=reward_now)
        (output - target).square().sum().backward()
    return gradients(network)


def parts(found: dict[str, Tensor], block: int, names: tuple[str, ...]) -> list[Tensor]:
    """Take gradients out of a block by the equations' names."""
    width, rows = found[f"layers.{block}.retrieve.weight"].shape[0], found[f"layers.{block}.observe"]
    signals = len(found[f"layers.{block}.observe_bias"]) - width
    keys = (len(rows) - 3 * width - signals) // 2
    gate, _, candidate, query, _, way_out = rows.split([width, signals, width, keys, keys, width])
    named = {
        "W_z": gate,
        "b_z": found[f"layers.{block}.observe_bias"][:width],
        "W_c": candidate,
        "W_q": query,
        "W_g": way_out,
        "g_ACh": found[f"layers.{block}.acetylcholine_gain"],
        "g_NE": found[f"layers.{block}.noradrenaline_gain"],
        "W_o": found[f"layers.{block}.retrieve.weight"],
        "W_1": found[f"layers.{block}.expand.weight"],
        "W_2": found[f"layers.{block}.contract.weight"],
    }
    return [named[name] for name in names]


NEURON = ("W_z", "b_z", "g_ACh", "g_NE")
PRESENT = ("W_q", "W_g", "W_o", "W_1", "W_2")


def assert_equal(found: list[Tensor], expected: list[Tensor]) -> None:
    for approached, exact in zip(found, expected, strict=True):
        torch.testing.assert_close(approached, exact, rtol=1e-8, atol=1e-9)


@few
@given(
    time=st.integers(1, 14),
    batch=st.integers(1, 4),
    width=st.sampled_from([2, 4, 6]),
    conv_size=st.integers(1, 3),
    ablate=st.sampled_from([(), ("plasticity",), UNMODULATED]),
    seed=st.integers(0, 999),
)
def test_the_neurons_of_one_block_learn_what_backpropagation_through_time_teaches(
    time: int, batch: int, width: int, conv_size: int, ablate: tuple[Ablation, ...], seed: int
) -> None:
    network = some_network(seed, hidden_size=width, conv_size=conv_size, ablate=ablate)
    life = a_life(time, batch)
    exact, found = through_time(network, *life), online(network, *life)
    names = (*NEURON, *PRESENT, "W_c") if ablate else (*NEURON, *PRESENT)
    assert_equal(parts(found, 0, names), parts(exact, 0, names))


def one_step_at_a_time(network: PlasticRNN, inputs: Tensor, reward: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """What is left without traces: every step teaches as if it were the first."""
    state = network.initial_state(inputs.shape[1])
    for given_now, reward_now, target in zip(inputs, reward, targets, strict=True):
        output, after = network.step(given_now, state, reward=reward_now)
        (output - target).square().sum().backward()
        state = after.detach()
    return gradients(network)


def test_without_traces_the_gradient_is_another() -> None:
    network, life = some_network(0), a_life(12, 2)
    exact, truncated = through_time(network, *life), one_step_at_a_time(network, *life)
    for whole, short in zip(parts(exact, 0, NEURON), parts(truncated, 0, NEURON), strict=True):
        assert not torch.allclose(short, whole, rtol=1e-2)


@few
@given(time=st.integers(1, 12), num_layers=st.integers(2, 3), seed=st.integers(0, 999))
def test_in_a_stack_the_last_block_is_exact(time: int, num_layers: int, seed: int) -> None:
    network, life = some_network(seed, num_layers=num_layers), a_life(time, 2)
    exact, found = through_time(network, *life), online(network, *life)
    assert_equal(parts(found, num_layers - 1, (*NEURON, *PRESENT)), parts(exact, num_layers - 1, (*NEURON, *PRESENT)))


def cosine(one: list[Tensor], other: list[Tensor]) -> float:
    a, b = (torch.cat([part.flatten() for part in taken]) for taken in (one, other))
    return functional.cosine_similarity(a, b, dim=0).item()


@pytest.mark.parametrize(
    ("ablate", "names", "least"), [((), NEURON, 0.7), ((), ("W_c",), 0.6), (("plasticity",), (*NEURON, "W_c"), 0.8)]
)
def test_below_it_the_gradient_points_nearer_to_the_exact_one_than_without_traces(
    ablate: tuple[Ablation, ...], names: tuple[str, ...], least: float
) -> None:
    with_traces: list[float] = []
    without: list[float] = []
    for seed in range(6):
        torch.manual_seed(seed)
        network = PlasticRNN(INPUT, 16, 2, heads=2, ablate=ablate).double()
        life = a_life(30, 8)
        exact = parts(through_time(network, *life), 0, names)
        for cosines, gradient in ((with_traces, online), (without, one_step_at_a_time)):
            cosines.append(cosine(exact, parts(gradient(network, *life), 0, names)))
    assert statistics.median(with_traces) > least
    assert statistics.median(with_traces) > statistics.median(without) + 0.15


@few
@given(time=st.integers(1, 8), num_layers=st.integers(1, 2), conv_size=st.integers(1, 3), seed=st.integers(0, 999))
def test_a_learner_says_and_remembers_what_the_network_does(time: int, num_layers: int, conv_size: int, seed: int) -> None:
    network = some_network(seed, num_layers=num_layers, conv_size=conv_size)
    learner, (inputs, reward, _) = OnlineLearner(network), a_life(time, 2)
    state, memory = learner.initial_state(2), network.initial_state(2)
    for given_now, reward_now in zip(inputs, reward, strict=True):
        output, state = learner.step(given_now, state, reward=reward_now, prediction_error=-reward_now)
        expected, memory = network.step(given_now, memory, reward=reward_now, prediction_error=-reward_now)
        torch.testing.assert_close(output, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(state.network.tensors(), memory.detach().tensors(), rtol=0, atol=1e-12)


def test_a_loss_now_and_then_gives_the_same_as_backpropagation_through_time() -> None:
    network, (inputs, reward, targets) = some_network(3), a_life(10, 2)
    output, _ = network(inputs, reward=reward)
    (output - targets)[[4, 9]].square().sum().backward()
    expected = gradients(network)
    learner = OnlineLearner(network)
    state, outputs = learner.initial_state(2), []
    for given_now, reward_now in zip(inputs, reward, strict=True):
        output, state = learner.step(given_now, state, reward=reward_now)
        outputs.append(output)
    torch.stack([(outputs[t] - targets[t]).square().sum() for t in (4, 9)]).sum().backward()
    assert_equal(parts(gradients(network), 0, NEURON), parts(expected, 0, NEURON))


def test_a_row_that_begins_anew_owes_nothing_to_its_past() -> None:
    network = some_network(1, num_layers=2)
    learner, (inputs, _, _) = OnlineLearner(network), a_life(9, 3)
    state = learner.initial_state(3)
    for given_now in inputs[:5]:
        _, state = learner.step(given_now, state)
    state = state.replace_rows(torch.tensor([False, True, False]), learner.initial_state(3))
    alone = learner.initial_state(1)
    for given_now in inputs[5:]:
        output, state = learner.step(given_now, state)
        output[1].square().sum().backward()
        in_company = gradients(network)
        output, alone = learner.step(given_now[1:2], alone)
        output.square().sum().backward()
        torch.testing.assert_close(in_company, gradients(network), rtol=1e-8, atol=1e-10)


def test_a_learner_goes_on_from_what_a_network_has_read() -> None:
    network = some_network(2)
    _, memory = network(a_life(7, 2)[0])
    state = OnlineLearner(network).from_state(memory)
    torch.testing.assert_close(state.network.tensors(), memory.detach().tensors(), rtol=0, atol=0)
    assert not any(part.any() for traces in state.traces for part in traces)


def test_a_step_leaves_the_state_it_was_given_as_it_was() -> None:
    network = some_network(2)
    learner, (inputs, _, _) = OnlineLearner(network), a_life(3, 2)
    _, state = learner.step(inputs[0], learner.initial_state(2))
    kept = copy.deepcopy(state)
    output, _ = learner.step(inputs[1], state)
    output.sum().backward()
    assert_same(state, kept)


def assert_same(found: OnlineState, expected: OnlineState) -> None:
    torch.testing.assert_close(found.network.tensors(), expected.network.tensors(), rtol=0, atol=0)
    torch.testing.assert_close(found.traces, expected.traces, rtol=0, atol=0)


def live_numbers() -> int:
    gc.collect()
    return sum(thing.numel() for thing in gc.get_objects() if type(thing) is Tensor)


def nodes_behind(output: Tensor) -> int:
    seen, ahead = set(), [output.grad_fn]
    while ahead:
        node = ahead.pop()
        if node is not None and node not in seen:
            seen.add(node)
            ahead += [following for following, _ in node.next_functions]
    return len(seen)


def test_two_thousand_steps_take_the_memory_of_twenty() -> None:
    network = some_network(0)
    learner = OnlineLearner(network)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4)
    state = learner.initial_state(2)
    generator = torch.Generator().manual_seed(0)
    numbers, nodes = [], []
    for step in range(2000):
        output, state = learner.step(torch.randn(2, INPUT, generator=generator).double(), state)
        if step % 20 == 19:
            output.square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        if step in {19, 1999}:
            numbers.append(live_numbers())
            nodes.append(nodes_behind(output))
    assert numbers[0] == numbers[1]
    assert nodes[0] == nodes[1]
    assert all(part.isfinite().all() for part in state.network.tensors().values())


def recall_online(*, with_traces: bool) -> float:
    """Learn to say, after eight steps of noise, which of two cues was shown; give the share of right answers."""
    torch.manual_seed(0)
    network = PlasticRNN(INPUT, 16, heads=2, ablate=["plasticity"])
    readout = nn.Linear(16, 2)
    learner = OnlineLearner(network)
    optimizer = torch.optim.Adam([*network.parameters(), *readout.parameters()], lr=1e-2)
    right = []
    for episode in range(250):
        cue = torch.randint(2, (16,))
        state, output = learner.initial_state(16), torch.zeros(16, 16)
        for t in range(9):
            seen = 0.3 * torch.randn(16, INPUT)
            seen[:, 0] += (2.0 * cue - 1.0) * (t == 0)
            seen[:, 2] += 2.0 * (t == 8)
            output, after = learner.step(seen, state)
            state = after if with_traces else learner.from_state(after.network)
        answer = readout(output)
        functional.cross_entropy(answer, cue).backward()
        optimizer.step()
        optimizer.zero_grad()
        if episode >= 200:
            right.append((answer.argmax(-1) == cue).double().mean())
    return torch.stack(right).mean().item()


def test_with_its_traces_a_network_learns_online_what_lies_several_steps_back() -> None:
    found = recall_online(with_traces=True)
    assert found > 0.9
    assert recall_online(with_traces=False) < found - 0.08


@pytest.mark.parametrize(("shape", "rows"), [((2, 5), 2), ((3, INPUT), 2), ((1, 2, INPUT), 2)])
def test_what_does_not_fit_is_refused_with_what_would(shape: tuple[int, ...], rows: int) -> None:
    learner = OnlineLearner(some_network(0))
    with pytest.raises(ArgumentError, match=r"pass \[B, 3\] and a state of 1 blocks and B rows"):
        learner.step(torch.zeros(shape).double(), learner.initial_state(rows))


@pytest.mark.parametrize("shape", [(2, 1), (1,), ()])
def test_a_signal_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    learner = OnlineLearner(some_network(0))
    for name in ("reward", "prediction_error"):
        with pytest.raises(ArgumentError, match="one number a step and row"):
            learner.step(torch.zeros(2, INPUT).double(), learner.initial_state(2), **{name: torch.zeros(shape)})


@pytest.mark.parametrize("name", ["reward", "prediction_error"])
def test_a_signal_of_another_type_says_the_same_and_no_gradient_flows_into_it(name: str) -> None:
    network = some_network(0).float()
    learner, x, signal = OnlineLearner(network), torch.randn(2, INPUT), torch.ones(2).double().requires_grad_()
    expected, _ = learner.step(x, learner.initial_state(2), **{name: signal.detach().float()})
    output, _ = learner.step(x, learner.initial_state(2), **{name: signal})
    torch.testing.assert_close(output, expected, rtol=0, atol=0)
    output.sum().backward()
    assert signal.grad is None


def test_a_state_of_another_network_is_refused() -> None:
    learner = OnlineLearner(some_network(0))
    for other in (some_network(0, hidden_size=6), some_network(0, conv_size=2)):
        with pytest.raises(ArgumentError, match="this state is of 1 blocks"):
            learner.step(torch.zeros(1, INPUT).double(), OnlineLearner(other).initial_state(1))


def test_a_state_of_another_depth_is_refused() -> None:
    learner, deeper = OnlineLearner(some_network(0)), OnlineLearner(some_network(0, num_layers=2))
    with pytest.raises(ArgumentError, match="a state of 2 blocks"):
        learner.step(torch.zeros(1, INPUT).double(), deeper.initial_state(1))
    assert isinstance(deeper.initial_state(1).network, NetworkState)


def test_a_new_state_carries_no_graph_of_parameters_or_inputs() -> None:
    learner = OnlineLearner(some_network(0, num_layers=2, conv_size=3))
    _, state = learner.step(torch.randn(2, INPUT).double().requires_grad_(), learner.initial_state(2))
    assert not any(part.requires_grad for part in state.network.tensors().values())
    assert not any(part.requires_grad for traces in state.traces for part in traces)
