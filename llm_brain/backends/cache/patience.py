"""Waiting for other processes, without holding up an event loop.

awaited: at once -> done, or `BusyError` -> again and again, in a thread that is awaited
blocking: again and again
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Final, TypeVar

from llm_brain.backends.asking import Asking, Blocking

Result = TypeVar("Result")

AT_ONCE: Final = 0.01
"""What counts as no waiting, in seconds: as long as an event loop may be held up."""


class BusyError(Exception):
    """Another process, or another thread, is at work on the file; a little later it is not.

    Example:
        >>> issubclass(BusyError, Exception)
        True
    """


def patiently(attempt: Callable[[], Result], seconds: float) -> Result:
    """Try until nobody is in the way.

    Args:
        attempt: Does it at once or raises `BusyError`.
        seconds: How long to wait at most.

    Raises:
        BusyError: Somebody was in the way all the time.

    Example:
        >>> answers = iter([BusyError(), BusyError(), 42])
        >>> def attempt():
        ...     answer = next(answers)
        ...     if isinstance(answer, BusyError): raise answer
        ...     return answer
        >>> patiently(attempt, seconds=5.0)
        42
    """
    end = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except BusyError:
            if time.monotonic() >= end:
                raise
        time.sleep(random.uniform(0.0005, AT_ONCE))  # no two who wait go on in step


async def without_holding_up(work: Callable[[bool], Result], inner: Asking, *, long: bool = False) -> Result:
    """Do some work as the caller's kind does: one who blocks waits, and for one who awaits a thread does, if it must be.

    Args:
        work: Told whether to be patient; where it is not to be, it may raise `BusyError`.
        inner: How the caller waits.
        long: The work is long, even if nobody is in the way.

    Example:
        >>> from llm_brain.backends.asking import Blocking, run_now
        >>> run_now(without_holding_up(lambda patient: "waited" if patient else "done", Blocking(None)))
        'waited'
    """
    if isinstance(inner, Blocking):
        return work(True)  # noqa: FBT003 - the one argument that there is
    if not long:
        with suppress(BusyError):
            return work(False)  # noqa: FBT003 - as above
    return await inner.wait(in_thread_of_its_own(lambda: work(True)))  # noqa: FBT003 - as above


def in_thread_of_its_own(work: Callable[[], Result]) -> Future[Result]:
    """Begin some work in a new thread, which goes on although nobody may wait for it any more.

    Example:
        >>> in_thread_of_its_own(lambda: 42).result()
        42
    """
    future: Future[Result] = Future()

    def do() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=do, name="llm_brain-keeping", daemon=True).start()
    return future
