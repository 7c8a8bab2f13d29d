"""nn.GRU in the place of the brain's network: inputs, pooling and heads are the brain's own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from llm_brain.brain import Brain, BrainConfig


class GRUNetwork(nn.Module):
    """A GRU behind a linear layer, called as `PlasticRNN` is; it looks at no reward."""

    def __init__(self, inputs: int, width: int, dropout: float) -> None:
        super().__init__()
        self.embed = nn.Linear(inputs, width)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.norm = nn.RMSNorm(width)
        self.dropout = dropout

    def forward(
        self,
        inputs: Tensor,
        state: Tensor | None = None,
        *,
        lengths: Tensor | None = None,
        reward: Tensor | None = None,
        prediction_error: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        del reward, prediction_error
        hidden, after = self.gru(self.embed(inputs), state)
        features = self.norm(functional.dropout(hidden, self.dropout, self.training))
        if lengths is not None:  # what stands in the padding is zero, as it is with the brain
            features = features.masked_fill((torch.arange(features.shape[1]) >= lengths[:, None])[..., None], 0.0)
        return features, after


def gru_of_the_same_size(config: BrainConfig, table: Tensor) -> Brain:
    """Build a brain whose network is a GRU of the width that comes closest to a brain's number of parameters."""

    def build(width: int) -> Brain:
        shape = config.model_copy(update={"width": width, "heads": 1, "conv_size": 1})
        brain = Brain(shape, embedding=table)
        network: Any = GRUNetwork(config.input_size, width, config.dropout)
        brain.network = network
        return brain

    with torch.random.fork_rng():
        wanted = parameters(Brain(config, embedding=table))
        width = min(range(16, 2 * config.width, 4), key=lambda width: abs(parameters(build(width)) - wanted))
    return build(width)


def parameters(module: nn.Module) -> int:
    """Count the parameters."""
    return sum(parameter.numel() for parameter in module.parameters())
