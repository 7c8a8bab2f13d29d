"""A policy over three options, its rewards, and means over everything that it could have drawn."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from llm_brain.training.objectives import Objective, Samples

Estimate = Callable[..., Tensor]


@pytest.fixture
def logits() -> Tensor:
    return torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64)


@pytest.fixture
def rewards() -> Tensor:
    return torch.tensor([0.2, 1.0, 0.45], dtype=torch.float64)


@pytest.fixture
def mean_gradient() -> Estimate:
    """The mean of an objective's gradient over all draws of K answers to one prompt, each weighed with its probability."""

    def mean(
        objective: Objective,
        logits: Tensor,
        rewards: Tensor,
        number: int,
        *,
        older: Tensor | None = None,
        baseline: float | None = None,
        reference: Tensor | None = None,
    ) -> Tensor:
        behaviour = torch.log_softmax(logits if older is None else older, -1)
        total = torch.zeros_like(logits)
        for draw in draws(len(logits), number):
            variable = logits.clone().requires_grad_()
            samples = Samples(
                torch.log_softmax(variable, -1)[draw],
                rewards[draw],
                torch.ones_like(draw).bool(),
                behaviour[draw],
                baseline=None if baseline is None else torch.tensor([baseline], dtype=logits.dtype),
                reference=None if reference is None else torch.log_softmax(reference, -1)[draw],
            )
            total += behaviour[draw].sum().exp() * torch.autograd.grad(objective(samples), variable)[0]
        return total

    return mean


def draws(options: int, number: int) -> Iterator[Tensor]:
    for draw in itertools.product(range(options), repeat=number):
        yield torch.tensor([draw])
