"""Seeds that depend on what is drawn, and torch's generators left as they were."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def seed_of(*parts: int | str) -> int:
    """Mix numbers and words into a seed, so that no two uses of a training's seed draw alike.

    Example:
        >>> seed_of(0, "order", 1) == seed_of(0, "order", 1), seed_of(0, "order", 1) == seed_of(0, "order", 2)
        (True, False)
    """
    digest = hashlib.blake2b("|".join(map(str, parts)).encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big")


@contextmanager
def own_randomness(device: torch.device) -> Iterator[None]:
    """Leave torch's generators as they were, whatever is drawn inside of a `with` block.

    Example:
        >>> with own_randomness(torch.device("cpu")):
        ...     _ = torch.rand(3)
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        yield
