"""Long sequences and strong forgetting: numbers stay finite, and memory small."""

from __future__ import annotations

import resource

import pytest
import torch

from llm_brain.brain import PlasticRNN
from tests.brain.layers.networks import INPUT, WIDTH, gradients, some_network


def test_two_thousand_steps_in_single_precision_stay_finite() -> None:
    torch.manual_seed(0)
    network = PlasticRNN(INPUT, WIDTH, 2, heads=2)
    output, state = network(torch.randn(2048, 2, INPUT), reward=torch.randn(2048, 2), prediction_error=torch.randn(2048, 2))
    assert output.isfinite().all()
    assert all(part.isfinite().all() for part in state.tensors().values())
    assert all(gradient.isfinite().all() for gradient in gradients(network, output.square().cos().mean()))


@pytest.mark.slow
def test_a_hundred_thousand_steps_take_little_memory_and_stay_finite() -> None:
    torch.manual_seed(0)
    network = PlasticRNN(INPUT, 16, heads=2, chunk=64)
    sequence = torch.randn(100_000, 1, INPUT)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with torch.inference_mode():
        output, state = network(sequence)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 400, f"{grown:.0f} MiB for 100,000 steps"
    assert output.isfinite().all()
    assert all(part.isfinite().all() for part in state.tensors().values())
    output, _ = network(sequence)
    assert all(gradient.isfinite().all() for gradient in gradients(network, output.square().cos().mean()))


def test_strong_forgetting_leaves_gradients_finite() -> None:
    network = some_network().float()
    with torch.no_grad():
        for block in network.blocks():
            block.serotonin_gain.fill_(-300.0)
            block.eligibility_logit.fill_(-200.0)
            block.modulators.retention_logit.fill_(-200.0)
    output, _ = network(torch.randn(64, 2, INPUT))
    assert output.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in gradients(network, output.square().cos().mean()))
