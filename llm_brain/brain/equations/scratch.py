"""Memory that is used again and again: fresh memory costs as much as the arithmetic that fills it.

A system clears each page it hands out, and takes pages back as soon as they are free. A training step that asks anew for what it
needs on the way (the products within a chunk, say) spends a tenth of its time on that; so one thread's steps share it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

KEPT_BYTES = 64 * 2**20
"""What is kept from one computation to the next, for each thread, at most; on a graphics card torch itself does so."""

_kept = threading.local()


@contextmanager
def scratch_like(tensor: Tensor) -> Iterator[Scratch]:
    """Lend memory for one computation. What is in it afterwards may be overwritten by the next one.

    Example:
        >>> import torch
        >>> with scratch_like(torch.zeros(1)) as scratch:
        ...     scratch.take("product", (2, 3)).shape
        torch.Size([2, 3])
    """
    # A compiler plans memory by itself, and cannot follow what is kept between calls.
    pool: dict[str, Scratch] = {} if torch.compiler.is_compiling() else _kept.__dict__
    scratch = pool.pop("scratch", None)
    if scratch is None or not scratch.fits(tensor):
        scratch = Scratch(tensor)
    yield scratch
    if tensor.device.type == "cpu" and scratch.size() <= KEPT_BYTES:
        pool["scratch"] = scratch


class Scratch:
    """Tensors by name, made when they are first asked for. Each asking for a name overwrites what was there under it.

    Args:
        like: Gives dtype and device.

    Example:
        >>> import torch
        >>> scratch = Scratch(torch.zeros(1))
        >>> scratch.take("product", (2, 3)) is scratch.take("product", (2, 3))
        True
    """

    def __init__(self, like: Tensor) -> None:
        self.like = like.new_empty(0)
        self.tensors: dict[str, Tensor] = {}

    def fits(self, tensor: Tensor) -> bool:
        """Tell whether it can be lent to a computation with this tensor: dtype, device and inference mode are the same.

        Example:
            >>> import torch
            >>> Scratch(torch.zeros(1)).fits(torch.zeros(1).double())
            False
        """
        same = self.like.dtype == tensor.dtype and self.like.device == tensor.device
        return same and self.like.is_inference() == torch.is_inference_mode_enabled()

    def size(self) -> int:
        """Count the bytes it holds.

        Example:
            >>> import torch
            >>> Scratch(torch.zeros(1)).size()
            0
        """
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def take(self, name: str, shape: tuple[int, ...] | torch.Size) -> Tensor:
        """Give a tensor of this shape, whatever it holds."""
        found = self.tensors.get(name)
        if found is None or found.shape != shape:
            found = self.tensors[name] = self.like.new_empty(shape)
        return found

    def copy(self, name: str, part: Tensor) -> Tensor:
        """Copy `[B, H, C, k]` to a contiguous `[B * H, C, k]`.

        Example:
            >>> import torch
            >>> Scratch(torch.zeros(1)).copy("value", torch.ones(2, 3, 5, 4)).shape
            torch.Size([6, 5, 4])
        """
        taken = self.take(name, (part.shape[0] * part.shape[1], *part.shape[2:]))
        taken.view(part.shape).copy_(part)
        return taken

    def product(self, name: str, part: Tensor, factor: Tensor) -> Tensor:
        """Multiply `[B, H, C, k]` into a contiguous `[B * H, C, k]`.

        Example:
            >>> import torch
            >>> Scratch(torch.zeros(1)).product("key", torch.ones(2, 3, 5, 4), torch.tensor(2.0))[0, 0, 0].item()
            2.0
        """
        taken = self.take(name, (part.shape[0] * part.shape[1], *part.shape[2:]))
        torch.mul(part, factor, out=taken.view(part.shape))
        return taken

    def twice(self, name: str, part: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """Put `first * part` and `second * part` side by side, `[N, C, 2v]`.

        Example:
            >>> import torch
            >>> one = torch.ones(1, 1, 1)
            >>> Scratch(torch.zeros(1)).twice("left", one, 2 * one, 3 * one).tolist()
            [[[2.0, 3.0]]]
        """
        size = part.shape[-1]
        taken = self.take(name, (*part.shape[:-1], 2 * size))
        torch.mul(part, first, out=taken[..., :size])
        torch.mul(part, second, out=taken[..., size:])
        return taken
