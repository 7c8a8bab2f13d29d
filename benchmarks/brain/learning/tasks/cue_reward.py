"""Cue-reward association: which of some cues are followed by a reward is new in every episode.

An episode has six random cues of 16 bits, and each is good or bad for the whole of it. In each of 24 trials one of the cues is
shown, and at the next step a reward of +1 or -1 arrives. When a cue is shown the network foretells its reward, which it can do
from the second time on. It is the first task of Miconi et al. 2019 ("Backpropamine") without the actions: there the network also
has to find out by acting which cue is the rewarded one, in episodes of 200 steps and many more of them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.brain.learning.tasks.scores import accuracy, cross_entropy
from benchmarks.brain.learning.training import Supervised

BITS, CUES, TRIALS = 16, 6, 24


def draw(_split: str, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Give inputs `[48, B, 17]`, a cue or a reward each, and targets `[48, B]`: 1 for a reward, -100 where it cannot be known."""
    rows = torch.arange(size)[:, None]
    cues = torch.randint(2, (size, CUES, BITS), generator=generator).float() * 2 - 1
    good = torch.randint(2, (size, CUES), generator=generator)
    shown = torch.randint(CUES, (size, TRIALS), generator=generator)
    given = torch.zeros(size, TRIALS, 2, BITS + 1)
    given[:, :, 0, :BITS] = cues[rows, shown]
    given[:, :, 1, BITS] = good[rows, shown] * 2.0 - 1
    before = torch.ones(TRIALS, TRIALS).tril(-1).bool()
    known = ((shown[:, :, None] == shown[:, None, :]) & before).any(-1)
    target = torch.full((size, TRIALS, 2), -100)
    target[:, :, 0] = torch.where(known, good[rows, shown], -100)
    return given.flatten(1, 2).transpose(0, 1).contiguous(), target.flatten(1, 2).t().contiguous()


CUE_REWARD = Supervised(
    title="cue-reward association",
    metric="accuracy",
    draw=draw,
    loss=cross_entropy,
    score=accuracy,
    inputs=BITS + 1,
    outputs=2,
    models=("ours", "no_eligibility", "no_dopamine", "no_plasticity", "gru"),
    hidden=64,
    steps=1000,
)
