"""Distillation, entropy and the distance from a reference; and that a factor on a supervised loss is no signal."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from llm_brain.training.objectives import Samples, distillation, entropy, kl_to_reference, rloo


def trained(factors: list[float], feedback: float = 0.0) -> Tensor:
    """Logits after 40 updates by Adam on a supervised loss times factors in turn, and RLOO beside it."""
    logits = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.05, eps=1e-12)
    rewards, known = torch.tensor([[0.0, 1.0]], dtype=torch.float64), torch.ones(1, 2).bool()
    for step in range(40):
        loss = factors[step % len(factors)] * distillation(logits, torch.tensor([[0.8, 0.2]], dtype=torch.float64))
        logs = torch.log_softmax(logits, -1)
        loss = loss + feedback * rloo(Samples(logs, rewards, known, logs.detach()))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return logits.detach()


@pytest.mark.parametrize("score", [0.0, 0.3, 1.0])
def test_a_factor_made_from_the_score_changes_nothing_under_adam(score: float) -> None:
    weight = 0.5
    torch.testing.assert_close(trained([1 + weight * (1 - score)]), trained([1.0]), rtol=1e-6, atol=1e-9)


def test_even_a_factor_that_changes_with_the_score_leads_where_the_supervised_loss_alone_leads() -> None:
    # The judge prefers the other answer, and the factor only makes the steps towards the labelled one a little uneven.
    alone, uneven = trained([1.0]), trained([1.5, 1.1, 1.3])
    assert (alone - uneven).abs().max() < 0.05
    assert int(uneven.argmax()) == 0


def test_evaluations_beside_the_supervised_loss_do_change_what_is_learned() -> None:
    assert int(trained([1.0], feedback=2.0).argmax()) == 1
    assert (trained([1.0], feedback=0.5) - trained([1.0], feedback=1.0)).abs().max() > 1e-3


def test_distillation_is_least_at_the_sharpened_probabilities() -> None:
    probabilities = torch.tensor([[0.7, 0.3]], dtype=torch.float64)
    logits = (probabilities**2 / (probabilities**2).sum()).log().requires_grad_()
    distillation(logits, probabilities, temperature=0.5).backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-12


def test_certain_probabilities_give_a_finite_loss_and_gradient() -> None:
    logits = torch.tensor([[0.0, 0.0]], requires_grad=True)
    loss = distillation(logits, torch.tensor([[1.0, 0.0]]), temperature=0.1)
    loss.backward()
    assert logits.grad is not None
    assert bool(loss.isfinite())
    assert bool(logits.grad.isfinite().all())


def test_entropy_is_greatest_when_all_answers_are_alike() -> None:
    assert float(entropy(torch.zeros(2, 4))) == pytest.approx(math.log(4))
    assert float(entropy(torch.tensor([[50.0, 0.0]]))) == pytest.approx(0.0, abs=1e-6)


@given(st.lists(st.tuples(st.floats(-8, 0), st.floats(-8, 0)), min_size=1, max_size=6))
def test_the_distance_from_a_reference_is_never_negative(pairs: list[tuple[float, float]]) -> None:
    logs = torch.tensor([pairs], dtype=torch.float64)
    assert float(kl_to_reference(logs[..., 0], logs[..., 1])) >= 0.0
    assert float(kl_to_reference(logs[..., 0], logs[..., 0])) == 0.0


def test_the_distance_is_on_average_the_divergence_and_its_gradient_that_of_the_reversed_one(logits: Tensor) -> None:
    reference = torch.tensor([0.9, 0.1, -0.4], dtype=torch.float64).log_softmax(-1)
    variable = logits.clone().requires_grad_()
    logs = torch.log_softmax(variable, -1)
    chances = logs.detach().exp()
    estimates = torch.stack([kl_to_reference(logs[option].view(1, 1), reference[option].view(1, 1)) for option in range(3)])
    torch.testing.assert_close((chances * estimates).sum(), (chances * (logs - reference)).sum())
    mean = torch.autograd.grad((chances * estimates).sum(), variable, retain_graph=True)[0]
    reversed_divergence = (reference.exp() * (reference - logs)).sum()
    torch.testing.assert_close(mean, torch.autograd.grad(reversed_divergence, variable)[0], rtol=1e-12, atol=1e-14)
    simple = reference - logs.detach()
    spread = (chances * (estimates.detach() - (chances * estimates.detach()).sum()).square()).sum()
    assert spread < (chances * (simple - (chances * simple).sum()).square()).sum()  # of the estimator log pi - log reference
