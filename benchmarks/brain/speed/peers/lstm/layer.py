"""torch's nn.LSTM."""

from __future__ import annotations

from torch import nn


def build(width: int) -> nn.Module:
    return nn.LSTM(width, width)
