"""Several answers at once, each given what was read, and none given the others.

    p(fields) = product over fields of p(field | what was read)

No field is told what another one says. Fields that must agree belong into one `Choice`, or into one text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from llm_brain.brain.heads.answers import Record
from llm_brain.brain.heads.distribution import Distribution, Head, Prompt
from llm_brain.errors import ArgumentError


@dataclass(frozen=True, slots=True, eq=False)
class RecordDistribution(Distribution[Mapping[str, Any]]):
    """A distribution for each field. Targets are dicts of the fields' targets.

    Attributes:
        fields: The distributions, by name.

    Example:
        >>> from llm_brain.brain import ChoiceDistribution
        >>> answer = RecordDistribution({"urgent": ChoiceDistribution(torch.tensor([[0.0, 0.0]]))})
        >>> answer.log_prob({"urgent": torch.tensor([1])}).exp().tolist()
        [0.5]
    """

    fields: Mapping[str, Distribution[Any]]

    def log_prob(self, target: Mapping[str, Any]) -> Tensor:
        """Give the log-probability of all fields together for each row, `[B]`.

        Raises:
            ArgumentError: A field is missing or too many, or a field's target does not fit.
        """
        if target.keys() != self.fields.keys():
            message = f"a target must have the fields {', '.join(self.fields)}; got {', '.join(target) or 'none'}"
            raise ArgumentError(message)
        return torch.stack([answer.log_prob(target[name]) for name, answer in self.fields.items()]).sum(dim=0)

    def sample(self, generator: torch.Generator | None = None) -> dict[str, Any]:
        """Draw each field by itself."""
        return {name: answer.sample(generator) for name, answer in self.fields.items()}

    def best(self) -> dict[str, Any]:
        """Give the best answer for each field."""
        return {name: answer.best() for name, answer in self.fields.items()}

    def entropy(self, generator: torch.Generator | None = None) -> Tensor:
        """Give the sum of the fields' entropies for each row, `[B]`."""
        return torch.stack([answer.entropy(generator) for answer in self.fields.values()]).sum(dim=0)


class RecordHead(Head):
    """A head for each field of a `Record`.

    Args:
        answer: The type of the answer.
        heads: Those of its fields, in their order.

    Example:
        >>> from llm_brain.brain import Choice, ChoiceHead, PlasticRNN
        >>> network = PlasticRNN(4, 8, heads=2)
        >>> head = RecordHead(Record(fields={"urgent": Choice(options=2)}), [ChoiceHead(Choice(options=2), 16)])
        >>> head(Prompt(torch.randn(1, 16), network, network.initial_state(1))).best().keys()
        dict_keys(['urgent'])
    """

    def __init__(self, answer: Record, heads: list[Head]) -> None:
        super().__init__()
        self.answer = answer
        # By number: a field may have any name, and a module may not.
        self.heads = nn.ModuleList(heads)

    def forward(self, prompt: Prompt) -> RecordDistribution:
        """Answer from what was read."""
        heads = [cast("Head", head) for head in self.heads]
        return RecordDistribution({name: head(prompt) for name, head in zip(self.answer.fields, heads, strict=True)})
