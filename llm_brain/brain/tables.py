"""Small tables over the steps of one chunk: decays of constant rate, and the constants they are made of.

The constants depend on the length alone. They are made once for each length, and outside inference mode, so that a later
training step may save them for its gradient.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


def decay_table(log_rate: Tensor, length: int) -> Tensor:
    """Tabulate `rate^(t - s)` for s at or before t, and zero elsewhere.

    Args:
        log_rate: Logarithms of the rates, `[C]`, finite and not above zero.
        length: T.

    Returns:
        `[C, T, T]`, lower triangular.

    Example:
        >>> import torch
        >>> decay_table(torch.tensor([0.5]).log(), 3)[0].tolist()
        [[1.0, 0.0, 0.0], [0.5, 1.0, 0.0], [0.25, 0.5, 1.0]]
    """
    # The lags are clamped at zero before exp, not after: an overflow above the diagonal would be NaN in the gradient.
    return (log_rate.view(-1, 1, 1) * _lags(length, log_rate.device, log_rate.dtype)).exp().tril()


def decay_powers(log_rate: Tensor, length: int) -> Tensor:
    """Tabulate `rate^(t + 1)`: what is left, after step t, of a state from before the first step.

    Args:
        log_rate: Logarithms of the rates, `[C]`, finite and not above zero.
        length: T.

    Returns:
        `[C, T]`.

    Example:
        >>> import torch
        >>> decay_powers(torch.tensor([0.5]).log(), 3).tolist()
        [[0.5, 0.25, 0.125]]
    """
    return (log_rate[:, None] * (steps(length, log_rate.device) + 1)).exp()


@lru_cache(maxsize=512)
def steps(length: int, device: torch.device) -> Tensor:
    """Count from zero to `length - 1`, `[T]`. Made once and shared: never write into it.

    Example:
        >>> import torch
        >>> steps(3, torch.device("cpu")).tolist()
        [0, 1, 2]
    """
    with torch.inference_mode(mode=False):
        return torch.arange(length, device=device)


@lru_cache(maxsize=512)
def causal_mask(length: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Build what forbids the future when added to a logarithm: -inf above the diagonal, `[T, T]`. Never write into it.

    Example:
        >>> import torch
        >>> causal_mask(2, torch.device("cpu"), torch.float32).tolist()
        [[0.0, -inf], [0.0, 0.0]]
    """
    with torch.inference_mode(mode=False):
        return torch.full((length, length), -torch.inf, device=device, dtype=dtype).triu(1)


@lru_cache(maxsize=512)
def _lags(length: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    with torch.inference_mode(mode=False):
        count = torch.arange(length, device=device)
        return (count[:, None] - count).clamp(min=0).to(dtype)
