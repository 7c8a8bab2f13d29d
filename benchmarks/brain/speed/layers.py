"""Layers at work, whoever made them: how wide, how many parameters, a pass forward and backward, a step.

A `peers/LAYER/layer.py` has `build(width)`, and may have `check(width, inputs)`, which fails where the layer is wrong. What it
builds may have `step(value [B, width], state)`, with `initial_state(batch)`; otherwise a step is a sequence of length one.
"""

from __future__ import annotations

import importlib
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.brain.speed.rows import EQUAL_PARAMETERS, WIDTH

SEED = 20260101
WIDEST = 4096


@dataclass(frozen=True)
class Times:
    """Seconds that a pass took.

    Attributes:
        forward: Until the output was there.
        both: Until the gradients were, too.
    """

    forward: float
    both: float


class Trained:
    """A layer that takes a batch of sequences forward and backward, as from the middle of a network.

    Args:
        layer: Its folder in `peers/`.
        width: Of its input and of itself.
        batch: Sequences.
        time: Steps.
        device: Where.
        is_compiled: Whether torch.compile has it.
    """

    def __init__(self, layer: str, width: int, *, batch: int, time: int, device: str, is_compiled: bool = False) -> None:
        torch.manual_seed(SEED)
        self.module = build(layer, width).to(device)
        self.run = torch.compile(self.module) if is_compiled else self.module
        self.inputs = torch.randn(time, batch, width, device=device).requires_grad_()
        self._device = device
        check: Callable[[int, Tensor], None] | None = getattr(_layer(layer), "check", None)
        if check is not None:
            check(width, self.inputs.detach())

    def pass_through(self) -> Times:
        """Go forward and backward once. Fails where the loss is not finite or nothing has a gradient."""
        self.inputs.grad = None
        self.module.zero_grad(set_to_none=True)
        began = self._now()
        output = self.run(self.inputs)[0]
        loss = output.square().mean()
        forward = self._now() - began
        loss.backward()
        both = self._now() - began
        gradients = [parameter.grad for parameter in self.module.parameters() if parameter.grad is not None]
        assert torch.isfinite(loss), "the loss is not finite"
        assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients), "a gradient is not finite"
        assert any(bool(gradient.any()) for gradient in gradients), "no parameter has a gradient"
        return Times(forward, both)

    def _now(self) -> float:
        if self._device == "cuda":
            torch.cuda.synchronize()
        return perf_counter()


def build(layer: str, width: int) -> nn.Module:
    module: nn.Module = _layer(layer).build(width)
    return module


def count(module: nn.Module) -> int:
    """Count a module's parameters."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def width_in(setting: str, layer: str, width: int, multiple: int) -> int:
    """Give the width of a layer in a setting: its own, or the one at which it has as many parameters as the reference."""
    if setting != EQUAL_PARAMETERS:
        return width
    wanted = count(nn.GRU(WIDTH, WIDTH))
    widths = range(multiple, WIDEST, multiple)

    def parameters(width: int) -> int:
        return count(build(layer, width))

    above = bisect_left(widths, wanted, key=parameters)
    found = min(widths[max(above - 1, 0) : above + 1], key=lambda width: abs(parameters(width) - wanted))
    assert abs(parameters(found) / wanted - 1) < 0.02, f"{layer} has {parameters(found)} parameters, not {wanted}"
    return found


def stepping(module: nn.Module, value: Tensor, count: int, state: Any = None) -> Any:
    """Take so many steps of one value after the other, `[B, width]`, and give the state."""
    step: Any = getattr(module, "step", None)
    if step is None:
        value, step = value.unsqueeze(0), module
    elif state is None and hasattr(module, "initial_state"):
        state = module.initial_state(value.shape[0])  # type: ignore[operator]
    output = value
    for _ in range(count):
        output, state = step(value, state)
    assert torch.isfinite(output).all()
    return state


def _layer(name: str) -> Any:
    return importlib.import_module(f"benchmarks.brain.speed.peers.{name}.layer")
