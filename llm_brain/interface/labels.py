"""Outputs that are labels: logits of classes, a name each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import torch
from torch import Tensor
from torch.nn import functional

from llm_brain.brain.heads.choice import ChoiceDistribution
from llm_brain.errors import DefinitionError
from llm_brain.interface.outputs import Outputs, shaped
from llm_brain.interface.vectors import Vectors

_SHOWN: Final = 5


class Labels(Outputs):
    """Outputs are logits [n, C], one for each of C labels.

    Args:
        labels: The names of the classes, in the order of the outputs.

    Raises:
        DefinitionError: A label stands there twice, or there is none.

    Example:
        >>> moods = Labels(["happy", "unhappy"])
        >>> moods.read(torch.tensor([[2.0, 0.4]]))
        ['happy (83.2%), unhappy (16.8%)']
        >>> moods.answers(torch.tensor([[2.0, 0.4]]))
        ['happy']
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        if not self.labels or len(set(self.labels)) < len(self.labels):
            message = f"give each class a label of its own, got {', '.join(map(repr, self.labels)) or 'none'}"
            raise DefinitionError(message)
        self.type = Literal[self.labels]
        self.size = len(self.labels)

    def answers(self, output: Tensor, vectors: Vectors | None = None) -> list[str]:  # noqa: ARG002
        """Name the likeliest label of each output."""
        return self.said(self.distribution(output).best())

    def read(self, output: Tensor, vectors: Vectors | None = None) -> list[str]:  # noqa: ARG002
        """Name the labels of each output with their probabilities, the likeliest first."""
        probabilities = torch.softmax(self._logits(output), dim=-1)
        return [_ranked(self.labels, row) for row in probabilities.tolist()]

    def distribution(self, output: Tensor, vectors: Vectors | None = None) -> ChoiceDistribution:  # noqa: ARG002
        """Give the labels' probabilities."""
        return ChoiceDistribution(self._logits(output))

    def said(self, target: Tensor) -> list[str]:
        """Name labels by their places."""
        return [self.labels[place] for place in target.tolist()]

    def takes(self, text: str, size: int) -> bool:  # noqa: ARG002
        """Tell whether it is one of the labels."""
        return text in self.labels

    def targets(self, texts: Sequence[str], size: int, vectors: Vectors) -> Tensor:  # noqa: ARG002
        """Turn labels into rows of probabilities, a 1 and zeros: [n, C]."""
        return functional.one_hot(torch.tensor([self.labels.index(text) for text in texts]), size).float()

    def _logits(self, output: Tensor) -> Tensor:
        return shaped(output, 2, len(self.labels), f"logits [n, {len(self.labels)}], one for each label")


def _ranked(labels: Sequence[str], probabilities: Sequence[float]) -> str:
    order = sorted(range(len(labels)), key=lambda place: -probabilities[place])
    shown = ", ".join(f"{labels[place]} ({probabilities[place]:.1%})" for place in order[:_SHOWN])
    return shown if len(order) <= _SHOWN else f"{shown}, and {len(order) - _SHOWN} others"
