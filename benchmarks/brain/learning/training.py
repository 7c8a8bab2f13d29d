"""Supervised training: the same loop, optimiser and learning rates for every model.

AdamW, weight decay .01, gradients clipped to norm 1. The learning rate is one-cycle. Where a model trains until it has
converged, it is constant after a warm-up, and the best state on validation data is what is tested.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.brain.learning.models import Network, make, parameters

EVALUATIONS = 20
WARM_UP = 0.1
VALIDATION, TEST = 1, 2  # seeds of the held-out draws; training draws from seeds far above

Draw = Callable[[str, int, torch.Generator], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Supervised:
    """A task with targets.

    Attributes:
        title: How tables call it.
        metric: What the score is.
        draw: Gives a batch: of which split, how many rows, from which generator. Input `[T, B, ...]` and target.
        loss: Loss of an output and a target.
        score: Score of an output and a target.
        inputs: Size of a step's input, or of the table of symbols' entries.
        outputs: Size of the readout.
        models: Who takes part.
        hidden: Our hidden size; the others get as many parameters.
        steps: Updates of a run.
        layers: Layers of every model.
        symbols: How many symbols the input has, where it is symbols.
        size: Rows of a batch.
        tested: Rows of the test.
        higher: True where a higher score is better.
        converge: Models that train until they have converged.
        longest: They stop after so many times `steps` in any case.
        patience: They stop after so many evaluations without a better one.
    """

    title: str
    metric: str
    draw: Draw
    loss: Callable[[Tensor, Tensor], Tensor]
    score: Callable[[Tensor, Tensor], Tensor]
    inputs: int
    outputs: int
    models: tuple[str, ...]
    hidden: int
    steps: int
    layers: int = 1
    symbols: int | None = None
    size: int = 32
    tested: int = 512
    higher: bool = True
    converge: tuple[str, ...] = ()
    longest: int = 10
    patience: int = 20

    def run(self, model: str, seed: int, rate: float, steps: int) -> dict[str, object]:
        """Train a model from a seed and test it."""
        torch.manual_seed(seed)
        network = make(model, self.inputs, self.outputs, self.hidden, self.layers, symbols=self.symbols)
        started, cpu = time.perf_counter(), time.process_time()
        converges = model in self.converge
        curve = (converge if converges else train)(network, self, seed, rate, steps)
        return {
            "score": evaluate(network, self, "test"),
            "validation": _best(curve, self) if converges else curve[-1][1],
            "steps": curve[-1][0],
            "parameters": parameters(network),
            "wall_seconds": round(time.perf_counter() - started, 1),
            "cpu_seconds": round(time.process_time() - cpu, 1),
            "curve": curve,
        }


Curve = list[tuple[int, float]]


def train(network: Network, task: Supervised, seed: int, rate: float, steps: int) -> Curve:
    """Train for so many updates under a one-cycle learning rate; tell the validation score on the way."""
    optimizer = optimizer_of(network, rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=WARM_UP)
    generator = torch.Generator().manual_seed(1_000 + seed)
    curve = []
    for step in range(1, steps + 1):
        update(network, task, optimizer, generator)
        schedule.step()
        if step % max(1, steps // EVALUATIONS) == 0 or step == steps:
            curve.append((step, evaluate(network, task, "validation")))
    return curve


def converge(network: Network, task: Supervised, seed: int, rate: float, steps: int) -> Curve:
    """Train until validation has not got better for `task.patience` evaluations, `task.longest` times the steps at most."""
    optimizer = optimizer_of(network, rate)
    warm_up = max(1, int(WARM_UP * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / warm_up))
    generator = torch.Generator().manual_seed(1_000 + seed)
    every = max(1, 2 * steps // EVALUATIONS)
    curve: Curve = []
    best, when, kept = float("-inf"), 0, copy.deepcopy(network.state_dict())
    for step in range(1, task.longest * steps + 1):
        update(network, task, optimizer, generator)
        schedule.step()
        if step % every:
            continue
        curve.append((step, evaluate(network, task, "validation")))
        worth = curve[-1][1] if task.higher else -curve[-1][1]
        if worth > best:
            best, when, kept = worth, len(curve), copy.deepcopy(network.state_dict())
        elif len(curve) - when >= task.patience:
            break
    network.load_state_dict(kept)
    return curve


def update(network: Network, task: Supervised, optimizer: torch.optim.Optimizer, generator: torch.Generator) -> None:
    """Take one step down the gradient of a fresh batch."""
    given, target = task.draw("train", task.size, generator)
    loss = task.loss(network(given)[0], target)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()


@torch.no_grad()
def evaluate(network: Network, task: Supervised, split: str) -> float:
    """Score a network on held-out rows that are the same for every model and seed."""
    rows, generator = (
        (task.tested, torch.Generator().manual_seed(TEST))
        if split == "test"
        else (
            task.tested // 4,
            torch.Generator().manual_seed(VALIDATION),
        )
    )
    given, target = task.draw(split, rows, generator)
    return round(float(task.score(network(given)[0], target)), 5)


def optimizer_of(network: nn.Module, rate: float) -> torch.optim.Optimizer:
    """Make the optimiser. Only matrices decay."""
    matrices = [parameter for parameter in network.parameters() if parameter.dim() > 1]
    others = [parameter for parameter in network.parameters() if parameter.dim() <= 1]
    return torch.optim.AdamW([{"params": matrices, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}], rate)


def _best(curve: Curve, task: Supervised) -> float:
    return (max if task.higher else min)(score for _, score in curve)
