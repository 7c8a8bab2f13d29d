"""Bernoulli bandits: five arms of unknown chances, a hundred pulls, and a policy that is learned from playing many of them.

The network sees its last action, the last reward and a one. The policy gradient is made from the pulled arm's chance less the
mean of all arms' chances, in place of the reward: the same mean gradient, with less noise, as the simulator knows the chances.
The network never sees them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.brain.learning.reinforcement import Episodes, Reinforced
from benchmarks.brain.learning.tasks.bandit_policies import any_arm, gittins, thompson, total_reward, ucb1

ARMS, PULLS = 5, 100


class Bandits:
    """A batch of bandits, whose arms' chances are uniform."""

    def __init__(self, size: int, generator: torch.Generator) -> None:
        self.chances = torch.rand(size, ARMS, generator=generator)
        self.generator = generator
        self.seen = torch.cat([torch.zeros(size, ARMS + 1), torch.ones(size, 1)], dim=1)

    def observe(self, _step: int) -> Tensor:
        return self.seen

    def act(self, _step: int, action: Tensor) -> tuple[Tensor, Tensor]:
        chance = self.chances.gather(1, action[:, None])[:, 0]
        reward = torch.bernoulli(chance, generator=self.generator)
        self.seen = torch.cat([functional.one_hot(action, ARMS).float(), reward[:, None], torch.ones(len(action), 1)], dim=1)
        return reward, chance - self.chances.mean(1)


def score(episodes: Episodes, environment: Bandits) -> Tensor:
    """Mean total reward of an episode: what the pulled arms' chances sum to."""
    return PULLS * environment.chances.mean() + episodes.worth.sum(0).mean()


def references(rows: int, seed: int, repeats: int = 10) -> dict[str, float]:
    """Give the mean total reward of policies that are not learned, on the arms of a test of so many rows."""
    chances = Bandits(rows, torch.Generator().manual_seed(seed)).chances.double().numpy().repeat(repeats, axis=0)
    policies = {"Gittins' index": gittins(PULLS), "Thompson sampling": thompson(0), "UCB1": ucb1, "chance": any_arm}
    return {name: round(total_reward(policy, chances, PULLS, 0), 2) for name, policy in policies.items()}


BANDITS = Reinforced(
    title="Bernoulli bandits",
    metric="total reward",
    environment=Bandits,
    deciding=torch.ones(PULLS, dtype=torch.bool),
    score=score,
    inputs=ARMS + 2,
    outputs=ARMS,
    models=("ours", "gru"),
    hidden=64,
    steps=300,
    unit=10.0,
)
