"""Work for somebody slow, done on a thread of its own: the caller never waits for it and never hears its exceptions.

    submit -> a bounded queue -> one daemon thread -> the job

A job that fails or finds no room is counted, and the first one is told.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable

from llm_brain.tracing.notice import notice

Job = Callable[[], object]


class Background:
    """Runs jobs one after another, in order, on one thread.

    Args:
        name: Whom the jobs are for, as it should read in a warning.
        room: How many jobs may wait.
        patience: Seconds that `submit` may wait for room before it gives up. Having given up once, it no longer waits
            until a job has been finished: a sink that hangs costs its patience once.

    Attributes:
        lost: Jobs that failed or found no room.

    Example:
        >>> done: list[int] = []
        >>> background = Background("the list")
        >>> for number in range(3):
        ...     background.submit(lambda number=number: done.append(number))
        >>> background.close(timeout=1.0)
        True
        >>> done, background.lost
        ([0, 1, 2], 0)
    """

    def __init__(self, name: str, *, room: int = 20_000, patience: float = 0.5) -> None:
        self.lost = 0
        self._name = name
        self._patience = patience
        self._stalled = False
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._jobs: queue.Queue[Job | None] = queue.Queue(room)
        self._thread = threading.Thread(target=self._run, name=f"llm_brain {name}", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Hand a job over. Returns at once, or after `patience` seconds when there is no room."""
        if os.getpid() != self._process:  # a fork took the queue but not the thread
            self.lose("it belongs to the process that this one was forked from")
            return
        try:
            self._jobs.put(job, block=not self._stalled, timeout=self._patience)
        except queue.Full:
            self._stalled = True
            self.lose("it does not keep up")

    def close(self, timeout: float) -> bool:
        """Wait until all jobs are done, at most `timeout` seconds, and end the thread.

        Returns:
            Whether all of them were done.
        """
        if os.getpid() != self._process:
            return False
        deadline = time.monotonic() + timeout
        try:
            self._jobs.put(None, timeout=timeout)
            self._thread.join(max(0.0, deadline - time.monotonic()))
        except queue.Full:
            pass
        if self._thread.is_alive():
            with self._lock:
                self.lost += self._jobs.qsize()
        return not self._thread.is_alive()

    def lose(self, reason: str) -> None:
        """Count something that did not arrive, and tell the first one."""
        with self._lock:
            self.lost += 1
            first = self.lost == 1
        if first:
            notice(f"{self._name} is losing data, and the run goes on: {reason}")

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except BaseException as error:  # a sink may even call `sys.exit`, which is one more failure here
                self.lose(f"{type(error).__name__}: {error}")
            self._stalled = False
