"""One of a closed set.

    p = softmax(W pooled + b)

W reads the pooled features of a turn, `[2d]`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from llm_brain.brain.heads.answers import Choice
from llm_brain.brain.heads.distribution import Distribution, Head, Prompt, drawn
from llm_brain.errors import ArgumentError


@dataclass(frozen=True, slots=True, eq=False)
class ChoiceDistribution(Distribution[Tensor]):
    """Probabilities of the options. Targets are their numbers, whole, `[B]`.

    Attributes:
        logits: One an option, `[B, options]`.

    Example:
        >>> answer = ChoiceDistribution(torch.tensor([[0.0, 1.0]]))
        >>> answer.best().tolist(), round(answer.probabilities[0, 1].item(), 3), round(answer.entropy().item(), 3)
        ([1], 0.731, 0.582)
    """

    logits: Tensor

    @property
    def probabilities(self) -> Tensor:
        """The probability of each option, `[B, options]`."""
        return torch.softmax(self.logits, dim=-1)

    def log_prob(self, target: Tensor) -> Tensor:
        """Give the log-probability of an option for each row, `[B]`.

        Raises:
            ArgumentError: The target is not one whole number a row, or names no option.
        """
        rows, options = self.logits.shape
        if target.shape != (rows,) or target.is_floating_point() or ((target < 0) | (target >= options)).any():
            message = f"a target must be {rows} whole numbers from 0 to {options - 1}, one a row; got {target}"
            raise ArgumentError(message)
        return torch.log_softmax(self.logits, dim=-1).gather(1, target[:, None]).squeeze(1)

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Draw an option for each row, `[B]`."""
        return drawn(self.logits, generator)

    def best(self) -> Tensor:
        """Give the likeliest option of each row, `[B]`."""
        return self.logits.argmax(dim=-1)

    def entropy(self, generator: torch.Generator | None = None) -> Tensor:  # noqa: ARG002 - known without drawing
        """Give the entropy for each row, `[B]`."""
        logs = torch.log_softmax(self.logits, dim=-1)
        return -(logs.exp() * logs).sum(dim=-1)


class ChoiceHead(Head):
    """Scores the options of a `Choice`.

    Args:
        answer: The type of the answer.
        size: Length of the pooled features.

    Example:
        >>> from llm_brain.brain import Choice, PlasticRNN
        >>> network = PlasticRNN(4, 8, heads=2)
        >>> head = ChoiceHead(Choice(options=3), 16)
        >>> head(Prompt(torch.randn(2, 16), network, network.initial_state(2))).logits.shape
        torch.Size([2, 3])
    """

    def __init__(self, answer: Choice, size: int) -> None:
        super().__init__()
        self.answer = answer
        self.score = nn.Linear(size, answer.options)

    def forward(self, prompt: Prompt) -> ChoiceDistribution:
        """Answer from what was read."""
        return ChoiceDistribution(functional.linear(prompt.pooled, self.score.weight, self.score.bias))
