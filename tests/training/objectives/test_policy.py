"""That each estimator's mean is the exact gradient, by enumeration of all draws, or is off by what its docstring says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from llm_brain.errors import ArgumentError
from llm_brain.training.objectives import Samples, grpo, grpo_without_std, importance_ratios, reinforce, rloo

Estimate = Callable[..., Tensor]
EXACT = {"rtol": 1e-12, "atol": 1e-14}
NEARBY = torch.tensor([0.1, -0.2, 0.05], dtype=torch.float64)


def exact_gradient(logits: Tensor, rewards: Tensor) -> Tensor:
    variable = logits.clone().requires_grad_()
    return torch.autograd.grad((torch.softmax(variable, -1) * rewards).sum(), variable)[0]


def samples_of(logits: Tensor, answers: Tensor, rewards: Tensor, known: Tensor) -> Samples:
    chosen = torch.log_softmax(logits, -1).gather(1, answers)
    return Samples(chosen, rewards, known, chosen.detach())


@pytest.mark.parametrize("number", [2, 3, 4])
def test_the_mean_of_rloo_is_the_policy_gradient(number: int, logits: Tensor, rewards: Tensor, mean_gradient: Estimate) -> None:
    torch.testing.assert_close(-mean_gradient(rloo, logits, rewards, number), exact_gradient(logits, rewards), **EXACT)


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("baseline", [0.0, 0.4, -7.0])
def test_the_mean_of_reinforce_is_the_policy_gradient_whatever_the_baseline(
    number: int, baseline: float, logits: Tensor, rewards: Tensor, mean_gradient: Estimate
) -> None:
    mean = mean_gradient(reinforce, logits, rewards, number, baseline=baseline)
    torch.testing.assert_close(-mean, exact_gradient(logits, rewards), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("number", [2, 3, 4])
def test_the_mean_of_grpo_without_std_is_that_gradient_times_k_minus_one_over_k(
    number: int, logits: Tensor, rewards: Tensor, mean_gradient: Estimate
) -> None:
    mean = mean_gradient(grpo_without_std, logits, rewards, number)
    torch.testing.assert_close(-mean, (number - 1) / number * exact_gradient(logits, rewards), **EXACT)


@pytest.mark.parametrize("number", [2, 3, 4])
def test_the_mean_of_grpo_points_the_way_of_the_gradient_and_is_not_it(
    number: int, logits: Tensor, rewards: Tensor, mean_gradient: Estimate
) -> None:
    mean, exact = -mean_gradient(grpo, logits, rewards, number), exact_gradient(logits, rewards)
    alike = float(torch.cosine_similarity(mean, exact, dim=0))
    assert 0.7 < alike < 0.999


def test_grpo_of_two_options_is_a_multiple_of_the_gradient(mean_gradient: Estimate) -> None:
    logits, rewards = torch.tensor([0.4, -0.9], dtype=torch.float64), torch.tensor([0.3, 0.9], dtype=torch.float64)
    mean, exact = -mean_gradient(grpo, logits, rewards, 3), exact_gradient(logits, rewards)
    assert float(torch.cosine_similarity(mean, exact, dim=0)) == pytest.approx(1.0, abs=1e-12)
    assert float(mean.norm()) > 2 * float(exact.norm())


@pytest.mark.parametrize(("objective", "factor"), [(rloo, 1.0), (reinforce, 1.0), (grpo_without_std, 1 / 2)])
def test_answers_drawn_by_a_slightly_older_network_are_reweighted_exactly(
    objective: Callable[[Samples], Tensor], factor: float, logits: Tensor, rewards: Tensor, mean_gradient: Estimate
) -> None:
    mean = mean_gradient(objective, logits, rewards, 2, older=logits + NEARBY, baseline=0.3)
    torch.testing.assert_close(-mean, factor * exact_gradient(logits, rewards), rtol=1e-12, atol=1e-13)


def test_where_ratios_are_truncated_the_mean_is_not_the_gradient(
    logits: Tensor, rewards: Tensor, mean_gradient: Estimate
) -> None:
    mean = mean_gradient(rloo, logits, rewards, 2, older=logits + torch.tensor([0.0, -3.0, 0.0], dtype=torch.float64))
    assert (-mean - exact_gradient(logits, rewards)).abs().max() > 0.01


def test_an_importance_ratio_is_truncated_at_two_and_has_no_gradient() -> None:
    now = torch.tensor([[0.4, 0.4, 0.4]]).log().requires_grad_()
    then = torch.tensor([[0.4, 0.25, 0.001]]).log()
    ratios = importance_ratios(Samples(now, torch.zeros(1, 3), torch.ones(1, 3).bool(), then))
    torch.testing.assert_close(ratios, torch.tensor([[1.0, 1.6, 2.0]]))
    assert not ratios.requires_grad


def test_several_prompts_are_averaged() -> None:
    logits = torch.randn(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    answers, known = torch.tensor([[0, 1], [1, 1], [1, 0]]), torch.ones(3, 2).bool()
    rewards = torch.tensor([[1.0, 0.0], [0.3, 0.9], [0.0, 0.5]], dtype=torch.float64)
    single = [rloo(samples_of(*(part[row : row + 1] for part in (logits, answers, rewards, known)))) for row in range(3)]
    torch.testing.assert_close(rloo(samples_of(logits, answers, rewards, known)), torch.stack(single).mean())


def test_a_failed_evaluation_is_left_out_and_never_a_zero() -> None:
    answers, known = torch.tensor([[0, 1, 0]]), torch.tensor([[True, True, False]])
    rewards = torch.tensor([[1.0, 0.4, 0.0]], dtype=torch.float64)
    logits = torch.tensor([[0.5, -0.5]], dtype=torch.float64)
    for objective in (rloo, grpo, grpo_without_std):
        variable, other = logits.clone().requires_grad_(), logits.clone().requires_grad_()
        with_failure = objective(samples_of(variable, answers, rewards, known))
        without = objective(samples_of(other, answers[:, :2], rewards[:, :2], known[:, :2]))
        torch.testing.assert_close(*(torch.autograd.grad(*pair)[0] for pair in ((with_failure, variable), (without, other))))


def test_a_prompt_with_one_known_answer_neither_teaches_nor_dilutes() -> None:
    logits = torch.tensor([[0.4, -0.2], [0.1, 0.3]], dtype=torch.float64)
    answers, rewards = torch.tensor([[0, 1], [0, 1]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    alone = rloo(samples_of(logits[:1], answers[:1], rewards[:1], torch.tensor([[True, True]])))
    beside = rloo(samples_of(logits, answers, rewards, torch.tensor([[True, True], [True, False]])))
    assert float(alone) == float(beside) != 0.0


def test_a_baseline_gets_no_gradient() -> None:
    value = torch.tensor([0.3], requires_grad=True)
    logs = torch.tensor([[0.5]]).log().requires_grad_()
    reinforce(Samples(logs, torch.ones(1, 1), torch.ones(1, 1).bool(), logs.detach(), baseline=value)).backward()
    assert logs.grad is not None
    assert value.grad is None


def test_reinforce_without_a_baseline_says_what_to_give() -> None:
    logs = torch.zeros(1, 2)
    with pytest.raises(ArgumentError, match=r"samples\.baseline.*value head or a running mean"):
        reinforce(Samples(logs, logs, logs.bool(), logs))
