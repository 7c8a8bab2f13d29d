"""Backpropamine, from the paper (Miconi et al. 2019): a Hebbian trace a connection, modulated in retrospect, in a plain loop.

x_t = tanh(W_in i_t + (w + alpha * Hebb_t) x_{t-1})
M_t = tanh(w_m x_t)                                       the network modulates itself
Hebb_{t+1} = clip(Hebb_t + M_t E_t)
E_{t+1} = (1 - eta) E_t + eta x_t x_{t-1}^T               eligibility
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class State(NamedTuple):
    activity: Tensor  # [B, width]
    hebbian: Tensor  # [B, width, width]
    eligibility: Tensor  # [B, width, width]


class Backpropamine(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.input = nn.Linear(width, width)
        self.fixed = nn.Parameter(torch.randn(width, width) / width**0.5)
        self.plasticity = nn.Parameter(0.01 * torch.randn(width, width))
        self.modulation = nn.Linear(width, 1)
        self.rate = nn.Parameter(torch.tensor(0.1))

    def forward(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        state = self.initial_state(inputs.shape[1]) if state is None else state
        driven = self.input(inputs)
        outputs = []
        for drive in driven:
            state = self.advance(drive, state)
            outputs.append(state.activity)
        return torch.stack(outputs), state

    def step(self, value: Tensor, state: State) -> tuple[Tensor, State]:
        state = self.advance(self.input(value), state)
        return state.activity, state

    def advance(self, drive: Tensor, state: State) -> State:
        before, hebbian, eligibility = state
        weights = self.fixed + self.plasticity * hebbian
        activity = torch.tanh(drive + torch.bmm(weights, before.unsqueeze(-1)).squeeze(-1))
        dopamine = torch.tanh(self.modulation(activity)).unsqueeze(-1)
        hebbian = torch.clamp(hebbian + dopamine * eligibility, -1.0, 1.0)
        pairs = activity.unsqueeze(-1) * before.unsqueeze(-2)
        return State(activity, hebbian, (1.0 - self.rate) * eligibility + self.rate * pairs)

    def initial_state(self, batch: int) -> State:
        synapses = self.fixed.new_zeros(batch, self.width, self.width)
        return State(self.fixed.new_zeros(batch, self.width), synapses, synapses)


def build(width: int) -> nn.Module:
    return Backpropamine(width)
