"""Small brains of every kind of answer, in float64, with every parameter off its starting value."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from llm_brain.brain import Answer, Brain, BrainConfig, Choice, Distribution, Number, Record, Text

ANSWERS: dict[str, Answer] = {
    "choice": Choice(options=3),
    "stars": Number(low=1, high=5, whole=True),
    "many": Number(low=-7, high=1003, whole=True),
    "share": Number(low=-0.5, high=2),
    "text": Text(vocabulary=4, end=1, longest=3),
    "record": Record(
        fields={
            "urgent": Choice(options=2),
            "stars": Number(low=0, high=2, whole=True),
            "title": Text(vocabulary=3, end=2, longest=2),
            "type": Record(fields={"name": Text(vocabulary=3, end=2, longest=2)}),
        }
    ),
}


def brain_for(answer: Answer, *, seed: int = 0, blocks: int = 1, dropout: float = 0.0) -> Brain:
    torch.manual_seed(seed)
    brain = Brain(BrainConfig(input_size=6, answer=answer, width=8, heads=2, blocks=blocks, chunk=3, dropout=dropout)).double()
    with torch.no_grad():
        for parameter in brain.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return brain.eval()


def asked(answer: Answer, rows: int, *, seed: int = 0) -> Distribution[Any]:
    brain = brain_for(answer, seed=seed)
    with torch.no_grad():
        distribution: Distribution[Any] = brain(torch.randn(rows, 5, 6, dtype=torch.float64)).answer
    return distribution


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def row_of(target: Any, rows: slice) -> Any:
    """Take some rows of a target."""
    return target[rows] if isinstance(target, Tensor) else {name: row_of(part, rows) for name, part in target.items()}
