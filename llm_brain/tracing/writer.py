"""Spans on their way to disk: one append-only file of JSON lines for each process, written one system call a line.

There is no buffer to lose: a line is in the kernel when `write` returns, so a killed process loses at most the line it
was writing. A write that fails (a full disk) is counted and told once; the next line tries again. After a fork the
child opens a file of its own at its first line.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from pathlib import Path
from typing import Final

from llm_brain.tracing.notice import notice

SPANS_FOLDER: Final = "spans"


class SpanWriter:
    r"""Appends lines to `folder/<pid>-<start_ns>.jsonl`, for any thread and across forks, and never raises `OSError`.

    Attributes:
        written: Lines that this process has written.
        lost: Lines that this process could not write.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     writer = SpanWriter(Path(folder))
        ...     writer.write(b'{"name": "chat"}')
        ...     writer.close()
        ...     [path.read_bytes() for path in Path(folder).iterdir()]
        [b'{"name": "chat"}\n']
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._begin()
        _writers.add(self)

    def begin_in_child(self) -> None:
        """Begin again in a forked child: with an own file, own counts, and a lock that nobody holds."""
        # Another thread of the parent may have held the lock while this one forked; nobody is left to let it go.
        self._release()
        self._begin()

    def _begin(self) -> None:
        self.written = 0
        self.lost = 0
        self._lock = threading.Lock()
        self._path: Path | None = None
        self._file: int | None = None
        self._closed = False
        self._torn = False

    def write(self, line: bytes) -> None:
        """Append `line` and a newline. On failure the line is lost, counted in `lost`, and the first loss is told."""
        try:
            with self._lock:
                self._append(line + b"\n")
                self.written += 1
        except OSError as error:
            self.lose(f"cannot write to {self._folder}: {error}")

    def lose(self, reason: str) -> None:
        """Count a span that is not in the file, and tell the first one."""
        with self._lock:
            self.lost += 1
            first = self.lost == 1
        if first:
            notice(f"spans are being lost, and calls go on: {reason}")

    def close(self) -> None:
        """Close the file. A line that comes later (from a thread that is still at work) is still appended to it."""
        with self._lock:
            self._closed = True
            self._release()

    def _append(self, line: bytes) -> None:
        if self._file is None:
            self._file = self._open()
        # Half a line from an earlier failure must not spoil this one.
        rest = b"\n" + line if self._torn else line
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
                self._torn = bool(rest)
        finally:
            if self._closed:
                self._release()

    def _open(self) -> int:
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._path is None:
            self._path = self._folder / f"{os.getpid()}-{time.time_ns()}.jsonl"
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)

    def _release(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            with contextlib.suppress(OSError):
                os.close(file)

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self._release()


_writers: weakref.WeakSet[SpanWriter] = weakref.WeakSet()


def _begin_all_in_child() -> None:
    for writer in list(_writers):
        writer.begin_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_all_in_child)
