"""What a brain is trained towards, as pure functions of tensors.

Distillation is the cold start: likelihood of the teacher's answers. RLOO uses evaluations: J = E_{y ~ pi}[R(y)], whose
gradient is estimated from K answers a prompt, each measured against the mean of the others. Multiplying a supervised loss by a
score would be no signal at all: under Adam a constant factor changes nothing.
"""

from __future__ import annotations

import torch
from torch.nn import functional

LARGEST_RATIO = 2.0


def distillation(logits: torch.Tensor, probabilities: torch.Tensor, *, temperature: float = 1.0) -> torch.Tensor:
    """Cross-entropy against the teacher's probabilities (Hinton et al. 2015).

    Args:
        logits: The brain's, [n, options].
        probabilities: The teacher's, [n, options].
        temperature: Below 1 sharpens the teacher's probabilities, which a small model gives timidly.

    Returns:
        The mean loss, a scalar, in nats.

    Example:
        >>> float(distillation(torch.zeros(1, 2), torch.tensor([[0.5, 0.5]]))) > 0.69
        True
    """
    targets = torch.softmax(probabilities.clamp_min(1e-9).log() / temperature, dim=-1)
    return functional.cross_entropy(logits, targets)


def leave_one_out_advantages(rewards: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Measure each answer's reward against the mean of the other answers to the same prompt (Ahmadian et al. 2024).

    Args:
        rewards: [n, K]; what stands where `known` is false does not matter.
        known: Which evaluations arrived, [n, K]. A failed one is left out of every mean; it is never a zero.

    Returns:
        Advantages [n, K]; 0 where a reward is unknown or has no other to be measured against.

    Example:
        >>> leave_one_out_advantages(torch.tensor([[1.0, 0.0]]), torch.tensor([[True, True]])).tolist()
        [[1.0, -1.0]]
    """
    present = rewards.masked_fill(~known, 0.0)
    count = known.sum(dim=1, keepdim=True, dtype=rewards.dtype)
    others = (present.sum(dim=1, keepdim=True) - present) / (count - 1).clamp_min(1)
    return ((present - others) * known).masked_fill(count <= 1, 0.0)


def rloo(
    logits: torch.Tensor, answers: torch.Tensor, rewards: torch.Tensor, known: torch.Tensor, behaviour: torch.Tensor
) -> torch.Tensor:
    """REINFORCE with a leave-one-out baseline, as a loss to be minimised.

    Args:
        logits: The brain's logits now, [n, options].
        answers: The answers that were drawn, as indices, [n, K].
        rewards: Their evaluations, [n, K].
        known: Which of them arrived, [n, K].
        behaviour: The log-probability of each answer under the brain that drew it, [n, K]. Importance ratios against it
            are truncated at 2.

    Returns:
        A scalar whose gradient estimates minus the gradient of the expected reward, the mean over the prompts. Answers that are
        unknown, or have no other to be measured against, are excluded from that mean.

    Example:
        >>> logits = torch.zeros(1, 2, requires_grad=True)
        >>> drawn = torch.tensor([[0, 1]])
        >>> rloo(logits, drawn, torch.tensor([[1.0, 0.0]]), torch.ones(1, 2).bool(), torch.full((1, 2), -0.6931)).backward()
        >>> bool(logits.grad[0, 0] < 0 < logits.grad[0, 1])
        True
    """
    chosen = torch.log_softmax(logits, dim=-1).gather(1, answers)
    ratio = (chosen.detach() - behaviour).exp().clamp_max(LARGEST_RATIO)
    weight = ratio * leave_one_out_advantages(rewards, known)
    measured = known & (known.sum(dim=1, keepdim=True) > 1)
    return -(weight * chosen).sum() / measured.sum().clamp_min(1)


def entropy(logits: torch.Tensor) -> torch.Tensor:
    """Mean entropy of the answers, in nats; without a bonus for it a policy gradient stalls.

    Example:
        >>> round(float(entropy(torch.zeros(3, 2))), 3)
        0.693
    """
    logs = torch.log_softmax(logits, dim=-1)
    return -(logs.exp() * logs).sum(dim=-1).mean()
