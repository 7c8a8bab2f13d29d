"""Selective copy (Gu and Dao 2023), small: eight symbols among 56 blanks, to be repeated in their order at the end.

Where they stand differs from row to row, so that a model has to choose by content what it keeps. Chance is 1/14.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.brain.learning.tasks.scores import accuracy, cross_entropy
from benchmarks.brain.learning.training import Supervised

VOCABULARY, LENGTH, COPIED = 16, 64, 8
BLANK, ANSWER = VOCABULARY - 2, VOCABULARY - 1


def draw(_split: str, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Give symbols `[72, B]` and targets `[72, B]`, -100 before the answer."""
    symbols = torch.randint(BLANK, (size, COPIED), generator=generator)
    places = torch.rand(size, LENGTH, generator=generator).argsort(1)[:, :COPIED].sort(1).values
    given = torch.full((size, LENGTH + COPIED), BLANK)
    given[torch.arange(size)[:, None], places] = symbols
    given[:, LENGTH:] = ANSWER
    target = torch.full_like(given, -100)
    target[:, LENGTH:] = symbols
    return given.t().contiguous(), target.t().contiguous()


COPYING = Supervised(
    title="selective copy",
    metric="accuracy",
    draw=draw,
    loss=cross_entropy,
    score=accuracy,
    inputs=16,
    outputs=BLANK,
    symbols=VOCABULARY,
    models=("ours", "gru", "mingru"),
    hidden=64,
    layers=2,
    steps=1000,
)
