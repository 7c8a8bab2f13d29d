"""The executor whose workers are processes of this machine."""

from __future__ import annotations

import atexit
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from llm_brain.errors import DefinitionError, ExecutorError
from llm_brain.optimize.executors.calls import pack
from llm_brain.optimize.executors.contract import Argument, Result
from llm_brain.optimize.executors.crew import GUARD, Crew
from llm_brain.optimize.executors.reentry import Reentrant


class ProcessExecutor(Reentrant):
    """Spreads work over processes of this machine. They start with the first work, in about half a second, and are used again.

    1. The function and its argument are pickled in `submit`; what is changed afterwards does not count.
    2. A free worker takes the oldest work. Each worker has one piece of work at a time.
    3. If a worker dies (a crash, `kill -9`, want of memory), the work that it had, and no other, is run again in a new one.
       Work that has ended `attempts` workers gets a `WorkerDiedError`.

    Workers end with the context, and also if this process is killed. Ctrl-C is this process's alone.

    Args:
        workers: How many processes; as many as there are cores for this process if it is left out.
        attempts: How often work is begun at most, when its workers die.

    Raises:
        DefinitionError: One of them is no whole number, or less than 1.

    Example:
        >>> with ProcessExecutor(workers=2) as executor:
        ...     futures = [executor.submit(abs, number) for number in (-1, 2, -3)]
        ...     [future.result() for future in futures]
        [1, 2, 3]
    """

    def __init__(self, workers: int | None = None, *, attempts: int = 2) -> None:
        super().__init__()
        self.workers: int = usable_cores() if workers is None else workers
        given: tuple[Any, ...] = (self.workers, attempts)
        if not all(isinstance(number, int) and number >= 1 for number in given):
            message = f"workers and attempts are whole numbers, at least 1, and these are {self.workers!r} and {attempts!r}"
            raise DefinitionError(message)
        self._attempts = attempts
        self._crew = Crew(self.workers, attempts)

    def submit(self, function: Callable[[Argument], Result], argument: Argument, /) -> Future[Result]:
        """Have a worker call the function.

        Raises:
            ExecutorError: The executor is not entered, or its workers do not start.
            NotPicklableError: The function or the argument cannot be sent to a worker.
        """
        self._check_entered()
        return self._crew.submit(pack(function, argument))

    def _start(self) -> None:
        # Python sets this while a worker imports the main script: without a guard, it would start workers for ever.
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            raise ExecutorError(GUARD)
        self._crew = Crew(self.workers, self._attempts)
        atexit.register(self._crew.dismiss)  # for a context that is never left: Python waits for processes at its end

    def _stop(self) -> None:
        atexit.unregister(self._crew.dismiss)
        self._crew.dismiss()


def usable_cores() -> int:
    """Count the cores that this process may use.

    Example:
        >>> usable_cores() >= 1
        True
    """
    if hasattr(os, "sched_getaffinity"):  # a container or a batch system may give this process some of them only
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
