"""The adding problem (Hochreiter and Schmidhuber 1997): the sum of the two numbers, among a hundred, that are marked.

One mark is in each half. Who always says 1 has a mean squared error of 1/6, .167.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.brain.learning.training import Supervised

LENGTH = 100


def draw(_split: str, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Give inputs `[100, B, 2]`, a number and a mark, and the sums `[B]`."""
    numbers = torch.rand(LENGTH, size, generator=generator)
    marked = torch.stack(
        [
            torch.randint(LENGTH // 2, (size,), generator=generator),
            torch.randint(LENGTH // 2, LENGTH, (size,), generator=generator),
        ]
    )
    marks = torch.zeros(LENGTH, size).scatter_(0, marked, 1.0)
    return torch.stack([numbers, marks], dim=-1), (numbers * marks).sum(0)


def squared_error(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of the last step's answer."""
    return functional.mse_loss(output[-1, :, 0], target)


ADDING = Supervised(
    title="adding problem",
    metric="squared error",
    draw=draw,
    loss=squared_error,
    score=squared_error,
    inputs=2,
    outputs=1,
    models=("ours", "gru", "mingru"),
    hidden=64,
    layers=2,
    steps=500,
    higher=False,
)
