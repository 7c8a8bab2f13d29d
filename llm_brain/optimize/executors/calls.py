"""A call and its reply as bytes, for executors whose workers are other processes.

    pack(function, argument)  ->  bytes  ->  run_packed  ->  bytes  ->  settle(future, reply)

The worker's loop sees bytes only, so that what cannot be read there is a failed call and no dead worker.
"""

from __future__ import annotations

import contextlib
import pickle
import traceback
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import Any, Final

from llm_brain.errors import NotPicklableError, WorkerDiedError

Dumps = Callable[[Any], bytes]

_ADVICE: Final = "a worker needs a function from the top level of a module that it can import, and plain data to call it with"


def pack(function: Callable[[Any], Any], argument: Any, *, dumps: Dumps = pickle.dumps) -> bytes:
    """Turn a call into bytes.

    Args:
        function: What is to be called.
        argument: What it is to be called with, as it is now.
        dumps: What pickles them.

    Raises:
        NotPicklableError: One of them cannot be pickled.

    Example:
        >>> pack(lambda number: number, 1)
        Traceback (most recent call last):
        ...
        llm_brain.errors.NotPicklableError: the function `<lambda>` cannot be sent to a worker (...): a worker needs ...
    """
    try:
        return dumps((function, argument))
    except Exception as error:
        what = "the argument" if _can_be_pickled(function, dumps) else f"the function `{_name(function)}`"
        message = f"{what} cannot be sent to a worker ({_line(error)}): {_ADVICE}"
        raise NotPicklableError(message) from error


def run_packed(call: bytes, *, dumps: Dumps = pickle.dumps) -> bytes:
    """Carry a call out, and turn what comes of it into bytes: its result, or an exception with the place where it was raised.

    Example:
        >>> future: Future[int] = Future()
        >>> settle(future, run_packed(pack(abs, -3)))
        >>> future.result()
        3
    """
    try:
        function, argument = pickle.loads(call)  # noqa: S301 - it comes from the caller's own process
    except Exception as error:  # noqa: BLE001 - imports are among what it does
        return _failure(NotPicklableError(f"the worker cannot read the work ({_line(error)}): {_ADVICE}"), error, dumps)
    try:
        result = function(argument)
    except Exception as error:  # noqa: BLE001 - it is the caller's, who finds it in the future
        return _failure(error, error, dumps)
    except BaseException as stop:  # noqa: BLE001 - it would end the worker
        message = f"the work left its process with {stop!r}: let it return, or raise an error"
        return _failure(WorkerDiedError(message), stop, dumps)
    try:
        return dumps((result, None, ""))
    except Exception as error:  # noqa: BLE001 - whatever the object's own pickling raises
        message = f"what `{_name(function)}` returned cannot be sent back ({_line(error)}): return plain data"
        return _failure(NotPicklableError(message), error, dumps)


def settle(future: Future[Any], reply: bytes) -> None:
    """Give a future what stands in a reply. A future that was cancelled stays so.

    Example:
        >>> future: Future[int] = Future()
        >>> settle(future, run_packed(pack(int, "three")))
        >>> future.exception()
        ValueError("invalid literal for int() with base 10: 'three'")
    """
    try:
        result, error, where = pickle.loads(reply)  # noqa: S301 - our own worker wrote it
    except Exception as unread:  # noqa: BLE001 - whatever the object's own unpickling raises
        message = f"what the work returned cannot be read here ({_line(unread)}): return plain data"
        result, error, where = None, NotPicklableError(message), ""
    if where:
        error.add_note(where)
    with contextlib.suppress(InvalidStateError):
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)


def _failure(error: Exception, raised: BaseException, dumps: Dumps) -> bytes:
    where = "In the worker:\n" + "".join(traceback.format_exception(raised)).rstrip()
    try:
        reply = dumps((None, error, where))
        if type(pickle.loads(reply)[1]) is type(error):  # noqa: S301 - written in the line above
            return reply
    except Exception:  # noqa: BLE001, S110 - it is told below
        pass
    message = f"the work raised {type(error).__name__} ({_line(error)}), which cannot be pickled as it is"
    return dumps((None, NotPicklableError(message), where))


def _can_be_pickled(value: Any, dumps: Dumps) -> bool:
    try:
        dumps(value)
    except Exception:  # noqa: BLE001 - whatever the object's own pickling raises
        return False
    return True


def _line(error: BaseException) -> str:
    """Say an error in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
