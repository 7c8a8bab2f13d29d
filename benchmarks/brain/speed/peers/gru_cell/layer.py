"""torch's nn.GRUCell, called in a loop."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Steps(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.cell = nn.GRUCell(width, width)

    def forward(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        outputs = []
        for value in inputs:
            state = self.cell(value, state)
            outputs.append(state)
        return torch.stack(outputs), state

    def step(self, value: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        state = self.cell(value, state)
        return state, state


def build(width: int) -> nn.Module:
    return Steps(width)
