"""Objectives by the names that settings use."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from torch import Tensor

from llm_brain.errors import ArgumentError
from llm_brain.training.objectives.advantages import comparable
from llm_brain.training.objectives.best_of import best_of_k, informative
from llm_brain.training.objectives.policy import grpo, grpo_without_std, reinforce, rloo
from llm_brain.training.objectives.preference import dpo
from llm_brain.training.objectives.samples import Objective

OBJECTIVES: Final[Mapping[str, Objective]] = MappingProxyType({
    "rloo": rloo,
    "reinforce": reinforce,
    "grpo": grpo,
    "grpo_without_std": grpo_without_std,
    "dpo": dpo,
    "best_of_k": best_of_k,
})  # fmt: skip


def objective(name: str) -> Objective:
    """Give an objective by its name.

    Args:
        name: One of `OBJECTIVES`. "reinforce" needs samples with a baseline, "dpo" samples with a reference.

    Raises:
        ArgumentError: There is none of that name.

    Example:
        >>> objective("rloo").__name__
        'rloo'
        >>> objective("ppo")
        Traceback (most recent call last):
        ...
        llm_brain.errors.ArgumentError: there is no objective 'ppo': use one of best_of_k, dpo, grpo, ...
    """
    if name not in OBJECTIVES:
        message = f"there is no objective {name!r}: use one of {', '.join(sorted(OBJECTIVES))}"
        raise ArgumentError(message)
    return OBJECTIVES[name]


def measured(name: str, rewards: Tensor, known: Tensor) -> int:
    """Count what an objective is the mean over: the measured answers, or the prompts that have a best and a worse one.

    Args:
        name: Of the objective.
        rewards: [n, K]; what stands where `known` is false does not matter.
        known: Which evaluations there are, [n, K].

    Example:
        >>> import torch
        >>> rewards, known = torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.ones(2, 2).bool()
        >>> measured("rloo", rewards, known), measured("dpo", rewards, known)
        (4, 1)
    """
    if name in ("dpo", "best_of_k"):
        return int(informative(rewards, known).sum())
    return int((known if name == "reinforce" else comparable(known)).sum())
