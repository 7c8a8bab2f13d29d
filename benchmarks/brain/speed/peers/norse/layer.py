"""Norse: `LSNNRecurrent`, leaky integrate-and-fire neurons with an adaptive threshold and recurrent connections."""

from __future__ import annotations

from norse.torch import LSNNRecurrent
from torch import nn


def build(width: int) -> nn.Module:
    return LSNNRecurrent(width, width)
