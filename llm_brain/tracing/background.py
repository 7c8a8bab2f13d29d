"""Work for somebody slow, done on a thread of its own: the caller never waits for it and never hears its exceptions.

    submit -> a bounded queue -> one daemon thread -> the job

A job that fails or finds no room is counted, and the first one is told. Between jobs the thread has something of its own to
do, where it was given something.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable

from llm_brain.tracing.notice import notice

Job = Callable[[], object]
Errand = Callable[[], bool]
"""A piece of work that comes back from time to time; it tells whether there is more of it to be done at once."""
_JOBS_IN_A_ROW = 1_000


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
        ...     taken = background.submit(lambda number=number: done.append(number))
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
        self._errand: Errand | None = None
        self._every = 0.0
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._jobs: queue.Queue[Job | None] = queue.Queue(room)
        self._thread = threading.Thread(target=self._run, name=f"llm_brain {name}", daemon=True)
        self._thread.start()

    @property
    def is_here(self) -> bool:
        """Whether the thread is in this process, and not in the one that this one was forked from."""
        return os.getpid() == self._process

    def submit(self, job: Job) -> bool:
        """Hand a job over. Returns at once, or after `patience` seconds when there is no room.

        Returns:
            Whether it was taken.
        """
        if not self.is_here:  # a fork took the queue but not the thread
            self.lose("it belongs to the process that this one was forked from")
            return False
        try:
            self._jobs.put(job, block=not self._stalled, timeout=self._patience)
        except queue.Full:
            self._stalled = True
            self.lose("it does not keep up")
            return False
        return True

    def between_jobs(self, errand: Errand | None, every: float = 1.0) -> None:
        """Do something between jobs from now on, `every` so many seconds; or nothing any more."""
        self._every = every
        self._errand = errand
        self.submit(_nothing)  # the thread may be waiting for a job

    def close(self, timeout: float) -> bool:
        """Wait until all jobs are done, at most `timeout` seconds, and end the thread.

        Returns:
            Whether all of them were done.
        """
        if not self.is_here:
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

    def do(self, job: Job) -> object:
        """Do a job on the thread that asks for it; if it fails, it is counted and nothing is raised."""
        try:
            return job()
        except BaseException as error:  # a sink may even call `sys.exit`, which is one more failure here
            self.lose(f"{type(error).__name__}: {error}")
            return None

    def _run(self) -> None:
        due, done = time.monotonic(), 0
        while True:
            wait = None if self._errand is None else max(0.0, due - time.monotonic())
            try:
                # Jobs come first, as there is only so much room for them; an errand can wait, but not for ever.
                job = self._jobs.get(block=wait is None or wait > 0, timeout=wait)
            except queue.Empty:
                job, done = None, _JOBS_IN_A_ROW
            else:
                if job is None:
                    return
                done += 1
                self.do(job)
                self._stalled = False
            errand = self._errand
            if errand is not None and done >= _JOBS_IN_A_ROW and time.monotonic() >= due:
                done = 0
                more = self.do(errand)
                due = time.monotonic() + (0.0 if more else self._every)


def _nothing() -> None:
    return
