"""What stands beside an objective: the entropy that keeps answers being tried, and the distance from a slow reference."""

from __future__ import annotations

import torch
from torch import Tensor


def entropy(logits: Tensor) -> Tensor:
    """Mean entropy of the answers, in nats; without a bonus for it a policy gradient stalls.

    Args:
        logits: Of the options, [..., options].

    Returns:
        A scalar, the mean over all but the last axis.

    Example:
        >>> round(float(entropy(torch.zeros(3, 2))), 3)
        0.693
    """
    logs = torch.log_softmax(logits, dim=-1)
    return -(logs.exp() * logs).sum(dim=-1).mean()


def kl_to_reference(log_probabilities: Tensor, reference: Tensor) -> Tensor:
    """Estimate how far the policy is from a reference, from answers that it just drew (Schulman 2020, "k3").

        x = log reference - log pi;    mean of   e^x - 1 - x

    Of each answer at least 0, and of low variance. On average its value is KL(pi || reference). As a loss its gradient is on
    average that of KL(reference || pi), for the draws themselves have no gradient: its minimum is the reference all the same.

    Args:
        log_probabilities: Of drawn answers under the policy, [n, K], with their gradient.
        reference: Of the same answers under the reference, [n, K].

    Returns:
        A scalar, in nats. Evaluations do not matter to it: answers whose evaluation failed count too.

    Example:
        >>> logs = torch.tensor([[0.5, 0.5]]).log()
        >>> float(kl_to_reference(logs, logs)), float(kl_to_reference(logs, logs - 1)) > 0
        (0.0, True)
    """
    distance = reference.detach() - log_probabilities
    return (distance.expm1() - distance).mean()
