"""Distillation, the cold start: likelihood of the teacher's answers, the cheapest lesson for each of its calls."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def distillation(logits: Tensor, probabilities: Tensor, *, temperature: float = 1.0) -> Tensor:
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
