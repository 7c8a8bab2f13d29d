"""Entering an executor more than once: it is started by the first context, and stopped by the outermost one."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from llm_brain.errors import ExecutorError


class Reentrant:
    """Counts the contexts that it is in.

    Example:
        >>> class Loud(Reentrant):
        ...     def _start(self) -> None:
        ...         print("start")
        ...     def _stop(self) -> None:
        ...         print("stop")
        >>> with Loud() as loud, loud:
        ...     print("at work")
        start
        at work
        stop
    """

    def __init__(self) -> None:
        self._contexts = 0
        self._entering = threading.RLock()

    def __enter__(self) -> Self:
        with self._entering:
            if self._contexts == 0:
                self._start()
            self._contexts += 1
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /) -> None:
        with self._entering:
            self._contexts -= 1
            if self._contexts == 0:
                self._stop()

    def _start(self) -> None:
        """Make ready for work."""

    def _stop(self) -> None:
        """Give everything back that `_start` took."""

    def _check_entered(self) -> None:
        if not self._contexts:
            message = f"{type(self).__name__} has no workers outside its context: use it in `with executor:`"
            raise ExecutorError(message)
