"""K answers to one prompt: handed in as they were drawn, handed back with their rewards."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from llm_brain.errors import ArgumentError
from llm_brain.strategy.words import json_text


@dataclass(frozen=True, slots=True)
class Group:
    """K answers to one prompt, with their rewards.

    Attributes:
        prompt: The prompt, as its place among the lesson's prompts.
        answers: K values, as the evaluator sees them. Two of equal JSON are one answer.
        targets: K rows that have a JSON form, of which the learner makes the distribution's target again.
        behaviour: The log-probability of each answer when it was drawn.
        version: How many updates the network had seen when it drew them.
        number: The running number that the pool gives a group that is handed in.
        rewards: What each answer earned; None where its evaluation failed. Empty until the group comes back.

    Example:
        >>> Group(3, ("good", "bad"), (0, 1), (-0.7, -0.7), version=0, rewards=(0.1, None)).rewards[1] is None
        True
    """

    prompt: int
    answers: tuple[Any, ...]
    targets: tuple[Any, ...]
    behaviour: tuple[float, ...]
    version: int
    number: int = 0
    rewards: tuple[float | None, ...] = ()

    def texts(self) -> tuple[str, ...]:
        """Write each answer as JSON, by which it is known.

        Raises:
            ArgumentError: An answer has no JSON form.
        """
        return tuple(json_text(answer) for answer in self.answers)

    def digest(self) -> str:
        """Tell which answers to which prompt these are, in eight characters: equal ones are the same draw."""
        return f"{zlib.crc32(json_text([self.prompt, *self.texts()]).encode()):08x}"


def group_tensors(groups: Sequence[Group]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Lay n groups of K answers out as tensors for an objective.

    Args:
        groups: With their rewards.

    Returns:
        rewards (0 where they are not known), known (bool) and behaviour, each [n, K].

    Raises:
        ArgumentError: There is no group, or they are not of one size.

    Example:
        >>> group_tensors([Group(0, ("a", "b"), (0, 1), (-0.7, -0.7), 0, rewards=(1.0, None))])[1].tolist()
        [[True, False]]
    """
    if len({(len(group.rewards), len(group.behaviour)) for group in groups}) != 1:
        message = f"groups of one size are needed, with their rewards, got sizes {[len(group.rewards) for group in groups]}"
        raise ArgumentError(message)
    rewards = torch.tensor([[0.0 if reward is None else reward for reward in group.rewards] for group in groups])
    known = torch.tensor([[reward is not None for reward in group.rewards] for group in groups])
    behaviour = torch.tensor([group.behaviour for group in groups])
    return rewards, known, behaviour
