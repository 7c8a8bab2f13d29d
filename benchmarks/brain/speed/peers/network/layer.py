"""llm_brain's `PlasticRNN` with one layer: a projection of its input, and one block with its MLP."""

from __future__ import annotations

from torch import nn

from llm_brain.brain import PlasticRNN


def build(width: int) -> nn.Module:
    return PlasticRNN(width, width, heads=4)
