"""Which examples and prompts a step takes: decided by the seed, the epoch and the step alone.

Nothing is drawn from a generator that has to be kept: a training that goes on in the middle of an epoch takes the batches that it
would have taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from llm_brain.training.loop.randomness import seed_of


def length_batches(lengths: Sequence[int], size: int, seed: int) -> list[list[int]]:
    """Split indices into random batches of similar length, so that little of a batch is padding.

    Args:
        lengths: Of the rows.
        size: Of a batch.
        seed: Of the order.

    Returns:
        Every index once, in batches in random order.

    Example:
        >>> batches = length_batches([5, 1, 4, 2], 2, seed=0)
        >>> sorted(index for batch in batches for index in batch)
        [0, 1, 2, 3]
    """
    random = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(lengths), generator=random).tolist()
    batches = []
    for start in range(0, len(order), 16 * size):
        part = sorted(order[start : start + 16 * size], key=lengths.__getitem__)
        batches += [part[begin : begin + size] for begin in range(0, len(part), size)]
    return [batches[index] for index in torch.randperm(len(batches), generator=random).tolist()]


class PromptBatches:
    """Goes through the prompts in random batches of similar length, over and over.

    Args:
        lengths: Of the prompts.
        size: Of a batch.
        seed: Of the order.

    Example:
        >>> batches = PromptBatches([3, 1, 2], 2, seed=0)
        >>> sorted(batches.at(0) + batches.at(1)), batches.at(0) == batches.at(0)
        ([0, 1, 2], True)
    """

    def __init__(self, lengths: Sequence[int], size: int, seed: int) -> None:
        self._lengths, self._size, self._seed = lengths, size, seed
        self._round = -1
        self._batches: list[list[int]] = []

    def at(self, step: int) -> list[int]:
        """Give the prompts of a step."""
        number, place = divmod(step, max(1, math.ceil(len(self._lengths) / self._size)))
        if number != self._round:
            self._round = number
            self._batches = length_batches(self._lengths, self._size, seed_of(self._seed, "prompts", number))
        return self._batches[place] if self._batches else []
