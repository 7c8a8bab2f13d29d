"""The workers of a `ProcessExecutor`, and the queue that they take work from."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from llm_brain.errors import ExecutorError, WorkerDiedError
from llm_brain.optimize.executors.calls import settle
from llm_brain.optimize.executors.worker import DeathError, Worker, interrupts_blocked

GUARD: Final = "a worker imports the main script: let the script start work under `if __name__ == '__main__':` only"

_STARTS = 2  # a worker that is killed while it starts is started once more


@dataclass(eq=False)
class _Work:
    call: bytes
    future: Future[Any] = field(default_factory=Future)
    deaths: int = 0
    worker: Worker | None = None


class Crew:
    """Threads that have a worker each. So it is known which work a worker had when it died, and no other is disturbed.

    Args:
        size: How many workers at most. One is started when there is more work than idle workers.
        attempts: How often work is begun at most, when its workers die.

    Example:
        >>> from llm_brain.optimize.executors.calls import pack
        >>> crew = Crew(size=1, attempts=2)
        >>> crew.submit(pack(abs, -3)).result()
        3
        >>> crew.dismiss()
    """

    def __init__(self, size: int, attempts: int) -> None:
        self._size = size
        self._attempts = attempts
        self._changed = threading.Condition()
        self._queue: deque[_Work] = deque()
        self._under_way: set[_Work] = set()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._was_ready = False  # whether any worker ever started
        self._refusal = ""  # why no more work is taken

    def submit(self, call: bytes) -> Future[Any]:
        """Put a packed call at the end of the queue.

        Raises:
            ExecutorError: The crew was dismissed, or its workers do not start.
        """
        work = _Work(call)
        with self._changed:
            if self._refusal:
                raise ExecutorError(self._refusal)
            self._queue.append(work)
            if len(self._queue) > self._idle and len(self._threads) < self._size:
                thread = threading.Thread(target=self._serve, name="llm_brain executor", daemon=True)
                self._threads.append(thread)
                with interrupts_blocked():
                    thread.start()
            self._changed.notify()
        work.future.add_done_callback(lambda _: self._drop_if_cancelled(work))
        return work.future

    def dismiss(self) -> None:
        """Cancel what is not finished, and end the workers."""
        with self._changed:
            self._refusal = "the executor was left: submit work inside of its context"
            unfinished = [*self._under_way, *self._queue]
            self._changed.notify_all()
        for work in unfinished:
            work.future.cancel()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(10)  # for a caller's own callback may be stuck in it

    def _drop_if_cancelled(self, work: _Work) -> None:
        if not work.future.cancelled():
            return
        work.future.set_running_or_notify_cancel()  # now those hear of it who wait for several futures
        with self._changed:
            with suppress(ValueError):
                self._queue.remove(work)
            if work.worker is not None:
                work.worker.kill()

    def _serve(self) -> None:
        worker: Worker | None = None
        while (work := self._next()) is not None:
            try:
                if worker is None or not worker.is_alive():
                    worker = self._replaced(worker, work)
                self._assign(work, worker)
                reply = worker.run(work.call)
                self._assign(work, None)
                settle(work.future, reply)
            except DeathError as death:
                self._run_again_or_fail(work, death)
            except Exception as error:  # noqa: BLE001 - a future that nobody finishes would be waited for for ever
                self._assign(work, None)
                _fail(work.future, error)
        if worker is not None:
            worker.close()

    def _next(self) -> _Work | None:
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._queue or self._refusal)
            self._idle -= 1
            if self._refusal:
                return None
            work = self._queue.popleft()
            self._under_way.add(work)
            return work

    def _assign(self, work: _Work, worker: Worker | None) -> None:
        with self._changed:
            work.worker = worker
            if worker is None:
                self._under_way.discard(work)
            elif work.future.cancelled():  # before there was a worker to be killed
                worker.kill()

    def _replaced(self, old: Worker | None, work: _Work) -> Worker:
        if old is not None:
            old.close()
        starts = 0
        while True:
            worker = Worker()
            self._assign(work, worker)
            try:
                worker.wait_until_ready()
            except DeathError as death:
                worker.close()
                starts += 1
                if work.future.cancelled():
                    raise
                if starts == _STARTS or not death.was_killed:
                    raise self._no_start(death) from None
            else:
                self._was_ready = True
                return worker

    def _no_start(self, death: DeathError) -> ExecutorError:
        message = f"a worker did not start: {death}. Perhaps it printed why. And {GUARD}"
        with self._changed:
            if not self._was_ready and not self._refusal:  # so no other one will start either
                self._refusal = message
                refused = list(self._queue)
                self._queue.clear()
                self._changed.notify_all()
            else:
                refused = []
        for work in refused:
            _fail(work.future, ExecutorError(message))
        return ExecutorError(message)

    def _run_again_or_fail(self, work: _Work, death: DeathError) -> None:
        with self._changed:
            self._assign(work, None)
            work.deaths += 1
            again = work.deaths < self._attempts
            if again and not work.future.cancelled():
                self._queue.appendleft(work)
                self._changed.notify()
        if not again:
            message = f"the worker died at each of {work.deaths} attempts at this work: {death}"
            _fail(work.future, WorkerDiedError(message))


def _fail(future: Future[Any], error: Exception) -> None:
    with suppress(InvalidStateError):  # it was cancelled meanwhile
        future.set_exception(error)
