"""What a training loop trains: a network that has examples to learn from, and prompts to answer.

The loop knows no texts and no tensors of a task: it knows numbers of examples and of prompts. `brain_learner` is a brain on
texts; `LLMInterface` trains any torch module through one of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from llm_brain.brain.heads.distribution import Distribution


class Policy(NamedTuple):
    """What a network would answer to n prompts.

    Attributes:
        answer: The distribution over answers, one for each prompt.
        value: The evaluation that it expects for each, [n]; None where it expects nothing.

    Example:
        >>> Policy._fields
        ('answer', 'value')
    """

    answer: Distribution[Any]
    value: Tensor | None = None


class Learner(nn.Module, ABC):
    """A network with its examples and its prompts.

    Its parameters are those that are trained. `train()` and `eval()` say which of the two the next pass is for.

    Attributes:
        example_lengths: How long each example is: batches are made of similar ones.
        prompt_lengths: The same of each prompt.

    Example:
        >>> issubclass(Learner, nn.Module)
        True
    """

    example_lengths: Sequence[int]
    prompt_lengths: Sequence[int]

    @abstractmethod
    def loss(self, examples: Sequence[int]) -> Tensor:
        """Give the mean loss of some examples, a scalar."""

    @abstractmethod
    def policy(self, prompts: Sequence[int]) -> Policy:
        """Give the distributions from which the answers to some prompts are drawn."""

    @abstractmethod
    def values(self, target: Any) -> list[Any]:
        """Turn what a distribution's `sample` or `best` gives into answers that can be evaluated."""

    @abstractmethod
    def prompt_text(self, prompt: int) -> str:
        """Give a prompt as a text, from which a reward can be predicted."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Say in JSON what is learned, from what: a training goes on only where this is the same."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the network."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Read the network that was written."""

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Split the parameters for an optimiser: matrices decay, all else does not."""
        matrices = [parameter for parameter in self.parameters() if parameter.dim() > 1]
        rest = [parameter for parameter in self.parameters() if parameter.dim() <= 1]
        return [{"params": matrices, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]


def rows_of(target: Any) -> list[Any]:
    """Take a distribution's target apart: a row of JSON for each answer. A text ends with its first end symbol.

    Example:
        >>> rows_of({"stars": torch.tensor([4.0, 2.0]), "kind": torch.tensor([1, 0])})
        [{'stars': 4.0, 'kind': 1}, {'stars': 2.0, 'kind': 0}]
    """
    if isinstance(target, Tensor):
        return list(target.tolist())
    columns = [rows_of(column) for column in target.values()]
    return [dict(zip(target, row, strict=True)) for row in zip(*columns, strict=True)]


def on_device(target: Any, device: torch.device | str) -> Any:
    """Bring a distribution's target to where the distribution is.

    Example:
        >>> on_device({"stars": torch.tensor([4.0])}, "meta")["stars"].device
        device(type='meta')
    """
    if isinstance(target, Tensor):
        return target.to(device)
    return {name: on_device(column, device) for name, column in target.items()}


def target_of(rows: Sequence[Any], device: torch.device | str = "cpu") -> Any:
    """Put rows together again into a distribution's target. Shorter texts are filled with their last symbol, which is their end.

    Example:
        >>> target_of([{"stars": 4.0, "kind": 1}, {"stars": 2.0, "kind": 0}])["kind"].tolist()
        [1, 0]
        >>> target_of([[7, 2, 0], [0]]).tolist()
        [[7, 2, 0], [0, 0, 0]]
    """
    first = rows[0]
    if isinstance(first, dict):
        return {name: target_of([row[name] for row in rows], device) for name in first}
    if isinstance(first, list):
        longest = max(map(len, rows))
        return torch.tensor([[*row, *row[-1:] * (longest - len(row))] for row in rows], device=device)
    kind = torch.float64 if isinstance(first, float) else torch.long
    return torch.tensor(rows, dtype=kind, device=device)
