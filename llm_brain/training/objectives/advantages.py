"""Rewards measured against something: the other answers to the same prompt, or what was expected of it.

    leave one out       A_i = R_i - mean of the other R_j           independent of answer i: no bias
    group mean          A_i = R_i - mean of all R_j                 (K - 1) / K of the above
    standardised        A_i = (R_i - mean of all R_j) / std R_j     weighs a prompt up where its rewards differ little
    baseline            A_i = R_i - b                               b may depend on the prompt, never on the answers

Each mean is over the known rewards of one prompt.
"""

from __future__ import annotations

from torch import Tensor

SMALLEST_STD = 1e-4


def comparable(known: Tensor) -> Tensor:
    """Tell which answers have a reward, and another to be measured against.

    Args:
        known: Which evaluations there are, [n, K].

    Returns:
        Bools, [n, K].

    Example:
        >>> import torch
        >>> comparable(torch.tensor([[True, True, False], [True, False, False]])).tolist()
        [[True, True, False], [False, False, False]]
    """
    return known & (known.sum(dim=1, keepdim=True) > 1)


def leave_one_out_advantages(rewards: Tensor, known: Tensor) -> Tensor:
    """Measure each answer's reward against the mean of the other answers to the same prompt (Ahmadian et al. 2024).

    Args:
        rewards: [n, K]; what stands where `known` is false does not matter.
        known: Which evaluations there are, [n, K]. A failed one is left out of every mean; it is never a zero.

    Returns:
        Advantages [n, K]; 0 where a reward is unknown or has no other to be measured against.

    Example:
        >>> import torch
        >>> leave_one_out_advantages(torch.tensor([[1.0, 0.0]]), torch.tensor([[True, True]])).tolist()
        [[1.0, -1.0]]
    """
    present, count = _above_least(rewards, known)
    others = (present.sum(dim=1, keepdim=True) - present) / (count - 1).clamp_min(1)
    return (present - others).masked_fill(~comparable(known), 0.0)


def group_mean_advantages(rewards: Tensor, known: Tensor) -> Tensor:
    """Measure each answer's reward against the mean of all answers to the prompt, itself among them (Liu et al. 2025).

    Args:
        rewards: [n, K]; what stands where `known` is false does not matter.
        known: Which evaluations there are, [n, K].

    Returns:
        Advantages [n, K]: (k - 1) / k of the leave-one-out advantages, k known rewards a prompt; 0 where a reward is unknown.

    Example:
        >>> import torch
        >>> group_mean_advantages(torch.tensor([[1.0, 0.0]]), torch.tensor([[True, True]])).tolist()
        [[0.5, -0.5]]
    """
    present, count = _above_least(rewards, known)
    return (present - present.sum(dim=1, keepdim=True) / count.clamp_min(1)).masked_fill(~known, 0.0)


def standardised_advantages(rewards: Tensor, known: Tensor) -> Tensor:
    """Measure in standard deviations how far each reward is from the prompt's mean, as GRPO does (Shao et al. 2024).

    The standard deviation is that of the known rewards (dividing by their number), plus 1e-4, so that rewards which differ by
    rounding errors alone are taken for ties.

    Args:
        rewards: [n, K]; what stands where `known` is false does not matter.
        known: Which evaluations there are, [n, K].

    Returns:
        Advantages [n, K], without a unit; 0 where a reward is unknown, or all of the prompt's are alike.

    Example:
        >>> import torch
        >>> standardised_advantages(torch.tensor([[0.9, 0.7]]), torch.tensor([[True, True]])).round(decimals=2).tolist()
        [[1.0, -1.0]]
    """
    distances = group_mean_advantages(rewards, known)
    count = known.sum(dim=1, keepdim=True).clamp_min(1)
    return distances / ((distances.square().sum(dim=1, keepdim=True) / count).sqrt() + SMALLEST_STD)


def baseline_advantages(rewards: Tensor, known: Tensor, baseline: Tensor) -> Tensor:
    """Measure each answer's reward against what was expected of the prompt (Williams 1992).

    Args:
        rewards: [n, K]; what stands where `known` is false does not matter.
        known: Which evaluations there are, [n, K].
        baseline: The expected reward of each prompt, [n], made without a look at these answers.

    Returns:
        Advantages [n, K]; 0 where a reward is unknown.

    Example:
        >>> import torch
        >>> baseline_advantages(torch.tensor([[1.0, 0.0]]), torch.tensor([[True, True]]), torch.tensor([0.25])).tolist()
        [[0.75, -0.25]]
    """
    return (rewards - baseline[:, None]).masked_fill(~known, 0.0)


def _above_least(rewards: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Count a prompt's rewards from its least one, so that ties are exactly 0 whatever the rounding; and how many there are."""
    least = rewards.masked_fill(~known, float("inf")).amin(dim=1, keepdim=True)
    return (rewards - least).masked_fill(~known, 0.0), known.sum(dim=1, keepdim=True, dtype=rewards.dtype)
