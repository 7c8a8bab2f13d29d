"""What every head gives: an immutable distribution over answers, one for each row of the batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from llm_brain.brain.layers.network import PlasticRNN
from llm_brain.brain.layers.state import NetworkState

Target = TypeVar("Target")


class Prompt(NamedTuple):
    """All that a head answers from.

    Attributes:
        pooled: The features of all that was read in this turn, pooled, `[B, 2d]`.
        network: The brain's network, which writes texts.
        state: What it remembers after reading.

    Example:
        >>> Prompt._fields
        ('pooled', 'network', 'state')
    """

    pooled: Tensor
    network: PlasticRNN
    state: NetworkState


class Distribution(ABC, Generic[Target]):
    """A distribution over answers, one for each of B rows. Nothing changes it.

    Targets are what `sample` and `best` give and `log_prob` takes: a tensor, or a dict of tensors for a record.

    Example:
        >>> from llm_brain.brain import Brain, BrainConfig, Choice
        >>> brain = Brain(BrainConfig(input_size=4, answer=Choice(options=3)))
        >>> answer = brain(torch.randn(2, 5, 4)).answer
        >>> answer.log_prob(answer.sample()).shape, answer.best().shape
        (torch.Size([2]), torch.Size([2]))
    """

    __slots__ = ()

    @abstractmethod
    def log_prob(self, target: Target) -> Tensor:
        """Give the log-probability of an answer for each row, in nats, `[B]`; of a real number, the log of its density.

        Raises:
            ArgumentError: The target has another form, or lies outside of the answer's type.
        """

    @abstractmethod
    def sample(self, generator: torch.Generator | None = None) -> Target:
        """Draw one answer for each row. The generator lives on the CPU."""

    @abstractmethod
    def best(self) -> Target:
        """Give the best single answer for each row."""

    @abstractmethod
    def entropy(self, generator: torch.Generator | None = None) -> Tensor:
        """Give the entropy for each row, in nats, `[B]`. The generator is for those that have to estimate it."""


class Head(nn.Module, ABC):
    """From what was read to a distribution over answers.

    Example:
        >>> from llm_brain.brain import ChoiceHead
        >>> issubclass(ChoiceHead, Head)
        True
    """

    @abstractmethod
    def forward(self, prompt: Prompt) -> Distribution[Any]:
        """Answer from what was read."""


def drawn(logits: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw a number for each row of `[..., C]` by its softmax: `[...]`. Drawn on the CPU, so that devices agree.

    Example:
        >>> drawn(torch.tensor([[0.0, 60.0]]), None).tolist()
        [1]
    """
    probabilities = torch.softmax(logits.detach().cpu(), dim=-1)
    numbers = torch.multinomial(probabilities.flatten(end_dim=-2), 1, generator=generator)
    return numbers.view(logits.shape[:-1]).to(logits.device)
