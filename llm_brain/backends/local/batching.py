"""Gathers concurrent calls: callers wait on futures, while one thread works through what has come in, a turn at a time."""

from __future__ import annotations

import atexit
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Generic, TypeVar

from llm_brain.backends.local.locks import ProcessLock, end

Job = TypeVar("Job")
Result = TypeVar("Result")


class Ticket(Generic[Job, Result]):
    """A job, and the future by which its caller waits for the result.

    Example:
        >>> ticket = Ticket("job")
        >>> ticket.answer(42)
        >>> ticket.future.result(), ticket.is_open
        (42, False)
    """

    __slots__ = ("future", "job")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.future: Future[Result] = Future()

    @property
    def is_open(self) -> bool:
        """Whether somebody still waits: the caller has neither been answered nor gone away."""
        return not self.future.done()

    def answer(self, result: Result) -> None:
        """Give the caller the result."""
        with suppress(InvalidStateError):  # the caller went away in this very moment
            self.future.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Give the caller an error."""
        with suppress(InvalidStateError):
            self.future.set_exception(error)


class Batch(Generic[Job, Result]):
    """The jobs of one kind: those that wait, and those that have been taken and are not answered yet.

    Example:
        >>> batch = Batch()
        >>> for job in (1, 2, 3):
        ...     batch.add(Ticket(job))
        >>> [ticket.job for ticket in batch.take(2)], batch.is_waiting
        ([1, 2], True)
    """

    def __init__(self) -> None:
        self._waiting: deque[Ticket[Job, Result]] = deque()
        self._taken: list[Ticket[Job, Result]] = []

    @property
    def is_waiting(self) -> bool:
        """Whether there are jobs that nobody has taken."""
        return bool(self._waiting)

    def add(self, ticket: Ticket[Job, Result]) -> None:
        """Let a job wait behind the others."""
        self._waiting.append(ticket)

    def take(self, most: int) -> list[Ticket[Job, Result]]:
        """Take the jobs that have waited longest, and that somebody still waits for."""
        taken: list[Ticket[Job, Result]] = []
        while self._waiting and len(taken) < most:
            ticket = self._waiting.popleft()
            if ticket.is_open:
                taken.append(ticket)
        self._taken += taken
        return taken

    def put_back(self, tickets: Sequence[Ticket[Job, Result]]) -> None:
        """Let jobs that were taken be the next ones again."""
        self._waiting.extendleft(reversed(tickets))

    def settle(self) -> bool:
        """Forget the jobs that were answered or given up, and tell whether there were any."""
        before = len(self._taken)
        self._taken = [ticket for ticket in self._taken if ticket.is_open]
        return len(self._taken) < before

    def fail(self, error: BaseException) -> None:
        """Give an error to the callers of all jobs that were taken."""
        for ticket in self._taken:
            ticket.fail(error)


Work = Callable[[Batch[Job, Result]], Iterator[None]]


class Batcher(Generic[Job, Result]):
    """Answers jobs in a thread of its own that lives as long as the process.

    Args:
        work: Takes jobs from a batch and answers them; a generator, which yields where jobs of another kind may have a turn.
            Jobs that come meanwhile join its batch. It ends when no job of its batch waits.
        kind: What must be equal for two jobs to share a batch.
        patience: How long to wait for another job after the last one, in seconds.

    Example:
        >>> def work(batch):
        ...     for ticket in batch.take(32):
        ...         ticket.answer(ticket.job * 2)
        ...     yield
        >>> batcher = Batcher(work, kind=type)
        >>> batcher.submit(21).result()
        42
    """

    def __init__(self, work: Work[Job, Result], *, kind: Callable[[Job], object], patience: float = 0.004) -> None:
        self._work = work
        self._kind = kind
        self._patience = patience
        self._is_running = False
        self._begin_in_this_process()

    def submit(self, job: Job) -> Future[Result]:
        """Hand in a job; its result or its error comes with the future. A job whose future is cancelled is given up."""
        if self._process != os.getpid():  # a forked child has the object, and neither its thread nor whoever held its locks
            self._begin_in_this_process()
        ticket: Ticket[Job, Result] = Ticket(job)
        self._incoming.put(ticket)
        with self._beginning:
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="llm_brain-batcher", daemon=True).start()
                # A thread that the interpreter's end finds inside of torch takes the whole process down.
                atexit.register(end)
        return ticket.future

    def _begin_in_this_process(self) -> None:
        self._process = os.getpid()
        self._incoming: queue.SimpleQueue[Ticket[Job, Result]] = queue.SimpleQueue()
        self._beginning = ProcessLock()
        self._turn = ProcessLock(rank=0)
        self._is_running = False

    def _run(self) -> None:
        batches: dict[object, Batch[Job, Result]] = {}
        working: dict[object, Iterator[None]] = {}
        answered = True
        while True:
            # Who was just answered may have the next question ready in a moment.
            self._gather(batches, self._patience if answered or not batches else 0.0)
            answered = False
            for kind, batch in list(batches.items()):
                turns = working.pop(kind, None) or self._work(batch)
                try:
                    with self._turn:
                        next(turns)
                    working[kind] = turns
                except StopIteration:
                    if not batch.is_waiting:
                        del batches[kind]
                except BaseException as error:  # noqa: BLE001 - whatever went wrong belongs to the callers, who are waiting
                    batch.fail(error)
                answered = batch.settle() or answered

    def _gather(self, batches: dict[object, Batch[Job, Result]], patience: float) -> None:
        """Sort what has come in by its kind, and wait for it where nothing else is to be done."""
        ticket: Ticket[Job, Result] | None = None if batches else self._incoming.get()
        with suppress(queue.Empty):
            while True:
                if ticket is not None:
                    batches.setdefault(self._kind(ticket.job), Batch()).add(ticket)
                ticket = self._incoming.get(timeout=patience)
