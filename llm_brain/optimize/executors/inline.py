"""The executor without workers: work is done where it is submitted."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from llm_brain.errors import WorkerDiedError
from llm_brain.optimize.executors.contract import Argument, Result
from llm_brain.optimize.executors.reentry import Reentrant


class InlineExecutor(Reentrant):
    """Calls each function in `submit`, in this process and thread. Nothing has to be picklable, and a debugger stops in it.

    Ctrl-C goes through; `sys.exit` in the work ends the work and not the program, as it does elsewhere.

    Example:
        >>> with InlineExecutor() as executor:
        ...     executor.submit(lambda number: number**2, 7).result()
        49
    """

    @property
    def workers(self) -> int:
        """One: this thread."""
        return 1

    def submit(self, function: Callable[[Argument], Result], argument: Argument, /) -> Future[Result]:
        """Call the function now. The future is done when it comes back.

        Raises:
            ExecutorError: The executor is not entered.
        """
        self._check_entered()
        future: Future[Result] = Future()
        try:
            result = function(argument)
        except SystemExit as stop:
            future.set_exception(WorkerDiedError(f"the work left its process with {stop!r}: let it return, or raise an error"))
        except Exception as error:  # noqa: BLE001 - it is the caller's, who finds it in the future
            future.set_exception(error)
        else:
            future.set_result(result)
        return future
