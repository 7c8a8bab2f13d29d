"""Several processes that train one network (`torchrun`): who asks, who is told, and how gradients meet.

    rank 0      asks the language model, draws, validates, writes
    all ranks   take the same examples and evaluations, each its share of a batch; DistributedDataParallel averages the gradients

One process is a world of one, in which nothing of this happens.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, cast

import torch
from torch import distributed

from llm_brain.errors import LLMBrainError

Item = TypeVar("Item")
PATIENCE = timedelta(days=2)
"""How long the other ranks wait for rank 0, which may be asking a slow model for hours."""


@dataclass(frozen=True, slots=True)
class World:
    """The processes of a training.

    Attributes:
        rank: This process's number.
        size: How many there are.

    Example:
        >>> World().is_first, World().share([3, 1, 2])
        (True, [3, 1, 2])
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process asks and writes."""
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> list[Item]:
        """Give this process's part of what all of them know."""
        return list(items[self.rank :: self.size])

    def told(self, find: Callable[[], Item]) -> Item:
        """Let rank 0 find something out and tell all others; an error of rank 0 is an error of all.

        Raises:
            LLMBrainError: Rank 0's error, in its own type there.
        """
        if self.size == 1:
            return find()
        failed: Exception | None = None
        message: list[object] = [None, None]
        if self.is_first:
            try:
                message = [find(), None]
            except Exception as error:  # noqa: BLE001 - whatever it is, the others must not wait for what never comes
                failed, message = error, [None, f"rank 0 failed: {type(error).__name__}: {error}"]
        distributed.broadcast_object_list(message, src=0)
        if failed is not None:
            raise failed
        if message[1] is not None:
            raise LLMBrainError(message[1])
        return cast("Item", message[0])


@contextmanager
def joined() -> Iterator[World]:
    """Join the processes that `torchrun` started, for the time of a `with` block; alone, there is nobody to join.

    A process group that exists already is used, and left open.

    Example:
        >>> with joined() as world:
        ...     world
        World(rank=0, size=1)
    """
    if distributed.is_available() and distributed.is_initialized():
        yield World(distributed.get_rank(), distributed.get_world_size())
    elif int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ:
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        # What is told goes through the processors; gradients go by the device that they are on.
        distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
        try:
            yield World(distributed.get_rank(), distributed.get_world_size())
            distributed.barrier()  # who leaves first would take the connections of the others down
        finally:
            gc.collect()  # a module whose gradients were shared holds threads of the group, and must go before it
            distributed.destroy_process_group()
    else:
        yield World()
