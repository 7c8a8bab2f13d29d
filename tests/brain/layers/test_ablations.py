"""An ablation changes what it names, in every block, and nothing else; and is undone without a trace."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from llm_brain.brain import ABLATIONS, CHANNELS, Ablation, BlockState, PlasticRNN
from llm_brain.errors import ArgumentError
from tests.brain.layers.networks import a_life, between, some_network

# The parts of a block's state that each ablation reaches in the first block of a network.
REACHED: dict[Ablation, set[str]] = {
    "dopamine": {"tonic:dopamine", "plastic"},
    "acetylcholine": {"tonic:acetylcholine", "neuron"},
    "noradrenaline": {"tonic:noradrenaline", "neuron"},
    "serotonin": {"tonic:serotonin", "plastic"},
    "eligibility": {"eligibility", "plastic"},
    "plasticity": {"eligibility", "plastic"},
}


def differing(found: BlockState, expected: BlockState) -> set[str]:
    parts = {
        "neuron": (found.neuron, expected.neuron),
        "eligibility": (found.synapses.eligibility, expected.synapses.eligibility),
        "plastic": (found.synapses.plastic, expected.synapses.plastic),
    }
    for at, channel in enumerate(CHANNELS):
        parts[f"tonic:{channel}"] = (found.tonic[:, at], expected.tonic[:, at])
    return {name for name, (one, other) in parts.items() if not torch.equal(one, other)}


@pytest.mark.parametrize("ablated", ABLATIONS)
def test_an_ablation_reaches_its_own_part_of_a_block_and_no_other(ablated: Ablation) -> None:
    network, lived = some_network(num_layers=1), a_life(6, 2)
    output, state = network(**lived)
    network.set_ablation([ablated])
    changed, after = network(**lived)
    assert differing(after.blocks[0], state.blocks[0]) == REACHED[ablated]
    assert not torch.allclose(changed, output)


@pytest.mark.parametrize("ablated", ABLATIONS)
def test_what_is_ablated_comes_back_as_it_was(ablated: Ablation) -> None:
    network, lived = some_network(), a_life(6, 2)
    expected, state = network(**lived)
    network.set_ablation([ablated])
    network(**lived)
    network.set_ablation([])
    again, after = network(**lived)
    torch.testing.assert_close(again, expected, rtol=0, atol=0)
    torch.testing.assert_close(after, state, rtol=0, atol=0)


@pytest.mark.parametrize("ablated", ABLATIONS)
def test_an_ablated_network_steps_as_it_runs(ablated: Ablation) -> None:
    network, lived = some_network(ablate=[ablated]), a_life(7, 2)
    expected, end = network(**lived)
    state, outputs = network.initial_state(2), []
    for t in range(7):
        now = {name: part[t] for name, part in lived.items()}
        output, state = network.step(now.pop("input"), state, **now)
        outputs.append(output)
    torch.testing.assert_close(torch.stack(outputs), expected, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(state, end, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("ablated", ABLATIONS)
def test_an_ablation_holds_in_every_block(ablated: Ablation) -> None:
    assert all(block.ablated == {ablated} for block in some_network(num_layers=3, ablate=[ablated]).blocks())
    network, lived = some_network(), a_life(6, 2)
    network.blocks()[0].set_ablation([ablated])
    expected, _ = network(**lived)
    network.set_ablation([ablated])
    assert not torch.allclose(network(**lived)[0], expected)


def test_without_plasticity_what_synapses_hold_is_neither_read_nor_changed() -> None:
    network, lived = some_network(num_layers=1), a_life(8, 2)
    _, state = network(**between(lived, 0, 4))
    network.set_ablation(["plasticity"])
    output, after = network(**between(lived, 4, 8), state=state)
    torch.testing.assert_close(after.blocks[0].synapses, state.blocks[0].synapses, rtol=0, atol=0)
    emptied = state.blocks[0]._replace(synapses=network.initial_state(2).blocks[0].synapses)
    without, _ = network(**between(lived, 4, 8), state=state._replace(blocks=(emptied,)))
    torch.testing.assert_close(output, without, rtol=0, atol=0)


def test_an_ablated_dopamine_commits_all_with_one_constant() -> None:
    network, lived = some_network(ablate=["dopamine"]), a_life(6, 2)
    with network.record() as recording:
        network(**lived)
    assert all((recording.course(block).dopamine == 0.5).all() for block in range(2))


def test_several_are_ablated_together() -> None:
    network, lived = some_network(num_layers=1, ablate=CHANNELS), a_life(6, 2)
    _, state = network(**lived)
    assert (state.blocks[0].tonic == 0.5).all()
    quiet = {**lived, "reward": torch.zeros(6, 2).double(), "prediction_error": torch.zeros(6, 2).double()}
    torch.testing.assert_close(network(**quiet)[0], network(**lived)[0], rtol=0, atol=0)


def test_an_unknown_ablation_is_refused_by_name() -> None:
    unknown: list[Any] = ["adrenaline"]
    for build in (lambda: PlasticRNN(6, 8, heads=2, ablate=unknown), lambda: some_network().set_ablation(unknown)):
        with pytest.raises(
            ArgumentError, match=r"nothing called 'adrenaline' can be ablated: choose from dopamine, .*plasticity"
        ):
            build()
