"""What the learned policies are compared with: Gittins' index for a finite horizon, Thompson sampling, UCB1, and chance.

A policy gives a priority to each arm from its wins and losses and the pulls that are left, and the highest is pulled.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Policy = Callable[[NDArray[np.int64], NDArray[np.int64], int], Numbers]


def total_reward(policy: Policy, chances: Numbers, pulls: int, seed: int) -> float:
    """Give the mean over bandits `[N, arms]` of what the pulled arms' chances sum to in an episode."""
    generator = np.random.default_rng(seed)
    rows = np.arange(len(chances))
    wins, losses = np.zeros(chances.shape, dtype=np.int64), np.zeros(chances.shape, dtype=np.int64)
    total = np.zeros(len(chances))
    for left in range(pulls, 0, -1):
        priority = policy(wins, losses, left)
        arm = (priority + 1e-9 * generator.random(priority.shape)).argmax(1)  # ties are broken by chance
        won = generator.random(len(rows)) < chances[rows, arm]
        wins[rows, arm] += won
        losses[rows, arm] += ~won
        total += chances[rows, arm]
    return float(total.mean())


def gittins(pulls: int, resolution: int = 400) -> Policy:
    """Gittins' index for Bernoulli arms under a uniform prior, calibrated for each number of pulls that are left.

    The index is the price a pull at which it is as good to stop at once as to pull on and stop whenever one likes. For every
    price of a grid, dynamic programming over the pulls that are left gives what pulling is worth; at the index that is zero.
    """
    prices = ((np.arange(resolution) + 0.5) / resolution)[:, None, None].astype(np.float32)
    count = np.arange(pulls + 1, dtype=np.float32)
    chance = (count[:, None] + 1) / (count[:, None] + count[None] + 2)
    worth = np.zeros((resolution, pulls + 2, pulls + 2), dtype=np.float32)
    index = np.zeros((pulls + 1, pulls + 1, pulls + 1), dtype=np.float32)
    for left in range(1, pulls + 1):
        pulling = chance - prices + chance * worth[:, 1:, :-1] + (1 - chance) * worth[:, :-1, 1:]
        worth[:, :-1, :-1] = np.maximum(pulling, 0)
        index[left] = (pulling > 0).mean(0)
    return lambda wins, losses, left: index[left, wins, losses].astype(np.float64)


def thompson(seed: int) -> Policy:
    """Thompson sampling: draw each arm's chance from its posterior."""
    generator = np.random.default_rng(seed)
    return lambda wins, losses, _left: generator.beta(wins + 1, losses + 1)


def ucb1(wins: NDArray[np.int64], losses: NDArray[np.int64], _left: int) -> Numbers:
    """UCB1 (Auer et al. 2002): the mean and a bonus for what was seldom pulled; every arm is pulled once."""
    pulled = wins + losses
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = wins / pulled + np.sqrt(2 * np.log(pulled.sum(1, keepdims=True)) / pulled)
    return np.where(pulled == 0, np.inf, bound)


def any_arm(wins: NDArray[np.int64], _losses: NDArray[np.int64], _left: int) -> Numbers:
    """Any arm."""
    return np.zeros(wins.shape)
