"""Delayed-outcome binding: what was bound is worth keeping only if an outcome, some steps later, says so.

Six keys come with a value twice each, in random order: once with a value that turns out good (+1) and once with one that turns
out bad (-1). Keys and values are gone when the outcome comes. Then each key is asked for, and the answer is its good value.
A model that stores both values but not which was which is right half of the time; chance is 1/16.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from benchmarks.brain.learning.tasks.scores import accuracy, cross_entropy
from benchmarks.brain.learning.training import Supervised

SYMBOLS, KEYS = 16, 6
OUTCOME, SIGN, QUERY = 2 * SYMBOLS, 2 * SYMBOLS + 1, 2 * SYMBOLS + 2
INPUTS = 2 * SYMBOLS + 3


def draw(_split: str, size: int, generator: torch.Generator, delay: int) -> tuple[Tensor, Tensor]:
    """Give inputs `[T, B, 35]` and targets `[T, B]`, -100 where nothing is asked. T = 12 (1 + delay) + 6."""
    rows = torch.arange(size)[:, None]
    keys = _permutations(size, SYMBOLS, generator)[:, :KEYS]
    good = torch.randint(SYMBOLS, (size, KEYS), generator=generator)
    bad = (good + torch.randint(1, SYMBOLS, (size, KEYS), generator=generator)) % SYMBOLS
    order = _permutations(size, 2 * KEYS, generator)
    pair, is_good = order % KEYS, order < KEYS
    shown = torch.arange(2 * KEYS) * (1 + delay)
    given = torch.zeros(size, 2 * KEYS * (1 + delay) + KEYS, INPUTS)
    given[rows, shown, keys[rows, pair]] = 1
    given[rows, shown, SYMBOLS + torch.where(is_good, good[rows, pair], bad[rows, pair])] = 1
    given[:, shown + delay, OUTCOME] = 1
    given[rows, shown + delay, SIGN] = is_good.float() * 2 - 1
    asked, questions = _permutations(size, KEYS, generator), torch.arange(KEYS) + 2 * KEYS * (1 + delay)
    given[rows, questions, keys[rows, asked]] = 1
    given[:, questions, QUERY] = 1
    target = torch.full(given.shape[:2], -100)
    target[:, questions] = good[rows, asked]
    return given.transpose(0, 1).contiguous(), target.t().contiguous()


def _permutations(size: int, length: int, generator: torch.Generator) -> Tensor:
    return torch.rand(size, length, generator=generator).argsort(1)


def binding(delay: int, steps: int) -> Supervised:
    return Supervised(
        title=f"binding, outcome {delay} step{'s' if delay > 1 else ''} later",
        metric="accuracy",
        draw=partial(draw, delay=delay),
        loss=cross_entropy,
        score=accuracy,
        inputs=INPUTS,
        outputs=SYMBOLS,
        models=("ours", "no_eligibility", "no_dopamine", "no_modulation", "gru"),
        hidden=128,
        steps=steps,
        converge=("gru",),
    )


ONE, THREE = binding(1, 400), binding(3, 800)
