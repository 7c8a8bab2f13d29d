"""Policy gradients of the expected reward J = E_{y ~ pi}[R(y)], as losses to be minimised.

    loss = - mean over the measured answers of   min(pi / pi_behaviour, 2) * A * log pi

The ratio and the advantage A carry no gradient. The objectives differ in what a reward is measured against (`advantages`). All
of them leave unknown rewards out of every mean, and are 0 with a gradient of 0 where nothing is known. Entropy is needed beside
them: without a bonus for it (`entropy`) a policy gradient stalls.
"""

from __future__ import annotations

from torch import Tensor

from llm_brain.errors import ArgumentError
from llm_brain.training.objectives.advantages import (
    baseline_advantages,
    comparable,
    group_mean_advantages,
    leave_one_out_advantages,
    standardised_advantages,
)
from llm_brain.training.objectives.samples import Samples

LARGEST_RATIO = 2.0


def rloo(samples: Samples) -> Tensor:
    """REINFORCE with a leave-one-out baseline (Ahmadian et al. 2024): unbiased, without a critic.

    Args:
        samples: Answers to each prompt, two known rewards or more where something is to be learned.

    Returns:
        A scalar whose gradient is on average minus that of the expected reward, the mean over the measured answers. Answers
        that are unknown, or have no other to be measured against, are excluded from that mean. Where an importance ratio is
        truncated, less is learned from that answer, which is a bias.

    Example:
        >>> import torch
        >>> logs = torch.full((1, 2), 0.5).log().requires_grad_()
        >>> rloo(Samples(logs, torch.tensor([[1.0, 0.0]]), torch.tensor([[True, True]]), logs.detach())).backward()
        >>> logs.grad.tolist()
        [[-0.5, 0.5]]
    """
    return _policy_loss(samples, leave_one_out_advantages(samples.rewards, samples.known), comparable(samples.known))


def reinforce(samples: Samples) -> Tensor:
    """REINFORCE with a baseline that was known before (Williams 1992): unbiased, whatever the baseline is.

    The advantage is what the brain's dopamine stands for: a reward less the reward that was expected. One known reward is
    enough to learn from; a better baseline only makes the estimate less noisy.

    Args:
        samples: Answers, with `baseline`.

    Returns:
        A scalar whose gradient is on average minus that of the expected reward, the mean over the known answers.

    Raises:
        ArgumentError: There is no baseline.

    Example:
        >>> import torch
        >>> logs = torch.full((1, 1), 0.5).log().requires_grad_()
        >>> known, expected = torch.tensor([[True]]), torch.tensor([0.75])
        >>> reinforce(Samples(logs, torch.tensor([[1.0]]), known, logs.detach(), baseline=expected)).backward()
        >>> logs.grad.tolist()
        [[-0.25]]
    """
    if samples.baseline is None:
        message = "reinforce measures rewards against samples.baseline: give it (a value head or a running mean), or use rloo"
        raise ArgumentError(message)
    return _policy_loss(samples, baseline_advantages(samples.rewards, samples.known, samples.baseline), samples.known)


def grpo(samples: Samples) -> Tensor:
    """Group-relative policy optimisation (Shao et al. 2024), for comparison.

    Biased: dividing by the standard deviation of a prompt's rewards weighs up the prompts on whose answers the rewards hardly
    differ, and draws which happened to be alike. On average it points the way of the gradient, within 90 degrees of it, but
    is not it. Ratios are truncated as everywhere here, in the place of PPO's clipping.

    Args:
        samples: Answers to each prompt, two known rewards or more where something is to be learned.

    Returns:
        A scalar, the mean over the measured answers.

    Example:
        >>> import torch
        >>> logs = torch.full((1, 2), 0.5).log().requires_grad_()
        >>> grpo(Samples(logs, torch.tensor([[0.9, 0.7]]), torch.tensor([[True, True]]), logs.detach())).backward()
        >>> logs.grad.round(decimals=2).tolist()
        [[-0.5, 0.5]]
    """
    return _policy_loss(samples, standardised_advantages(samples.rewards, samples.known), comparable(samples.known))


def grpo_without_std(samples: Samples) -> Tensor:
    """GRPO without the division by the standard deviation: "Dr. GRPO" (Liu et al. 2025).

    Of its two corrections the other one, about the length of answers, has nothing to correct here, where a log-probability is
    that of a whole answer.

    Args:
        samples: Answers to each prompt, two known rewards or more where something is to be learned.

    Returns:
        A scalar, the mean over the measured answers. With K known rewards a prompt its gradient is (K - 1) / K of that of
        `rloo`, draw by draw.

    Example:
        >>> import torch
        >>> logs = torch.full((1, 2), 0.5).log().requires_grad_()
        >>> samples = Samples(logs, torch.tensor([[1.0, 0.0]]), torch.tensor([[True, True]]), logs.detach())
        >>> grpo_without_std(samples).backward()
        >>> logs.grad.tolist()
        [[-0.25, 0.25]]
    """
    return _policy_loss(samples, group_mean_advantages(samples.rewards, samples.known), comparable(samples.known))


def importance_ratios(samples: Samples) -> Tensor:
    """How much likelier each answer is now than when it was drawn, at most 2, without gradient.

    Truncation bounds what one stale answer can do, at the price of a bias (Ionides 2008).

    Returns:
        Ratios, [n, K].

    Example:
        >>> import torch
        >>> now, then = torch.tensor([[0.3, 0.9]]).log(), torch.tensor([[0.2, 0.1]]).log()
        >>> importance_ratios(Samples(now, torch.zeros(1, 2), torch.ones(1, 2).bool(), then)).tolist()
        [[1.5, 2.0]]
    """
    return (samples.log_probabilities.detach() - samples.behaviour.detach()).exp().clamp_max(LARGEST_RATIO)


def _policy_loss(samples: Samples, advantages: Tensor, measured: Tensor) -> Tensor:
    # Both factors are emptied, for 0 times a number that is not finite would be none, here or in the gradient.
    weights = (importance_ratios(samples) * advantages.detach()).masked_fill(~measured, 0.0)
    return -(weights * samples.log_probabilities.masked_fill(~measured, 0.0)).sum() / measured.sum().clamp_min(1)
