"""That each estimator's mean is the exact gradient, by enumeration of all draws, and that a failed evaluation is never a zero."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from llm_brain.training import distillation, rloo
from llm_brain.training.objectives import entropy, leave_one_out_advantages

REWARDS = torch.tensor([0.2, 1.0, 0.45], dtype=torch.float64)


def exact_gradient(logits: Tensor, rewards: Tensor) -> Tensor:
    variable = logits.clone().requires_grad_()
    expected = (torch.softmax(variable, -1) * rewards).sum(-1).mean()
    return torch.autograd.grad(expected, variable)[0]


def mean_estimate(logits: Tensor, behaviour: Tensor, answers_per_prompt: int) -> Tensor:
    """The mean of the estimate over all draws of K answers from the behaviour to one prompt."""
    total = torch.zeros_like(logits)
    logs = torch.log_softmax(behaviour, -1)[0]
    for draw in itertools.product(range(logits.shape[1]), repeat=answers_per_prompt):
        answers = torch.tensor([draw])
        variable = logits.clone().requires_grad_()
        loss = rloo(variable, answers, REWARDS[answers], torch.ones_like(answers).bool(), logs[answers])
        total += logs[answers].sum().exp() * torch.autograd.grad(loss, variable)[0]
    return -total


@pytest.mark.parametrize("answers_per_prompt", [2, 3, 4])
def test_the_mean_of_rloo_over_all_draws_is_the_policy_gradient(answers_per_prompt: int) -> None:
    logits = torch.tensor([[0.3, -0.7, 1.1]], dtype=torch.float64)
    estimate = mean_estimate(logits, logits, answers_per_prompt)
    torch.testing.assert_close(estimate, exact_gradient(logits, REWARDS), rtol=1e-12, atol=1e-14)


def test_answers_drawn_by_a_slightly_older_brain_are_reweighted() -> None:
    logits = torch.tensor([[0.3, -0.7, 1.1]], dtype=torch.float64)
    older = logits + torch.tensor([[0.1, -0.2, 0.05]], dtype=torch.float64)
    # The baseline is that of the older brain's answers, which changes the variance; the ratio weighs each answer, not the others.
    torch.testing.assert_close(mean_estimate(logits, older, 2), exact_gradient(logits, REWARDS), rtol=1e-12, atol=1e-14)


def test_several_prompts_are_averaged() -> None:
    logits = torch.randn(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    answers = torch.tensor([[0, 1], [1, 1], [1, 0]])
    rewards = torch.tensor([[1.0, 0.0], [0.3, 0.9], [0.0, 0.5]], dtype=torch.float64)
    behaviour = torch.log_softmax(logits, -1).gather(1, answers)
    known = torch.ones_like(answers).bool()
    one_by_one = [rloo(*(part[row : row + 1] for part in (logits, answers, rewards, known, behaviour))) for row in range(3)]
    torch.testing.assert_close(rloo(logits, answers, rewards, known, behaviour), torch.stack(one_by_one).mean())


@given(st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=1, max_size=5), st.integers(0, 2**20 - 1))
def test_advantages_of_a_prompt_sum_to_zero_whatever_failed(rewards: list[list[float]], mask: int) -> None:
    values = torch.tensor(rewards, dtype=torch.float64)
    known = torch.tensor([[bool(mask >> (4 * row + column) & 1) for column in range(4)] for row in range(len(rewards))])
    advantages = leave_one_out_advantages(values, known)
    assert advantages.sum(dim=1).abs().max() < 1e-12
    assert (advantages[~known] == 0).all()


def test_a_failed_evaluation_is_left_out_and_never_a_zero() -> None:
    logits = torch.tensor([[0.5, -0.5]], dtype=torch.float64)
    answers = torch.tensor([[0, 1, 0]])
    behaviour = torch.log_softmax(logits, -1).gather(1, answers)
    known = torch.tensor([[True, True, False]])
    gradients = []
    for unknown in (0.0, 1.0, float("nan")):
        variable = logits.clone().requires_grad_()
        rewards = torch.tensor([[1.0, 0.4, unknown]], dtype=torch.float64)
        rloo(variable, answers, rewards, known, behaviour).backward()
        assert variable.grad is not None
        gradients.append(variable.grad)
    variable = logits.clone().requires_grad_()
    rloo(variable, answers[:, :2], torch.tensor([[1.0, 0.4]]), known[:, :2], behaviour[:, :2]).backward()
    for gradient in gradients:
        torch.testing.assert_close(gradient, variable.grad, rtol=1e-6, atol=1e-8)


def test_a_prompt_with_one_known_answer_neither_teaches_nor_dilutes() -> None:
    logits = torch.tensor([[0.4, -0.2], [0.1, 0.3]], dtype=torch.float64)
    answers = torch.tensor([[0, 1], [0, 1]])
    rewards = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    behaviour = torch.log_softmax(logits, -1).gather(1, answers)
    alone = rloo(logits[:1], answers[:1], rewards[:1], torch.tensor([[True, True]]), behaviour[:1])
    beside = rloo(logits, answers, rewards, torch.tensor([[True, True], [True, False]]), behaviour)
    assert float(alone) == float(beside) != 0.0


def test_nothing_known_is_a_loss_of_zero() -> None:
    logits = torch.zeros(1, 2, requires_grad=True)
    loss = rloo(logits, torch.tensor([[0, 1]]), torch.zeros(1, 2), torch.zeros(1, 2).bool(), torch.zeros(1, 2))
    assert float(loss.detach()) == 0.0


def test_an_importance_ratio_is_truncated_at_two() -> None:
    answers, rewards, known = torch.tensor([[0, 1]]), torch.tensor([[1.0, 0.0]]), torch.ones(1, 2).bool()
    logits = torch.zeros(1, 2)
    now = torch.log_softmax(logits, -1).gather(1, answers)

    def loss(ratio: float) -> float:
        return float(rloo(logits, answers, rewards, known, now - torch.tensor([[ratio, 1.0]]).log()))

    assert loss(1.5) != loss(2.0)
    assert loss(2.0) == loss(50.0)


def test_a_constant_factor_on_a_supervised_loss_changes_nothing_under_adam_while_the_weight_of_rloo_beside_it_does() -> None:
    def trained(supervised: float, feedback: float) -> Tensor:
        logits = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.Adam([logits], lr=0.05, eps=1e-12)
        answers, known = torch.tensor([[0, 1]]), torch.ones(1, 2).bool()
        for _ in range(20):
            loss = supervised * distillation(logits, torch.tensor([[0.8, 0.2]], dtype=torch.float64))
            behaviour = torch.log_softmax(logits.detach(), -1).gather(1, answers)
            loss = loss + feedback * rloo(logits, answers, torch.tensor([[0.0, 1.0]], dtype=torch.float64), known, behaviour)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
        return logits.detach()

    torch.testing.assert_close(trained(0.1, 0.0), trained(1.0, 0.0), rtol=1e-6, atol=1e-9)
    assert (trained(1.0, 0.5) - trained(1.0, 1.0)).abs().max() > 1e-3


def test_distillation_is_least_at_the_sharpened_probabilities() -> None:
    probabilities = torch.tensor([[0.7, 0.3]], dtype=torch.float64)
    sharpened = probabilities**2 / (probabilities**2).sum()
    logits = sharpened.log().requires_grad_()
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
    assert float(entropy(torch.zeros(2, 4))) == pytest.approx(torch.tensor(4.0).log().item())
    assert float(entropy(torch.tensor([[50.0, 0.0]]))) == pytest.approx(0.0, abs=1e-6)
