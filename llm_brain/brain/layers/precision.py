"""Layers under `torch.autocast`: what runs through time stays in the precision of its own parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor, nn

Layer = TypeVar("Layer", bound=nn.Module)
Rest = ParamSpec("Rest")
Result = TypeVar("Result")


def in_own_precision(
    run: Callable[Concatenate[Layer, Tensor, Rest], Result],
) -> Callable[Concatenate[Layer, Tensor, Rest], Result]:
    """Run a layer's method outside of autocast, with its first argument in the precision of the layer's parameters.

    A state that is carried over many steps loses what is small beside it in sixteen bits, and a layer's gradients are written in
    one precision. To run in sixteen bits all through, convert the layer: `network.to(torch.bfloat16)`.

    Example:
        >>> from llm_brain.brain import PlasticRNN
        >>> network = PlasticRNN(6, 8, heads=2)
        >>> with torch.autocast("cpu", torch.bfloat16):
        ...     output, _ = network(nn.Linear(4, 6)(torch.randn(5, 3, 4)))
        >>> output.dtype
        torch.float32
    """

    @wraps(run)
    def outside(layer: Layer, x: Tensor, /, *args: Rest.args, **kwargs: Rest.kwargs) -> Result:
        kind = x.device.type
        if not torch.is_autocast_enabled(kind):
            return run(layer, x, *args, **kwargs)
        with torch.autocast(kind, enabled=False):
            return run(layer, x.to(next(layer.parameters()).dtype), *args, **kwargs)

    return outside
