"""Locks that a fork and the end of the process wait for: what lives in compiled code must not be torn out of its middle.

A child that is forked while another thread is inside of a tokenizer or of torch inherits what that thread had locked there,
and nobody in the child will ever give it back.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final
from weakref import WeakSet

LONGEST_WAIT: Final = 30.0
"""How long a fork, or the end of the process, waits for who is inside of a lock, in seconds."""


class ProcessLock:
    """Lets one thread in at a time. Before a fork it is waited for, and the child's is free.

    Args:
        rank: In which order a fork waits for locks: the lower one first, where one is taken inside of another one.

    Example:
        >>> lock = ProcessLock()
        >>> with lock:
        ...     "alone"
        'alone'
    """

    def __init__(self, rank: int = 1) -> None:
        self.rank = rank
        self._lock = threading.RLock()
        self._wanted = False
        _locks.add(self)

    def __enter__(self) -> None:
        waited = time.monotonic() + LONGEST_WAIT
        while (
            self._wanted and not _ending.is_set() and time.monotonic() < waited
        ):  # or who leaves it and comes back at once would never let others in
            time.sleep(0.001)
        self._lock.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._lock.release()

    def seize(self) -> bool:
        """Take it before all others, and tell whether it could be had in time."""
        self._wanted = True
        return self._lock.acquire(timeout=LONGEST_WAIT)

    def give_back(self) -> None:
        """Let the others in again."""
        self._wanted = False
        self._lock.release()

    def renew(self) -> None:
        """Begin anew, in a child whose parent's threads are not there."""
        self._wanted = False
        self._lock = threading.RLock()


_locks: Final[WeakSet[ProcessLock]] = WeakSet()
_seized: Final[list[ProcessLock]] = []
_ending: Final = threading.Event()


def end() -> None:
    """Wait until nobody is inside of any lock, and let nobody in again: for the end of the process, by `atexit`.

    A thread that would still come back to Python is ended in its middle, and takes down with it what torch keeps for it. So all
    who want in are made to wait for good.

    Example:
        >>> import atexit
        >>> _ = atexit.register(end)
    """
    _ending.set()
    _seize_all()
    time.sleep(0.02)  # until those who were asleep wait, too


def _seize_all() -> None:
    _seized.extend(lock for lock in sorted(_locks, key=lambda lock: lock.rank) if lock.seize())


def _after_fork_in_parent() -> None:
    while _seized:
        _seized.pop().give_back()


def _after_fork_in_child() -> None:
    _seized.clear()
    for lock in _locks:
        lock.renew()


_register: Callable[..., Any] | None = getattr(os, "register_at_fork", None)
if _register is not None:
    _register(before=_seize_all, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
