"""torch's nn.GRU: the reference."""

from __future__ import annotations

from torch import nn


def build(width: int) -> nn.Module:
    return nn.GRU(width, width)
