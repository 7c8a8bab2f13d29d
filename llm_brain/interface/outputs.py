"""What a network's outputs mean: tensors -> texts that a judge can read, and answers that can be drawn and learned from.

    labels      Labels          logits [n, C]             the names of C classes
    tokens      Tokens          logits [n, T, V] or ids   the text that a tokenizer writes them as
    nearest     NearestTexts    vectors [n, d]            the nearest of the texts that are known
    outputs     Described       anything                  what a function of yours says of it

Which of them it is, is declared and never guessed: the same shape can be any of them. `answers` are what the network says,
`read` is that with its probabilities, and `distribution` is what answers are drawn from and feedback learns from:

    pi(answer | input) = softmax over labels;  the product over tokens;  softmax of similarity / temperature over known texts
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from llm_brain.brain.heads.distribution import Distribution
from llm_brain.errors import ArgumentError
from llm_brain.interface.vectors import Vectors


class Outputs(ABC):
    """What outputs mean. A kind of one's own overrides `answers`, and for feedback `distribution` and `said`, too.

    Attributes:
        type: The type of an answer, as typed functions declare it.
        size: How many numbers a target has; None: as many as are asked for.

    Example:
        >>> class Thermometer(Outputs):
        ...     def answers(self, output, vectors=None):
        ...         return [f"{value:.1f} degrees" for value in output[:, 0].tolist()]
        >>> Thermometer().read(torch.tensor([[21.5]]))
        ['21.5 degrees']
    """

    type: Any = str
    size: int | None = None

    @abstractmethod
    def answers(self, output: Tensor, vectors: Vectors | None = None) -> list[str]:
        """Say what each of n outputs means.

        Args:
            output: Of the network.
            vectors: How texts become vectors, for those who compare with some.

        Raises:
            ArgumentError: The output's shape is another, or a number in it is not finite.
        """

    def read(self, output: Tensor, vectors: Vectors | None = None) -> list[str]:
        """Say what each of n outputs means, and how sure it is; here without the latter."""
        return self.answers(output, vectors)

    def distribution(self, output: Tensor, vectors: Vectors | None = None) -> Distribution[Any]:  # noqa: ARG002
        """Give the distribution over answers to each of n inputs, with its gradient.

        Args:
            output: Of the network.
            vectors: As for `answers`.

        Returns:
            One whose targets have a JSON form row by row: a tensor, or a dict of tensors.

        Raises:
            ArgumentError: Nothing can be drawn from outputs of this kind.
        """
        raise ArgumentError(_not_drawn(self))

    def said(self, target: Any) -> list[str]:  # noqa: ARG002
        """Say what was drawn from the distribution as texts, a text for each row of its target.

        Raises:
            ArgumentError: Nothing can be drawn from outputs of this kind.
        """
        raise ArgumentError(_not_drawn(self))

    def takes(self, text: str, size: int) -> bool:  # noqa: ARG002
        """Tell whether a text can be the target of a network with outputs of this size."""
        return True

    def targets(self, texts: Sequence[str], size: int, vectors: Vectors) -> Tensor:
        """Turn texts into what the network should have given: here their vectors, [n, size]."""
        return vectors(texts, size)


class Described(Outputs):
    """Outputs are whatever a function says of them; feedback cannot learn from these, for nothing is drawn.

    Args:
        describe: Says what one output means, without its batch dimension.

    Example:
        >>> Described(lambda output: f"{float(output):.1f} degrees").answers(torch.tensor([21.5, 18.0]))
        ['21.5 degrees', '18.0 degrees']
    """

    def __init__(self, describe: Callable[[Tensor], str]) -> None:
        self.describe = describe

    def answers(self, output: Tensor, vectors: Vectors | None = None) -> list[str]:  # noqa: ARG002
        """Describe each output."""
        return [self.describe(row) for row in output]


def shaped(output: Tensor, dimensions: int, last: int | None, expected: str) -> Tensor:
    """Check an output's shape and numbers; one without a batch dimension is a batch of one.

    Args:
        output: Of a network.
        dimensions: How many there should be, with that of the batch.
        last: The size of the last one; None: any.
        expected: What it should be, for the message.

    Raises:
        ArgumentError: The shape is another, or a number is not finite.

    Example:
        >>> shaped(torch.zeros(3), 2, 3, "logits [n, 3]").shape
        torch.Size([1, 3])
    """
    batch = output[None] if output.dim() == dimensions - 1 else output
    if batch.dim() != dimensions or (last is not None and batch.shape[-1] != last) or not batch.numel():
        message = f"the output should be {expected}, and is {list(output.shape)}"
        raise ArgumentError(message)
    if batch.is_floating_point() and not torch.isfinite(batch).all():
        message = "the output holds numbers that are not finite: there is nothing to say about it"
        raise ArgumentError(message)
    return batch


def _not_drawn(outputs: Outputs) -> str:
    return (
        f"{type(outputs).__name__} says what an output means, but gives no probabilities that feedback could raise or lower: "
        "declare Labels, Tokens or NearestTexts, override `distribution` and `said`, or train with feedback_weight=0"
    )
