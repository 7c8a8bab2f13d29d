"""Small tables over the steps of one chunk: powers of a constant rate, laid out by how far apart two steps are.

What depends on the length alone is made once for each length, and outside inference mode, so that a later training step may
save it for its gradient.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


def powers(rate: Tensor, length: int) -> Tensor:
    """Tabulate `rate^0 ... rate^length`, and a zero after them.

    Args:
        rate: Between zero and one, `[C]`. The power zero of zero is one.
        length: T.

    Returns:
        `[C, T + 2]`.

    Example:
        >>> import torch
        >>> powers(torch.tensor([0.5, 0.0]), 2).tolist()
        [[1.0, 0.5, 0.25, 0.0], [1.0, 0.0, 0.0, 0.0]]
    """
    table = rate[:, None] ** steps(length + 1, rate.device)
    return torch.nn.functional.pad(table, (0, 1))


@lru_cache(maxsize=512)
def steps(length: int, device: torch.device) -> Tensor:
    """Count from zero to `length - 1`, `[T]`. Made once and shared: never write into it.

    Example:
        >>> import torch
        >>> steps(3, torch.device("cpu")).tolist()
        [0, 1, 2]
    """
    with torch.inference_mode(False):  # noqa: FBT003 - the form that torch.compile knows
        return torch.arange(length, device=device)


@lru_cache(maxsize=512)
def lags(length: int, device: torch.device) -> Tensor:
    """Index `powers` by how long s lies before t, `[T, T]`; what would lie ahead points at the zero. Never write into it.

    Example:
        >>> import torch
        >>> lags(2, torch.device("cpu")).tolist()
        [[0, 3], [1, 0]]
    """
    with torch.inference_mode(False):  # noqa: FBT003 - the form that torch.compile knows
        count = torch.arange(length, device=device)
        lag = count[:, None] - count
        return lag.masked_fill_(lag < 0, length + 1)


@lru_cache(maxsize=512)
def chunk_lags(length: int, device: torch.device) -> Tensor:
    """Index `powers` as `lags` does, then by how long before step t the chunk began, then at the zero: `[T, T + 2]`.

    Example:
        >>> import torch
        >>> chunk_lags(2, torch.device("cpu")).tolist()
        [[0, 3, 1, 3], [1, 0, 2, 3]]
    """
    with torch.inference_mode(False):  # noqa: FBT003 - the form that torch.compile knows
        since = torch.arange(1, length + 1, device=device)[:, None]
        return torch.cat([lags(length, device), since, torch.full_like(since, length + 1)], dim=1)
