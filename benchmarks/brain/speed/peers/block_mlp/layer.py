"""llm_brain's block with its gated MLP, twice as wide."""

from __future__ import annotations

from torch import nn

from llm_brain.brain import BrainBlock


def build(width: int) -> nn.Module:
    return BrainBlock(width, heads=4, expansion=2)
