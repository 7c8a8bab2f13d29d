"""llm_brain's plastic layer with 128 units and one head: 16,384 synapses, one between every two units, as in Backpropamine."""

from __future__ import annotations

from torch import nn

from llm_brain.brain import PlasticSynapses


def build(width: int) -> nn.Module:
    return PlasticSynapses(width, heads=1, key_size=width)
