"""That best-of-K has the gradient of the likelihood of the best of K draws, whose probability is known in closed form."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from llm_brain.training.objectives import Samples, best_of_k


def chance_of_being_best(probabilities: Tensor, rewards: Tensor, number: int) -> Tensor:
    """How likely each option is the best of so many draws that are not all alike in reward; ties share."""
    level = (rewards[None] == rewards[:, None]).to(probabilities.dtype) @ probabilities
    up_to = (rewards[None] <= rewards[:, None]).to(probabilities.dtype) @ probabilities
    reached = up_to**number - (up_to - level) ** number - level**number
    return reached * probabilities / level


@pytest.mark.parametrize("number", [2, 3, 4])
@pytest.mark.parametrize("values", [(0.2, 1.0, 0.45), (0.7, 0.1, 0.7), (0.7, 0.1, 0.1)])
def test_the_mean_gradient_is_that_of_the_likelihood_of_the_best(
    number: int, values: tuple[float, ...], logits: Tensor, mean_gradient: Callable[..., Tensor]
) -> None:
    rewards = torch.tensor(values, dtype=torch.float64)
    best = chance_of_being_best(torch.softmax(logits, -1), rewards, number)
    variable = logits.clone().requires_grad_()
    (exact,) = torch.autograd.grad(-(best * torch.log_softmax(variable, -1)).sum(), variable)
    torch.testing.assert_close(mean_gradient(best_of_k, logits, rewards, number), exact, rtol=1e-12, atol=1e-14)


def test_prompts_without_a_best_answer_are_left_out_of_the_mean() -> None:
    logs = torch.tensor([[-0.5, -1.0], [-2.0, -3.0], [-4.0, -5.0]], dtype=torch.float64)
    rewards = torch.tensor([[0.3, 0.8], [0.5, 0.5], [0.2, 0.9]], dtype=torch.float64)
    known = torch.tensor([[True, True], [True, True], [True, False]])
    assert float(best_of_k(Samples(logs, rewards, known, logs))) == 1.0
