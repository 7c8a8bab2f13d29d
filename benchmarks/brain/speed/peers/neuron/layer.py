"""llm_brain's neuron alone: the projections of its gate and its candidate, and the scan."""

from __future__ import annotations

from torch import nn

from llm_brain.brain import Neuron


def build(width: int) -> nn.Module:
    return Neuron(width, width)
