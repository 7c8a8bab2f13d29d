"""Several projections of one input, by one matrix: what reads the same vector is computed together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

if TYPE_CHECKING:
    from torch.autograd.function import FunctionCtx


def project(x: Tensor, weight: Tensor, bias: Tensor, sizes: Sequence[int]) -> tuple[Tensor, ...]:
    """Compute `W x + b` and split it, as `torch.split` of one `torch.nn.functional.linear` does.

    The gradient of each part goes straight to its rows of the matrix: it is never put together to a whole, which at a sequence's
    size costs as much as a matrix product.

    Args:
        x: `[..., in]`.
        weight: `[out, in]`.
        bias: Of the first rows of the matrix, `[b]` with b at most `out`; the others have none. It ends where a part ends.
        sizes: Of the parts; they add up to `out`.

    Returns:
        A tensor `[..., size]` for each size.

    Example:
        >>> import torch
        >>> [part.shape[-1] for part in project(torch.randn(3, 4), torch.randn(5, 4), torch.zeros(2), [2, 3])]
        [2, 3]
    """
    if torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad or bias.requires_grad):
        parts: tuple[Tensor, ...] = _Project.apply(x, weight, bias, sizes)  # type: ignore[no-untyped-call]
        return parts
    whole = functional.linear(x, weight)
    whole[..., : bias.shape[0]] += bias
    return torch.split_with_sizes(whole, sizes, dim=-1)


class _Project(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor, sizes: Sequence[int]) -> tuple[Tensor, ...]:
        ctx.sizes, ctx.biased = sizes, bias.shape[0]  # type: ignore[attr-defined]
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, weight)
        flat, start, parts = x.reshape(-1, x.shape[-1]), 0, []
        for rows in torch.split_with_sizes(weight, sizes):
            part, end = torch.mm(flat, rows.t()), start + len(rows)
            if start < bias.shape[0]:
                part += bias[start:end]
            parts.append(part.view(*x.shape[:-1], len(rows)))
            start = end
        return tuple(parts)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: FunctionCtx, *gradients: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight = ctx.saved_tensors  # type: ignore[attr-defined]
        sizes: Sequence[int] = ctx.sizes  # type: ignore[attr-defined]
        flat = x.reshape(-1, x.shape[-1])
        to_flat = None
        to_weight, to_bias, end = torch.empty_like(weight), weight.new_zeros(ctx.biased), 0  # type: ignore[attr-defined]
        for size, gradient in zip(sizes, gradients, strict=True):
            start, end = end, end + size
            if gradient is None:
                to_weight[start:end] = 0.0
                continue
            part = gradient.reshape(-1, size)
            torch.mm(part.t(), flat, out=to_weight[start:end])
            to_flat = part @ weight[start:end] if to_flat is None else to_flat.addmm_(part, weight[start:end])
            if start < to_bias.shape[0]:
                torch.sum(part, dim=0, out=to_bias[start:end])
        to_x = torch.zeros_like(x) if to_flat is None else to_flat.view(x.shape)
        return to_x, to_weight, to_bias, None
