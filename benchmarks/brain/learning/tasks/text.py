"""Bits per character on Python's own documentation text, `pydoc_data.topics`: 465,000 characters that come with Python.

The alphabet has 96 characters, printable ASCII and the end of a line; what is outside it is left out. The first nine tenths of
the text are for training, and the rest is split in two for validation and test. Every window of 128 begins with an empty state.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from benchmarks.brain.learning.tasks.scores import cross_entropy
from benchmarks.brain.learning.training import Supervised

ALPHABET = "\n" + "".join(map(chr, range(32, 127)))
WINDOW = 128
SHARES = {"train": (0.0, 0.9), "validation": (0.9, 0.95), "test": (0.95, 1.0)}


@functools.cache
def text() -> Tensor:
    """Give the whole text as numbers of characters."""
    from pydoc_data import topics

    numbers = {character: number for number, character in enumerate(ALPHABET)}
    whole = "\n".join(topics.topics[name] for name in sorted(topics.topics))
    return torch.tensor([numbers[character] for character in whole if character in numbers])


def draw(split: str, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Give characters `[128, B]` and those that follow them."""
    first, last = (int(share * len(text())) for share in SHARES[split])
    starts = torch.randint(first, last - WINDOW, (size,), generator=generator)
    windows = text()[starts + torch.arange(WINDOW + 1)[:, None]]
    return windows[:-1], windows[1:]


def bits(output: Tensor, target: Tensor) -> Tensor:
    """Mean bits per character."""
    return cross_entropy(output, target) / math.log(2)


TEXT = Supervised(
    title="Python's documentation",
    metric="bits per character",
    draw=draw,
    loss=cross_entropy,
    score=bits,
    inputs=32,
    outputs=len(ALPHABET),
    symbols=len(ALPHABET),
    models=("ours", "gru", "mingru"),
    hidden=96,
    layers=2,
    steps=400,
    higher=False,
)
