"""What is run: the tasks, the learning rates that are tried for each model, and then the seeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from benchmarks.brain.learning.reinforcement import Reinforced
from benchmarks.brain.learning.tasks import adding, bandits, binding, copying, cue_reward, mnist1d, text
from benchmarks.brain.learning.training import Supervised

TASKS: dict[str, Supervised | Reinforced] = {
    "binding_1": binding.ONE,
    "binding_3": binding.THREE,
    "mnist1d": mnist1d.MNIST1D,
    "bandits": bandits.BANDITS,
    "cue_reward": cue_reward.CUE_REWARD,
    "copying": copying.COPYING,
    "adding": adding.ADDING,
    "text": text.TEXT,
}
RATES = (1e-3, 3e-3, 1e-2)
RATE_SEED = 1_000  # the learning rate is chosen on a seed of its own
SHORTER = 2  # and with so many times fewer updates
SEEDS = 5
QUICK_STEPS = 20


class Unit(NamedTuple):
    """One training run: which task, model, seed, learning rate and number of updates."""

    task: str
    model: str
    seed: int
    rate: float
    steps: int


def rate_units(tasks: Iterable[str], models: Iterable[str]) -> Iterator[Unit]:
    """Give the runs that choose each model's learning rate."""
    for task, model in pairs(tasks, models):
        for rate in RATES:
            yield Unit(task, model, RATE_SEED, rate, TASKS[task].steps // SHORTER)


def seed_units(tasks: Iterable[str], models: Iterable[str], seeds: int, runs: Iterable[dict[str, Any]]) -> Iterator[Unit]:
    """Give the runs that are told of, one seed of all pairs after the other, each with its chosen learning rate."""
    rates = {pair: chosen_rate(*pair, runs) for pair in pairs(tasks, models)}
    for seed in range(seeds):
        for (task, model), rate in rates.items():
            yield Unit(task, model, seed, rate, TASKS[task].steps)


def quick_units(tasks: Iterable[str], models: Iterable[str]) -> Iterator[Unit]:
    """Give one very short run of each pair."""
    for task, model in pairs(tasks, models):
        yield Unit(task, model, 0, RATES[1], QUICK_STEPS)


def pairs(tasks: Iterable[str], models: Iterable[str]) -> list[tuple[str, str]]:
    """Give the pairs of a task and a model that takes part in it."""
    return [(task, model) for task in tasks for model in models if model in TASKS[task].models]


def chosen_rate(task: str, model: str, runs: Iterable[dict[str, Any]]) -> float:
    """Give the learning rate with the best validation score. The runs are records of units."""
    sign = 1 if TASKS[task].higher else -1
    tried = [run for run in runs if (run["task"], run["model"], run["seed"]) == (task, model, RATE_SEED)]
    return float(max(tried, key=lambda run: sign * run["validation"])["rate"])


def settings(task: str) -> dict[str, object]:
    """Tell what a run's outcome depends on beside its unit: a kept run is used again only where this is the same."""
    told = TASKS[task]
    names = ("hidden", "layers", "size", "tested", "converge", "longest", "patience", "discount", "trace", "entropy")
    return {name: getattr(told, name) for name in names if hasattr(told, name)}
