"""The same plastic rule in a loop over time, as the equations are written."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.brain.speed.peers.rule.layer import Rule
from llm_brain.brain import plastic_chunked, plastic_loop


def build(width: int) -> nn.Module:
    del width  # it has no matrix
    return Rule(plastic_loop)


def check(width: int, inputs: Tensor) -> None:
    """See that the loop and the chunks give the same."""
    del width
    with torch.no_grad():
        chunks, loop = (Rule(run).to(inputs.device)(inputs)[0] for run in (plastic_chunked, plastic_loop))
    torch.testing.assert_close(chunks, loop, atol=1e-4, rtol=0)
