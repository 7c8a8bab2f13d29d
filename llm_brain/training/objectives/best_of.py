"""Best-of-K fine-tuning: the likelihood of the best of K answers, where there is a best one.

    loss = - mean over prompts of   log pi(best answer)

Filtered likelihood, another objective than the expected reward: it imitates a policy that draws K answers and gives the best.
An answer stays the best of its group however old it is, so there are no importance ratios.
"""

from __future__ import annotations

from torch import Tensor

from llm_brain.training.objectives.samples import Samples


def best_of_k(samples: Samples) -> Tensor:
    """Likelihood of the best answers (as in RAFT, Dong et al. 2023, and ReST, Gulcehre et al. 2023).

    Args:
        samples: Answers to each prompt, two known rewards or more where something is to be learned.

    Returns:
        A scalar, in nats, the mean over the prompts whose known rewards are not all alike; the others are left out, as the
        best of them is no better than the worst. Answers that share the best reward share their prompt's weight.

    Example:
        >>> import torch
        >>> logs = torch.full((1, 3), 0.5).log().requires_grad_()
        >>> best_of_k(Samples(logs, torch.tensor([[1.0, 0.0, 1.0]]), torch.ones(1, 3).bool(), logs.detach())).backward()
        >>> logs.grad.tolist()
        [[-0.5, 0.0, -0.5]]
    """
    prompts = informative(samples.rewards, samples.known)
    shares = best_shares(samples.rewards, samples.known).masked_fill(~prompts[:, None], 0.0)
    return -(shares * samples.log_probabilities.masked_fill(shares == 0, 0.0)).sum() / prompts.sum().clamp_min(1)


def informative(rewards: Tensor, known: Tensor) -> Tensor:
    """Tell which prompts' known rewards are not all alike.

    Args:
        rewards: [n, K]; what stands where `known` is false does not matter.
        known: Which evaluations there are, [n, K].

    Returns:
        Bools, [n].

    Example:
        >>> import torch
        >>> rewards = torch.tensor([[0.2, 0.9], [0.2, 0.2], [0.2, 0.9]])
        >>> informative(rewards, torch.tensor([[True, True], [True, True], [True, False]])).tolist()
        [True, False, False]
    """
    most = rewards.masked_fill(~known, float("-inf")).amax(dim=1)
    return most > rewards.masked_fill(~known, float("inf")).amin(dim=1)


def best_shares(rewards: Tensor, known: Tensor) -> Tensor:
    """Share a weight of one among the answers that have a prompt's highest known reward.

    Args:
        rewards: [n, K]; what stands where `known` is false does not matter.
        known: Which evaluations there are, [n, K].

    Returns:
        Shares, [n, K]; all 0 where nothing is known of a prompt.

    Example:
        >>> import torch
        >>> best_shares(torch.tensor([[0.9, 0.9, 0.1]]), torch.tensor([[True, True, True]])).tolist()
        [[0.5, 0.5, 0.0]]
    """
    most = rewards.masked_fill(~known, float("-inf")).amax(dim=1, keepdim=True)
    best = known & (rewards == most)
    return best.to(rewards.dtype) / best.sum(dim=1, keepdim=True).clamp_min(1)
