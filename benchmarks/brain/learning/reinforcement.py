"""Policy gradients: acting one step at a time without gradients, then one parallel pass over the episode for the gradient.

An actor-critic with generalised advantage estimation. The entropy bonus and the learning rate fall to zero over the run.
The optimiser and the learning rates are those of supervised training.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.brain.learning.models import Network, make, parameters
from benchmarks.brain.learning.training import EVALUATIONS, TEST, VALIDATION, WARM_UP, Curve, optimizer_of


class Environment(Protocol):
    """A batch of episodes."""

    def observe(self, step: int) -> Tensor:
        """Give what is seen at a step, `[B, inputs]`; it tells the last action and reward too."""

    def act(self, step: int, action: Tensor) -> tuple[Tensor, Tensor]:
        """Take actions `[B]`; give the rewards, and what the policy gradient is made from in their place: both `[B]`."""


class Episodes(NamedTuple):
    """What happened: all `[T, B]`, and what was seen `[T, B, inputs]`."""

    given: Tensor
    reward_before: Tensor
    action: Tensor
    worth: Tensor


@dataclass(frozen=True)
class Reinforced:
    """A task with actions and rewards. What `Supervised` says of a field of the same name holds here.

    Attributes:
        environment: Makes a batch of episodes.
        deciding: Which steps' actions count, `[T]`.
        score: Scores a batch of episodes, given the environment that they were in.
        outputs: Number of actions.
        discount: Of what comes later.
        trace: How far an advantage looks ahead, lambda of its estimator.
        entropy: The bonus at the beginning.
        unit: What a value of one stands for.
    """

    title: str
    metric: str
    environment: Callable[[int, torch.Generator], Environment]
    deciding: Tensor
    score: Callable[[Episodes, Any], Tensor]
    inputs: int
    outputs: int
    models: tuple[str, ...]
    hidden: int
    steps: int
    layers: int = 1
    size: int = 64
    tested: int = 1024
    higher: bool = True
    discount: float = 0.97
    trace: float = 0.95
    entropy: float = 0.05
    unit: float = 1.0

    def run(self, model: str, seed: int, rate: float, steps: int) -> dict[str, object]:
        """Train a model from a seed and test it."""
        torch.manual_seed(seed)
        network = make(model, self.inputs, self.outputs + 1, self.hidden, self.layers)
        started, cpu = time.perf_counter(), time.process_time()
        curve = reinforce(network, self, seed, rate, steps)
        return {
            "score": test(network, self, self.tested, TEST),
            "validation": curve[-1][1],
            "steps": steps,
            "parameters": parameters(network),
            "wall_seconds": round(time.perf_counter() - started, 1),
            "cpu_seconds": round(time.process_time() - cpu, 1),
            "curve": curve,
        }


def reinforce(network: Network, task: Reinforced, seed: int, rate: float, steps: int) -> Curve:
    """Train for so many updates; tell the validation score on the way."""
    optimizer = optimizer_of(network, rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=WARM_UP)
    generator = torch.Generator().manual_seed(1_000 + seed)
    curve = []
    for step in range(1, steps + 1):
        episodes = play(network, task.environment(task.size, generator), task, generator)
        loss = objective(network, task, episodes, task.entropy * (1 - step / steps))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % max(1, 2 * steps // EVALUATIONS) == 0 or step == steps:
            curve.append((step, test(network, task, task.tested // 4, VALIDATION)))
    return curve


@torch.no_grad()
def play(network: Network, environment: Environment, task: Reinforced, generator: torch.Generator) -> Episodes:
    """Act through a batch of episodes, one step at a time."""
    state: Any = None
    reward = torch.zeros(len(environment.observe(0)))
    told = []
    for step in range(len(task.deciding)):
        given = environment.observe(step)
        output, state = network.step(given, state, reward)
        action = torch.multinomial(output[:, :-1].softmax(-1), 1, generator=generator)[:, 0]
        before = reward
        reward, worth = environment.act(step, action)
        told.append((given, before, action, worth))
    return Episodes(*(torch.stack(part) for part in zip(*told, strict=True)))


def objective(network: Network, task: Reinforced, episodes: Episodes, entropy_bonus: float) -> Tensor:
    """Give the loss of a batch of episodes, which are read again in parallel."""
    output = network(episodes.given, reward=episodes.reward_before)[0]
    logits, value = output[..., :-1].log_softmax(-1), output[..., -1]
    advantage = advantages(episodes.worth / task.unit, value.detach(), task.discount, task.trace)
    target = advantage + value.detach()
    counted = task.deciding
    weight = advantage[counted]
    weight = (weight - weight.mean()) / (weight.std() + 1e-6)
    taken = logits.gather(-1, episodes.action[..., None])[..., 0][counted]
    entropy = -(logits.exp() * logits).sum(-1)[counted].mean()
    return -(weight * taken).mean() + 0.5 * functional.mse_loss(value, target) - entropy_bonus * entropy


def advantages(reward: Tensor, value: Tensor, discount: float, trace: float) -> Tensor:
    """Generalised advantage estimation (Schulman et al. 2016) over the first axis; nothing comes after the last step."""
    later = torch.cat([value[1:], torch.zeros_like(value[:1])])
    errors = reward + discount * later - value
    summed = torch.empty_like(errors)
    running = torch.zeros_like(errors[0])
    for step in range(len(errors) - 1, -1, -1):
        running = errors[step] + discount * trace * running
        summed[step] = running
    return summed


def test(network: Network, task: Reinforced, size: int, seed: int) -> float:
    """Score a network on episodes that are the same for every model and seed, but for chance."""
    generator = torch.Generator().manual_seed(seed)
    environment = task.environment(size, generator)
    return round(float(task.score(play(network, environment, task, generator), environment)), 5)
