"""ncps: `CfC`, a closed-form continuous-time network, fully connected, with a backbone of 128 units, its default."""

from __future__ import annotations

from ncps.torch import CfC
from torch import nn


def build(width: int) -> nn.Module:
    return CfC(width, width, batch_first=False)
