"""llm_brain's plastic layer alone: its projections and four heads of plastic synapses, 64 steps at once."""

from __future__ import annotations

from torch import nn

from llm_brain.brain import PlasticSynapses


def build(width: int) -> nn.Module:
    return PlasticSynapses(width, heads=4)
