"""The numbers of a training with feedback, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass

from llm_brain.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a network is trained.

    Attributes:
        epochs: How often all inputs are seen.
        batch_size: Inputs in a step.
        feedback_weight: w: the weight of the judge's feedback beside the loss of the targets; 0: nobody is asked.
        answers_per_prompt: K: answers drawn to each input.
        entropy_bonus: b: the weight of the entropy.
        validation_interval: Epochs between two validations.
        seed: Of the order of the inputs and of the answers that are drawn.

    Raises:
        ArgumentError: A number is not one that makes sense.

    Example:
        >>> Plan(epochs=0)
        Traceback (most recent call last):
        ...
        llm_brain.errors.ArgumentError: epochs must be 1 or more, got 0
    """

    epochs: int
    batch_size: int = 32
    feedback_weight: float = 0.5
    answers_per_prompt: int = 4
    entropy_bonus: float = 0.01
    validation_interval: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"epochs": 1, "batch_size": 1, "feedback_weight": 0, "answers_per_prompt": 2, "entropy_bonus": 0}
        for name, low in {**least, "validation_interval": 1}.items():
            value = getattr(self, name)
            if not low <= value < math.inf:
                message = f"{name} must be {low} or more, got {value}"
                raise ArgumentError(message)
