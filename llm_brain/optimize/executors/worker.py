"""One worker process: what the parent holds of it, and what runs in it.

The process is spawned and not forked: a fork would copy locks that other threads hold, and the state of torch and CUDA.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait

from llm_brain.optimize.executors.calls import run_packed

_GRACE = 2.0  # seconds for a worker to end by itself before it is killed


class DeathError(Exception):
    """The process ended before it answered.

    Attributes:
        code: Its exit code; negative for the signal that killed it, None where it is not known.
    """

    def __init__(self, code: int | None) -> None:
        super().__init__(_told(code))
        self.code = code

    @property
    def was_killed(self) -> bool:
        """Whether a signal ended it, and not its own doing."""
        return self.code is not None and self.code < 0


class Worker:
    """A process that carries out packed calls, one after another.

    Example:
        >>> from llm_brain.optimize.executors.calls import pack
        >>> worker = Worker()
        >>> worker.wait_until_ready()
        >>> reply = worker.run(pack(abs, -3))
        >>> worker.close()
    """

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        # Not a daemon: work may have processes of its own, as a data loader has.
        self._process = context.Process(target=_serve, args=(theirs,), name="llm_brain worker")
        self.killed = False
        try:
            self._process.start()
        finally:
            theirs.close()

    def wait_until_ready(self) -> None:
        """Wait until it can take work.

        Raises:
            DeathError: It ended instead.
        """
        self._receive()

    def run(self, call: bytes) -> bytes:
        """Have a packed call carried out, and return the packed reply.

        Raises:
            DeathError: The process ended before it answered.
        """
        try:
            self._connection.send_bytes(call)
        except OSError:
            raise DeathError(self._exit_code()) from None
        return self._receive()

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return not self.killed and self._process.is_alive()

    def kill(self) -> None:
        """End the process at once. Whoever waits for its answer gets a `DeathError`."""
        self.killed = True
        with contextlib.suppress(ValueError):  # it was closed already
            self._process.kill()

    def close(self) -> None:
        """Let the process end, and free what it held."""
        self._connection.close()  # which an idle worker takes for the end
        self._process.join(_GRACE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(_GRACE)
        with contextlib.suppress(ValueError):  # it cannot even be killed
            self._process.close()

    def _receive(self) -> bytes:
        # Processes that the work forked hold the pipes of a dead worker open: so it is asked for now and then as well.
        while not wait([self._connection, self._process.sentinel], timeout=1.0):
            if not self._process.is_alive():
                break
        try:
            if self._connection.poll():
                return self._connection.recv_bytes()
        except (EOFError, OSError):
            pass
        raise DeathError(self._exit_code())

    def _exit_code(self) -> int | None:
        self._process.join(_GRACE)
        return self._process.exitcode


@contextlib.contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Keep Ctrl-C from the threads and processes that are started inside: they inherit it.

    A thread that took the signal would leave the main thread waiting for a lock, and a worker would print a traceback.

    Example:
        >>> with interrupts_blocked():
        ...     threading.Thread(target=print, args=["at work"]).run()
        at work
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # a process of multiprocessing; where it is started, the signal is let through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection) -> None:
    """Carry out calls until the parent closes the connection, or ends."""
    _ignore_interrupts()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):  # the parent closed it
        connection.send_bytes(b"ready")
        while True:
            connection.send_bytes(run_packed(connection.recv_bytes()))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # the work that is under way has nobody to report to


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the parent, which ends its workers."""
    # A handler, for what is merely ignored would be ignored by the programs that the work runs as well.
    signal.signal(signal.SIGINT, lambda *_: None)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _told(code: int | None) -> str:
    if code is None:
        return "it ended"
    if code >= 0:
        return f"it ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"it was killed by {name}" + (", perhaps for want of memory" if name == "SIGKILL" else "")
