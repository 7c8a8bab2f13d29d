"""Losses and scores that several tasks share. A target below zero is no question."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Mean cross-entropy of the questions, in nats. Output `[T, B, classes]`, target `[T, B]`."""
    return functional.cross_entropy(output.flatten(0, 1), target.flatten(), ignore_index=-100)


def accuracy(output: Tensor, target: Tensor) -> Tensor:
    """Share of the questions that are answered rightly."""
    asked = target >= 0
    return (output.argmax(-1)[asked] == target[asked]).float().mean()
