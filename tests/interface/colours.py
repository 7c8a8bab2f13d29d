"""A network that learns the colours of three things, from a judge who knows them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from llm_brain.interface import Labels, LLMInterface

COLOURS = Labels(["red", "green", "blue"])
PROMPTS = ["the sky", "a rose", "grass"]
TRUTH = {"the sky": "blue", "a rose": "red", "grass": "green"}


def right(task: str, output: str) -> float:
    return float(TRUTH[task] == output)


def nothing(output: Tensor, _target: Tensor) -> Tensor:
    """Be a loss that teaches nothing, so that feedback alone does."""
    return output.sum() * 0.0


def network(size: int = 3) -> nn.Linear:
    """Make a network that gives one-hot inputs logits of their own, all equal at first."""
    model = nn.Linear(3, size)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    return model


def train(interface: LLMInterface, model: nn.Module, **options: Any) -> Any:
    data = {
        "inputs": torch.eye(3),
        "targets": torch.zeros(3).long(),
        "optimizer": torch.optim.SGD(model.parameters(), 1.0),
        "loss_fn": nothing,
        "epochs": 60,
        "feedback_weight": 1.0,
        "prompts": PROMPTS,
    }
    return interface.train_with_llm_feedback(model, **{**data, **options})


def probabilities(model: nn.Module) -> Tensor:
    return torch.softmax(model(torch.eye(3)), dim=-1).detach()


def liked(model: nn.Module) -> list[float]:
    """Tell how likely the network gives the answer that the judge likes, prompt by prompt."""
    labels = COLOURS.labels
    return [float(row[labels.index(TRUTH[prompt])]) for prompt, row in zip(PROMPTS, probabilities(model), strict=True)]
