"""The way out of the plastic synapses: what was read is normalised a head, chosen from by a gate, and added to the neuron.

y = h + norm(o) * silu(g)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from llm_brain.brain.equations.norms import inverse_length, rms_norm
from llm_brain.brain.equations.scratch import scratch_like

if TYPE_CHECKING:
    from torch.autograd.function import FunctionCtx


def add_gated(base: Tensor, read: Tensor, gate: Tensor) -> Tensor:
    """Add what was read to what is there already.

    Args:
        base: h, `[..., H * k]`.
        read: o, `[..., H, k]`.
        gate: g, `[..., H * k]`.

    Returns:
        `[..., H * k]`.

    Example:
        >>> import torch
        >>> add_gated(torch.zeros(5, 3, 8), torch.randn(5, 3, 2, 4), torch.zeros(5, 3, 8)).any().item()
        False
    """
    if torch.is_grad_enabled() and (base.requires_grad or read.requires_grad or gate.requires_grad):
        mixed: Tensor = _AddGated.apply(base, read, gate)  # type: ignore[no-untyped-call]
        return mixed
    return torch.addcmul(base, rms_norm(read).flatten(-2), functional.silu(gate))


class _AddGated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, base: Tensor, read: Tensor, gate: Tensor) -> Tensor:
        inverse = inverse_length(read, 1 / read.shape[-1])
        ctx.save_for_backward(read, inverse, gate)
        with scratch_like(read) as scratch:
            normed = torch.mul(read, inverse, out=scratch.take("normed", read.shape)).flatten(-2)
            opened = torch.sigmoid(gate, out=scratch.take("opened", gate.shape)).mul_(gate)
            return torch.addcmul(base, normed, opened)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        read, inverse, gate = ctx.saved_tensors  # type: ignore[attr-defined]
        with scratch_like(read) as scratch:
            normed = torch.mul(read, inverse, out=scratch.take("normed", read.shape))
            to_opened = torch.mul(gradient, normed.flatten(-2), out=scratch.take("opened", gate.shape))
            to_gate = torch.ops.aten.silu_backward(to_opened, gate)
            to_normed = torch.sigmoid(gate, out=to_opened).mul_(gate).mul_(gradient).view(read.shape)
            to_read = normed * to_normed
            along = to_read.sum(-1, keepdim=True)
            torch.addcmul(to_normed, normed, along, value=-1 / read.shape[-1], out=to_read).mul_(inverse)
        return gradient, to_read, to_gate
