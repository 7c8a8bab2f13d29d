"""A bounded number of threads that keep no process alive.

The threads of `concurrent.futures` are joined when the interpreter ends, so an evaluation that hangs would hold up Ctrl-C for
as long as it hangs. These are daemons: whatever they are at, the process ends without them.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from llm_brain.errors import ArgumentError

Result = TypeVar("Result")


class Workers:
    """Threads that do what is handed in, in its order.

    Args:
        most: The most at a time.
        name: What the threads are called.

    Raises:
        ArgumentError: `most` is below 1.

    Example:
        >>> workers = Workers(2, "example")
        >>> workers.submit(lambda: 42).result()
        42
        >>> workers.close()
    """

    def __init__(self, most: int, name: str) -> None:
        if most < 1:
            message = f"at least one worker is needed, got {most}"
            raise ArgumentError(message)
        self._most, self._name = most, name
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, job: Callable[[], Result]) -> Future[Result]:
        """Hand in a job. After `close` it is given up at once."""
        future: Future[Result] = Future()
        with self._lock:
            if self._closed:
                _give_up(future)
                return future
            self._jobs.put((future, job))
            if len(self._threads) < self._most:
                thread = threading.Thread(target=self._run, name=f"{self._name}-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
        return future

    def close(self) -> None:
        """Give up what has not begun, and wait for nothing."""
        with self._lock:
            self._closed = True
            with suppress(queue.Empty):
                while (waiting := self._jobs.get_nowait()) is not None:
                    _give_up(waiting[0])
            for _ in self._threads:
                self._jobs.put(None)

    def _run(self) -> None:
        while (taken := self._jobs.get()) is not None:
            future, job = taken
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = job()
            except BaseException as error:  # noqa: BLE001 - whoever asks for the result is told
                future.set_exception(error)
            else:
                future.set_result(result)
            del taken, future, job


def _give_up(future: Future[Any]) -> None:
    if future.cancel():
        future.set_running_or_notify_cancel()  # or else whoever waits for it would do so for ever
