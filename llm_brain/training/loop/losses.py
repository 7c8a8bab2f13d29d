"""The loss of one step: of the examples, and of the evaluations that have arrived.

L = mean loss of the examples
    + feedback_weight * (objective + 0.1 * (V - mean reward)^2) - entropy_bonus * H + kl_weight * KL(pi || reference)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from llm_brain.training.feedback import Group, group_tensors
from llm_brain.training.learner import Learner, Policy, target_of
from llm_brain.training.loop.weights import FeedbackWeights
from llm_brain.training.objectives import Samples, kl_to_reference, objective
from llm_brain.training.settings import TrainingSettings

VALUE_WEIGHT = 0.1
REWARDS = ("reward", "reward_count")  # sums: as many evaluations arrive in a step as happen to


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """What one process does in one step, or in a part of it.

    Attributes:
        examples: To learn from; none where evaluations alone are learned from.
        examples_weight: Of their mean loss: a process has its share of a batch.
        groups: Evaluated answers, all with as many answers.
        weights: Of the terms that these make.
        reference: The log-probabilities of those answers under the slow reference, [n, K], where one is wanted.
        baseline: The running mean of each prompt's rewards, [n], for networks that expect nothing.

    Example:
        >>> Work([0, 1]).groups
        ()
    """

    examples: Sequence[int]
    examples_weight: float = 1.0
    groups: Sequence[Group] = ()
    weights: FeedbackWeights = field(default_factory=FeedbackWeights)
    reference: Tensor | None = None
    baseline: Tensor | None = field(default=None)


class Losses(nn.Module):
    """The losses of a learner, as one module, so that several processes can share its gradients.

    Args:
        learner: What is trained.
        settings: The objective and the weights.

    Example:
        >>> from llm_brain.brain import Brain, BrainConfig
        >>> from llm_brain.training import ByteReader, Pair, answer_for
        >>> from llm_brain.training.brain_learner import BrainLearner
        >>> kind, reader = answer_for(bool), ByteReader()
        >>> brain = Brain(BrainConfig(input_size=32, vocabulary=reader.vocabulary, answer=kind.answer, width=8, heads=1))
        >>> losses = Losses(BrainLearner(brain, reader, kind, [Pair("good", True)]), TrainingSettings())
        >>> loss, metrics = losses(Work([0]))
        >>> loss.shape, list(metrics)
        (torch.Size([]), ['loss'])
    """

    def __init__(self, learner: Learner, settings: TrainingSettings) -> None:
        super().__init__()
        self.learner = learner
        self._settings = settings
        self._objective = objective(settings.objective)

    def forward(self, work: Work) -> tuple[Tensor, dict[str, float]]:
        """Give what is to be minimised, and what it is made of.

        Returns:
            A scalar, and metrics: `loss` of the examples, where there are any; with groups also `policy_loss`, `entropy`,
            `reward` (a sum) and `reward_count`, and with a reference `kl`.
        """
        self.learner.train()
        loss, metrics = torch.zeros(()), dict[str, float]()
        if work.examples:
            supervised = self.learner.loss(work.examples)
            metrics["loss"] = float(supervised.detach())
            loss = work.examples_weight * supervised
        if work.groups:
            feedback, more = self._feedback(work)
            loss = loss + feedback
            metrics |= more
        return loss, metrics

    def _feedback(self, work: Work) -> tuple[Tensor, dict[str, float]]:
        settings, weights = self._settings, work.weights
        self.learner.eval()  # without dropout the policy that is improved is the one that drew the answers
        policy = self.learner.policy([group.prompt for group in work.groups])
        logs = log_probabilities(policy, work.groups, next(self.learner.parameters()).device)
        rewards, known, behaviour = (part.to(logs.device) for part in group_tensors(work.groups))
        baseline = work.baseline if policy.value is None else policy.value.detach()
        samples = Samples(logs, rewards, known, behaviour, baseline, work.reference)
        spread = policy.answer.entropy().mean()
        goal = self._objective(samples)
        weighted = weights.objective * settings.feedback_weight * goal - weights.entropy * settings.entropy_bonus * spread
        metrics = {
            "policy_loss": float(goal.detach()),
            "entropy": float(spread.detach()),
            "reward": float(rewards[known].sum()),
            "reward_count": int(known.sum()),
        }
        if policy.value is not None:
            earned = (rewards * known).sum(dim=1) / known.sum(dim=1).clamp_min(1)
            seen = known.any(dim=1)
            value = ((policy.value - earned).square() * seen).sum() / seen.sum().clamp_min(1)
            weighted = weighted + weights.value * settings.feedback_weight * VALUE_WEIGHT * value
        if work.reference is not None and settings.kl_weight:
            distance = kl_to_reference(logs, work.reference)
            weighted = weighted + weights.distance * settings.kl_weight * distance
            metrics["kl"] = float(distance.detach())
        return weighted, metrics


def log_probabilities(policy: Policy, groups: Sequence[Group], device: torch.device | str = "cpu") -> Tensor:
    """Give the log-probabilities of the groups' answers, [n, K].

    Args:
        policy: Of the groups' prompts.
        groups: All with as many answers.
        device: Where the policy is.

    Example:
        >>> from llm_brain.brain import ChoiceDistribution
        >>> policy = Policy(ChoiceDistribution(torch.zeros(1, 2)))
        >>> log_probabilities(policy, [Group(0, (False, True), (0, 1), (-0.7, -0.7), 0)]).exp().tolist()
        [[0.5, 0.5]]
    """
    columns = []
    for place in range(len(groups[0].targets)):
        target = target_of([group.targets[place] for group in groups], device)
        columns.append(policy.answer.log_prob(target))
    return torch.stack(columns, dim=1)


def together(parts: Sequence[Work], told: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Put the metrics of a step's parts together: rewards are added up, all else is averaged over what it is the mean of.

    Example:
        >>> together([Work([0, 1, 2]), Work([3])], [{"loss": 1.0}, {"loss": 2.0}])
        {'loss': 1.25}
    """
    found: dict[str, float] = {}
    for name in dict.fromkeys(name for metrics in told for name in metrics):
        having = [(part, metrics[name]) for part, metrics in zip(parts, told, strict=True) if name in metrics]
        if name in REWARDS:
            found[name] = sum(value for _, value in having)
            continue
        sizes = [_size(name, part) for part, _ in having]
        found[name] = sum(size * value for size, (_, value) in zip(sizes, having, strict=True)) / (sum(sizes) or 1)
    return found


def _size(name: str, part: Work) -> float:
    if name == "policy_loss":
        return part.weights.objective
    return len(part.examples if name == "loss" else part.groups)
