"""Answers kept on disk: JSON values by key, each with a checksum, shared by threads and processes.

    key -> its row in the file -> the row's checksum -> the JSON value, or None

A cache is a convenience: nothing that goes wrong here may cost a caller the answer. What cannot be read is a miss, what
cannot be written is not kept, and each sort of trouble is told once, by a `CacheWarning`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import sqlite3
import threading
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from llm_brain.backends.cache.file import AnswersFile, DamagedError, may_go_by
from llm_brain.backends.cache.patience import AT_ONCE, BusyError, patiently
from llm_brain.backends.cache.repair import save_rows, set_aside
from llm_brain.errors import DataError
from llm_brain.tracing.redaction import redact

PATIENCE: Final = 5.0
"""How long a call waits for other processes, in seconds. After a wait in vain, later calls do not wait until one gets through."""

logger = logging.getLogger("llm_brain.backends")
Value = TypeVar("Value")


class CacheWarning(UserWarning):
    """Something about the cache is wrong; the calls go on and are answered by the model.

    Example:
        >>> issubclass(CacheWarning, UserWarning)
        True
    """


class AnswerStore:
    """A file of answers by key. Opened at the first use; safe for threads, for processes side by side, and for forks.

    Args:
        path: The file; it and its folders are made where they are missing. Beside it stand SQLite's own files and a lock.

    Attributes:
        path: The same.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     answers = AnswerStore(f"{folder}/answers.sqlite")
        ...     answers.put("key", {"text": "42"})
        ...     answers.get("key"), answers.get("another key"), answers.count()
        ...     answers.close()
        ({'text': '42'}, None, 1)
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        # SQLite names its own files after what a link leads to, and the folder of the process may change.
        self._real = Path(os.path.realpath(self.path))
        self._told: set[str] = set()
        self._begin()
        with _listing:
            _stores.add(self)

    def get(self, key: str, *, patient: bool = True) -> Any:
        """Return the value of a key; None where there is none, its row is damaged, or no file can be read.

        Raises:
            BusyError: Another process, or another thread, is in the way, and this call is not to be patient.
        """
        number = _number(key)
        row = self._safely(lambda file: file.read(number), patient=patient)
        if row is None:
            return None
        checksum, value = row
        if not isinstance(value, bytes) or checksum != _checksum(key, value):
            return None
        try:
            return json.loads(value.decode("utf-8", "surrogatepass"))
        except (ValueError, RecursionError):
            return None

    def put(self, key: str, value: Any, *, patient: bool = True) -> None:
        """Keep a JSON value, in place of an older one of the same key. What is kept outlives the process from then on.

        A value in which a secret stands is not kept.

        Raises:
            BusyError: Another process, or another thread, is in the way, and this call is not to be patient.
        """
        try:
            text = json.dumps(value, ensure_ascii=False)
        except (TypeError, ValueError, RecursionError) as error:
            self._warn("form", f"an answer is not kept in the cache {self.path}, as it cannot be written as JSON ({error})")
            return
        if redact(text) != text:
            self._warn("secret", f"an answer holds what looks like a key: it is not kept in the cache {self.path}")
            return
        written = text.encode("utf-8", "surrogatepass")
        number, checksum = _number(key), _checksum(key, written)
        self._safely(lambda file: file.write(number, checksum, written), patient=patient)

    def drop(self, key: str) -> None:
        """Remove an answer, if there is one."""
        number = _number(key)
        self._safely(lambda file: file.delete(number), patient=True)

    def count(self) -> int:
        """Count the answers; 0 where no file can be read."""
        return self._safely(lambda file: file.count(), patient=True) or 0

    def size(self) -> int:
        """Tell how much of the disk the file and its log take, in bytes."""
        total = 0
        for file in (self._real, Path(f"{self._real}-wal")):
            with contextlib.suppress(OSError, ValueError):
                total += file.stat().st_size
        return total

    def clear(self) -> None:
        """Remove all answers.

        Raises:
            DataError: They are still there.
        """

        def cleared(file: AnswersFile) -> bool:
            file.clear()
            return True

        if not self._safely(cleared, patient=True):
            message = f"the cache {self.path} cannot be cleared: see the warning; or end all who use it, and delete the file"
            raise DataError(message)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            self._close()

    def before_fork(self) -> None:
        """Close the file, and let no other thread open it until `after_fork`: SQLite's locks do not survive a fork."""
        self._held = self._lock.acquire(timeout=PATIENCE)
        if self._held:
            self._close()

    def after_fork(self) -> None:
        """Let it be opened again, in the process that forked or in its child."""
        if self._process != os.getpid():
            self._begin()
        elif self._held:
            self._lock.release()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._file: AnswersFile | None = None
        self._process = os.getpid()
        self._held = False
        self._in_vain = False

    def _safely(self, work: Callable[[AnswersFile], Value], *, patient: bool) -> Value | None:
        """Do some work with the file, unless something is wrong: that is told, and costs nothing but the work."""
        try:
            done = patiently(lambda: self._at_once(work, patient), PATIENCE if patient and not self._in_vain else 0.0)
        except BusyError as error:
            if not patient and (not self._in_vain or isinstance(error, _RepairError)):
                raise
            self._in_vain = True
            self._warn("busy", f"the cache {self.path} is locked by another process: while it is, answers are not kept")
            return None
        except (DamagedError, sqlite3.Error, OSError, ValueError, OverflowError, MemoryError) as error:
            self._warn(
                "unusable", f"the cache {self.path} cannot be used ({error}): answers are given, but not all of them are kept"
            )
            return None
        self._in_vain = False
        return done

    def _at_once(self, work: Callable[[AnswersFile], Value], patient: bool) -> Value:  # noqa: FBT001 - as its callers have it
        if not self._lock.acquire(timeout=PATIENCE if patient else AT_ONCE):
            raise BusyError
        try:
            try:
                return work(self._opened())
            except DamagedError as error:
                self._close()
                if not patient:
                    raise _RepairError from error
                self._begin_anew(error)
            return work(self._opened())
        except (sqlite3.Error, OSError) as error:
            if not may_go_by(error):
                self._close()
            raise
        finally:
            self._lock.release()

    def _opened(self) -> AnswersFile:
        if self._file is not None and not self._file.is_in_place():
            self._close()
        if self._file is None:
            self._file = AnswersFile(self._real)
        return self._file

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _begin_anew(self, error: DamagedError) -> None:
        aside = set_aside(self._real, error.place)
        if aside is None:
            return
        saved = 0 if error.is_foreign else save_rows(aside, self._opened(), 0.8 * PATIENCE)
        told = f"the cache {self.path} is damaged, or of another version ({error}): it was moved to {aside}"
        self._warn(str(aside), f"{told}, and a fresh one is used, with {saved} answers of it")

    def _warn(self, trouble: str, message: str) -> None:
        if trouble in self._told:
            return
        self._told.add(trouble)
        # Where warnings are made errors, this one would cost the answer that was just paid for.
        with contextlib.suppress(Warning):
            logger.warning("%s", message)
            warnings.warn(message, CacheWarning, stacklevel=2)


_stores: Final[weakref.WeakSet[AnswerStore]] = weakref.WeakSet()
_listing = threading.Lock()


def _before_fork() -> None:
    _listing.acquire()
    for store in _stores:
        store.before_fork()


def _after_fork() -> None:
    for store in _stores:
        store.after_fork()
    _listing.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


class _RepairError(BusyError):
    """Nobody is in the way, but to save what can be read of a damaged file may take a while."""


def _number(key: str) -> int:
    """Give the number of a key's row. Were it ever that of two keys, the checksum tells them apart."""
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8], "big", signed=True)


def _checksum(key: str, value: bytes) -> bytes:
    return hashlib.sha256(b"%b\n%b" % (key.encode("utf-8", "surrogatepass"), value)).digest()
