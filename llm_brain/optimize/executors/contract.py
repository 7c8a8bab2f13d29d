"""What an executor is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Protocol, Self, TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")


class Executor(Protocol):
    """Runs functions somewhere, and hands their results back through futures.

    Its life:

        with executor:                                  workers may start now, or with the first work
            future = executor.submit(function, 3)       from any thread, as often as one likes
            future.result()                             what function(3) returned; or raises what it raised
                                                        the workers end; what is not finished is cancelled

    An executor may be entered again, after it was left and while it is entered: its workers end with the outermost context.
    Leaving never waits for work.

    The function's exception comes back with its own type, with a note where it was raised. A future may be cancelled as long
    as it has no result: work that was not begun is not begun, work that was is stopped with its worker. If a worker dies, its
    work is run again a few times, and ends in a `WorkerDiedError`; other work is not disturbed. So work may run more than once.

    `llm_brain.optimize.testing.executors.ExecutorConformance` tests all of this for an executor of your own.

    Example:
        >>> from llm_brain.optimize.executors import InlineExecutor
        >>> def first_result(executor: Executor) -> float:
        ...     with executor:
        ...         return executor.submit(abs, -2.5).result()
        >>> first_result(InlineExecutor())
        2.5
    """

    @property
    def workers(self) -> int:
        """How many pieces of work can run at the same time. On a cluster it is known inside the context only."""
        ...

    def submit(self, function: Callable[[Argument], Result], argument: Argument, /) -> Future[Result]:
        """Have a function called with an argument.

        Raises:
            ExecutorError: It is not entered, or its workers cannot be started.
            NotPicklableError: The function or the argument cannot be sent to a worker.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...
