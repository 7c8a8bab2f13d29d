"""The two normalisations of the brain, written with few calls: at one sentence a batch, the calls are what costs.

rms_norm(x)       x / sqrt(mean(x^2) + eps)      the input of every sublayer; no learned gain, as a matrix follows each
unit_length(x)    x / sqrt(sum(x^2) + eps)       queries and keys
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from torch.autograd.function import FunctionCtx

EPSILON = 1e-6


def rms_norm(x: Tensor) -> Tensor:
    """Scale the last axis to a root mean square of one, as `torch.nn.functional.rms_norm` does, in two thirds of its time.

    Args:
        x: `[..., d]`.

    Returns:
        `[..., d]`.

    Example:
        >>> import torch
        >>> [round(value, 4) for value in rms_norm(torch.tensor([3.0, 4.0])).tolist()]
        [0.8485, 1.1314]
    """
    return _scaled(x, 1 / x.shape[-1])


def unit_length(x: Tensor) -> Tensor:
    """Scale the last axis to a length of one; what is far shorter than 1e-3 stays short.

    Args:
        x: `[..., k]`.

    Returns:
        `[..., k]`.

    Example:
        >>> import torch
        >>> [round(value, 4) for value in unit_length(torch.tensor([3.0, 4.0])).tolist()]
        [0.6, 0.8]
    """
    return _scaled(x, 1.0)


def _scaled(x: Tensor, share: float) -> Tensor:
    if torch.is_grad_enabled() and x.requires_grad:
        scaled: Tensor = _Scaled.apply(x, share)  # type: ignore[no-untyped-call]
        return scaled
    return x * inverse_length(x, share)


def inverse_length(x: Tensor, share: float) -> Tensor:
    """Compute `(share * |x|^2 + eps)^(-1/2)` along the last axis.

    Example:
        >>> import torch
        >>> round(inverse_length(torch.tensor([3.0, 4.0]), 1.0).item(), 4)
        0.2
    """
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return torch.addcmul(_epsilon(x.device, x.dtype), length, length, value=share).rsqrt()


@lru_cache(maxsize=16)
def _epsilon(device: torch.device, dtype: torch.dtype) -> Tensor:
    # Outside inference mode, so that a later training step may save it for its gradient.
    with torch.inference_mode(False):  # noqa: FBT003 - the form that torch.compile knows
        return torch.tensor(EPSILON, device=device, dtype=dtype)


class _Scaled(torch.autograd.Function):
    """`y = s x` with `s = (share * |x|^2 + eps)^(-1/2)`; its adjoint `s (g - share * y (y . g))` is half of autograd's passes."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, share: float) -> Tensor:
        inverse = inverse_length(x, share)
        scaled = x * inverse
        ctx.save_for_backward(scaled, inverse)
        ctx.share = share  # type: ignore[attr-defined]
        return scaled

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        scaled, inverse = ctx.saved_tensors  # type: ignore[attr-defined]
        result = scaled * gradient
        along = result.sum(-1, keepdim=True)
        torch.addcmul(gradient, scaled, along, value=-ctx.share, out=result)  # type: ignore[attr-defined]
        return result.mul_(inverse), None
