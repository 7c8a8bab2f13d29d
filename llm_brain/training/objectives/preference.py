"""Online DPO: the best answer of each group against its worst, as pairs of which one is preferred.

    loss = - mean over prompts of   log sigmoid(beta * (log pi/ref of the best  -  log pi/ref of the worst))

This is another objective than the expected reward: its optimum explains which of two answers is preferred and stays near the
reference; how much better the one is does not count. It needs no importance ratios, which makes it tolerant of stale answers.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from llm_brain.errors import ArgumentError
from llm_brain.training.objectives.best_of import best_shares, informative
from llm_brain.training.objectives.samples import Samples


def dpo(samples: Samples, *, beta: float = 0.1) -> Tensor:
    """Direct preference optimisation (Rafailov et al. 2023) of pairs judged while training (Guo et al. 2024).

    Where several answers share the best or the worst reward, the loss is the mean over all pairs of a best and a worst one.

    Args:
        samples: Answers, with `reference`.
        beta: How strongly the policy is held to the reference.

    Returns:
        A scalar, the mean over the prompts whose known rewards are not all alike; the others are skipped.

    Raises:
        ArgumentError: There is no reference.

    Example:
        >>> import torch
        >>> logs = torch.full((1, 2), 0.5).log().requires_grad_()
        >>> rewards, known = torch.tensor([[1.0, 0.0]]), torch.tensor([[True, True]])
        >>> dpo(Samples(logs, rewards, known, logs.detach(), reference=logs.detach())).backward()
        >>> bool(logs.grad[0, 0] < 0 < logs.grad[0, 1])
        True
    """
    if samples.reference is None:
        message = "dpo measures answers against samples.reference: give their log-probabilities under a slow reference"
        raise ArgumentError(message)
    prompts = informative(samples.rewards, samples.known)
    best, worst = best_shares(samples.rewards, samples.known), best_shares(-samples.rewards, samples.known)
    margins = (samples.log_probabilities - samples.reference.detach()).masked_fill(~samples.known | ~prompts[:, None], 0.0)
    losses = -functional.logsigmoid(beta * (margins[:, :, None] - margins[:, None, :]))
    pairs = (best[:, :, None] * worst[:, None, :]).masked_fill(~prompts[:, None, None], 0.0)
    return (pairs * losses).sum() / prompts.sum().clamp_min(1)
