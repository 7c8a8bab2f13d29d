"""Gathers concurrent calls into batches: callers wait on futures while one thread works through what has come in."""

from __future__ import annotations

import atexit
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

LONGEST_BATCH = 30.0
"""How long the interpreter's end waits for the batch that is being worked on, in seconds."""

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Job, Result]):
    job: Job
    future: Future[Result]


class Batcher(Generic[Job, Result]):
    """Answers jobs in batches, in a thread of its own that lives as long as the process.

    Batches form from what arrives while the last one is worked on, and from what follows within a few milliseconds.

    Args:
        work: Answers a batch; its results stand in the order of the jobs. Jobs of one batch share `kind`.
        kind: What must be equal for two jobs to share a batch.
        size: How long a job is; jobs of similar size are put together, since all rows are padded to the longest.
        largest: The most jobs in a batch.
        patience: How long to wait for another job after the last one, in seconds.

    Example:
        >>> batcher = Batcher(lambda jobs: [job * 2 for job in jobs], kind=type, size=int)
        >>> batcher.submit(21).result()
        42
    """

    def __init__(
        self,
        work: Callable[[Sequence[Job]], Sequence[Result]],
        *,
        kind: Callable[[Job], object],
        size: Callable[[Job], int],
        largest: int = 32,
        patience: float = 0.004,
    ) -> None:
        self._work = work
        self._kind = kind
        self._size = size
        self._largest = largest
        self._patience = patience
        self._incoming: queue.SimpleQueue[_Waiting[Job, Result]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._working = threading.Lock()

    def submit(self, job: Job) -> Future[Result]:
        """Hand in a job; its result or its error comes with the future."""
        waiting: _Waiting[Job, Result] = _Waiting(job, Future())
        self._incoming.put(waiting)
        with self._lock:
            # After a fork the child has the object but not the thread, hence the check at every submission.
            if self._thread is None or not self._thread.is_alive():
                self._working = threading.Lock()
                self._thread = threading.Thread(target=self._run, name="llm_brain-batcher", daemon=True)
                self._thread.start()
                # A thread that the interpreter's end finds inside of torch takes the whole process down.
                atexit.register(self._working.acquire, timeout=LONGEST_BATCH)
        return waiting.future

    def _run(self) -> None:
        waiting: list[_Waiting[Job, Result]] = []
        while True:
            if not waiting:
                waiting.append(self._incoming.get())
            self._gather(waiting)
            batch = self._next_batch(waiting)
            live = [entry for entry in batch if entry.future.set_running_or_notify_cancel()]
            if not live:
                continue
            try:
                with self._working:
                    results = self._work([entry.job for entry in live])
                answered = list(zip(live, results, strict=True))
            except BaseException as error:  # noqa: BLE001 - whatever went wrong belongs to the callers, who are waiting
                for entry in live:
                    entry.future.set_exception(error)
            else:
                for entry, result in answered:
                    entry.future.set_result(result)

    def _gather(self, waiting: list[_Waiting[Job, Result]]) -> None:
        while len(waiting) < 8 * self._largest:
            try:
                waiting.append(self._incoming.get(timeout=self._patience))
            except queue.Empty:
                return

    def _next_batch(self, waiting: list[_Waiting[Job, Result]]) -> list[_Waiting[Job, Result]]:
        """Take the oldest job and those most like it out of what waits."""
        oldest = waiting[0]
        alike = [entry for entry in waiting if self._kind(entry.job) == self._kind(oldest.job)]
        alike.sort(key=lambda entry: abs(self._size(entry.job) - self._size(oldest.job)))
        batch = alike[: self._largest]
        taken = {id(entry) for entry in batch}
        waiting[:] = [entry for entry in waiting if id(entry) not in taken]
        return batch
