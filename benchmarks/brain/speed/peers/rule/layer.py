"""The plastic rule alone, 64 steps at once: no projections; the input is query, key and value, and some of it the signals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from llm_brain.brain import SynapseState, plastic_chunked

HEADS = 4


class Rule(nn.Module):
    """Four heads of synapses, each as long in its keys as in its values."""

    def __init__(self, run: Callable[..., tuple[Tensor, SynapseState]]) -> None:
        super().__init__()
        self.run = run
        self.decay = nn.Parameter(torch.linspace(0.8, 0.9, HEADS))

    def forward(self, inputs: Tensor, state: Any = None) -> tuple[Tensor, SynapseState]:
        time, batch, width = inputs.shape
        pairs = inputs.view(time, batch, HEADS, width // HEADS).permute(1, 2, 0, 3)
        signals = {
            "dopamine": inputs[..., :HEADS].tanh().permute(1, 2, 0),
            "retention": (inputs[..., HEADS : 2 * HEADS] + 4).sigmoid().permute(1, 2, 0),
            "decay": self.decay,
        }
        read, state = self.run(pairs, pairs.roll(1, dims=2), pairs, **signals, state=state)
        return read.permute(2, 0, 1, 3).flatten(2), state


def build(width: int) -> nn.Module:
    del width  # it has no matrix
    return Rule(plastic_chunked)
