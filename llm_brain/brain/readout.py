"""From what a brain says at each step to what a head answers from: a running weighted mean and the last step.

    w_t = sigmoid(a . y_t)                                every step weighs the same at first
    pooled = [ sum_t w_t y_t / sum_t w_t ; y_last ]
    V = w_v . stop(pooled) + b_v                          the expected evaluation: a baseline that shapes no features

The sums run on from call to call (`ReadingState`), so that a sentence read in pieces, or token by token, gets the answer of
the whole.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from llm_brain.brain.equations.tables import steps


class ReadingState(NamedTuple):
    """What has been read so far in this turn.

    Attributes:
        total: The weighted sum of the features, `[B, d]`.
        weight: The sum of the weights, `[B, 1]`.
        last: The features of the last step, `[B, d]`.

    Example:
        >>> Readout(8).initial_state(3).weight.shape
        torch.Size([3, 1])
    """

    total: Tensor
    weight: Tensor
    last: Tensor


class Readout(nn.Module):
    """Pool the features of a turn, and expect an evaluation.

    Args:
        width: d, the size of the features.
        dropout: Share of the pooled features dropped in training.

    Example:
        >>> import torch
        >>> readout = Readout(8)
        >>> pooled, value, reading = readout(torch.randn(3, 5, 8))
        >>> pooled.shape, value.shape
        (torch.Size([3, 16]), torch.Size([3]))
    """

    def __init__(self, width: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.width, self.dropout = width, dropout
        self.attention = nn.Parameter(torch.zeros(width))
        self.expect = nn.Linear(2 * width, 1)

    def initial_state(self, batch: int) -> ReadingState:
        """Build the state of a turn in which nothing was read.

        Example:
            >>> Readout(8).initial_state(1).total.sum().item()
            0.0
        """
        nothing = self.attention.new_zeros(batch, self.width)
        return ReadingState(nothing, nothing[:, :1], nothing)

    def forward(
        self, features: Tensor, state: ReadingState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor, ReadingState]:
        """Read on, and pool all that was read in this turn.

        Args:
            features: `[B, T, d]`.
            state: What was read before in this turn.
            lengths: Real steps of each row, `[B]`.

        Returns:
            Pooled features `[B, 2d]`, the expected evaluation `[B]`, and the state to read on from.
        """
        reading = self._read(features, state, lengths)
        # A row of which nothing was read yet has weight zero and total zero: its mean is zero.
        mean = reading.total / reading.weight.clamp(min=torch.finfo(features.dtype).tiny)
        pooled = torch.cat([mean, reading.last], dim=-1)
        value = functional.linear(pooled.detach(), self.expect.weight, self.expect.bias)
        if self.training and self.dropout:
            pooled = functional.dropout(pooled, self.dropout)
        return pooled, value.squeeze(-1), reading

    def _read(self, features: Tensor, state: ReadingState | None, lengths: Tensor | None) -> ReadingState:
        weights = torch.sigmoid(features @ self.attention).unsqueeze(1)
        last = features[:, -1]
        if lengths is not None:
            weights = weights.masked_fill((steps(features.shape[1], features.device) >= lengths[:, None])[:, None], 0.0)
            at = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, self.width)
            before = torch.zeros_like(last) if state is None else state.last
            last = torch.where(lengths[:, None] > 0, features.gather(1, at).squeeze(1), before)
        total, weight = torch.bmm(weights, features).squeeze(1), weights.sum(-1)
        if state is None:
            return ReadingState(total, weight, last)
        return ReadingState(state.total + total, state.weight + weight, last)
