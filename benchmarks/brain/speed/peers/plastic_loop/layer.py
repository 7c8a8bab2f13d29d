"""The same plastic layer with its rule in a loop over time, as the equations are written."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from llm_brain.brain import PlasticSynapses, SynapseState, plastic_loop


class LoopedSynapses(PlasticSynapses):
    def forward(self, input: Tensor, state: SynapseState | None = None) -> tuple[Tensor, SynapseState]:  # noqa: A002 - as nn.GRU
        query, key, value, signals, gate = self.associations(input)
        read, state = plastic_loop(query, key, value, **signals, state=state)
        return self.readout(read, gate), state


def build(width: int) -> nn.Module:
    return LoopedSynapses(width, heads=4)


def check(width: int, inputs: Tensor) -> None:
    """See that the loop and the chunks give the same."""
    loop, chunks = (made(width, heads=4) for made in (LoopedSynapses, PlasticSynapses))
    chunks.load_state_dict(loop.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(chunks.to(inputs.device)(inputs)[0], loop.to(inputs.device)(inputs)[0], atol=1e-4, rtol=0)
