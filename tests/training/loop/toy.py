"""A learner that needs nothing: a table of preferences over five answers, with dropout, so that randomness counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from llm_brain.brain import ChoiceDistribution
from llm_brain.training.learner import Learner, Policy

OPTIONS = 5


class Toy(Learner):
    """`inputs` examples whose right answer is their number modulo five; prompts are the first of them."""

    def __init__(self, examples: int = 40, prompts: int = 12, *, dropout: float = 0.3, critic: bool = False) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.inputs = torch.randn(examples, 6, generator=random)
        self.targets = torch.arange(examples) % OPTIONS
        self.example_lengths = [1 + number % 3 for number in range(examples)]
        self.prompt_lengths = [1] * prompts
        self.hidden = nn.Linear(6, 16)
        self.scores = nn.Linear(16, OPTIONS)
        self.expects = nn.Linear(16, 1) if critic else None
        self.drop = nn.Dropout(dropout)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=random) * 0.3)

    def loss(self, examples: Sequence[int]) -> Tensor:
        return functional.cross_entropy(self.scores(self._hidden(examples)), self.targets[list(examples)])

    def policy(self, prompts: Sequence[int]) -> Policy:
        hidden = self._hidden(prompts)
        value = None if self.expects is None else self.expects(hidden.detach()).squeeze(1)
        return Policy(ChoiceDistribution(self.scores(hidden)), value)

    def values(self, target: Any) -> list[Any]:
        return list(target.tolist())

    def prompt_text(self, prompt: int) -> str:
        return f"prompt {prompt}"

    def describe(self) -> dict[str, Any]:
        return {"examples": len(self.inputs), "prompts": len(self.prompt_lengths), "dropout": self.drop.p}

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(dict(self.named_parameters()), folder / "toy.safetensors")

    def load(self, folder: Path) -> None:
        self.load_state_dict(load_file(folder / "toy.safetensors"))

    def weights(self) -> Tensor:
        return torch.cat([parameter.detach().flatten() for parameter in self.parameters()])

    def accuracy(self) -> float:
        self.eval()
        with torch.no_grad():
            return float((self.scores(self._hidden(range(len(self.inputs)))).argmax(dim=1) == self.targets).float().mean())

    def _hidden(self, rows: Sequence[int]) -> Tensor:
        return torch.tanh(self.drop(self.hidden(self.inputs[list(rows)])))
