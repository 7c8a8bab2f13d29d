"""llm_brain's block without its MLP: modulators, neuron and four heads of plastic synapses."""

from __future__ import annotations

from torch import nn

from llm_brain.brain import BrainBlock


def build(width: int) -> nn.Module:
    return BrainBlock(width, heads=4, expansion=0)
