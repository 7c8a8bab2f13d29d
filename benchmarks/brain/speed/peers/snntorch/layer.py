"""snnTorch: a linear layer and `RLeaky`, spiking neurons all connected to all, in a loop over time as its docs have it."""

from __future__ import annotations

import snntorch
import torch
from torch import Tensor, nn

State = tuple[Tensor, Tensor]


class Spiking(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.input = nn.Linear(width, width)
        self.neurons = snntorch.RLeaky(beta=0.9, linear_features=width)

    def forward(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        spikes, potential = state or self.neurons.init_rleaky()
        outputs = []
        for value in inputs:
            spikes, potential = self.neurons(self.input(value), spikes, potential)
            outputs.append(spikes)
        return torch.stack(outputs), (spikes, potential)


def build(width: int) -> nn.Module:
    return Spiking(width)
