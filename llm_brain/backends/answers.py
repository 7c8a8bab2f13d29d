"""Answers kept on disk: a SQLite table of JSON texts, each with a checksum, shared by threads and processes.

    key -> the row -> its checksum -> the JSON value, or None

A cache is a convenience: nothing that goes wrong here may cost a caller the answer. What cannot be read is a miss, what
cannot be written is not kept, and the first such event is told by one `CacheWarning`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import sqlite3
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

SCHEMA_VERSION: Final = 1
_WAIT_SECONDS: Final = 30.0
_CORRUPT: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

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

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     answers = AnswerStore(f"{folder}/answers.sqlite")
        ...     answers.put("key", {"text": "42"})
        ...     answers.get("key"), answers.get("another key")
        ...     answers.close()
        ({'text': '42'}, None)
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._pid = os.getpid()
        self._warned = False

    def get(self, key: str) -> Any:
        """Return the value of a key; None where there is none, or its row is damaged."""
        row = self._safely(lambda file: file.execute("SELECT value, checksum FROM answers WHERE key = ?", (key,)).fetchone())
        if row is None:
            return None
        value, checksum = row
        if not isinstance(value, str) or checksum != _checksum(key, value):
            return None
        try:
            return json.loads(value)
        except ValueError:
            return None

    def put(self, key: str, value: Any) -> None:
        """Keep a JSON value, in place of an older one of the same key."""
        text = json.dumps(value)
        row = (key, text, _checksum(key, text))
        self._safely(lambda file: file.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", row))

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            self._close()

    def _safely(self, work: Callable[[sqlite3.Connection], Value]) -> Value | None:
        if self._pid != os.getpid():
            # A forked child must not touch its parent's connection, nor a lock that another thread held at the fork.
            self._lock, self._connection, self._pid = threading.Lock(), None, os.getpid()
        with self._lock:
            try:
                try:
                    return work(self._opened())
                except sqlite3.DatabaseError as error:
                    if not _says_corrupt(error):
                        raise
                    self._close()
                    self._set_aside()
                    return work(self._opened())
            except (sqlite3.Error, OSError, UnicodeError) as error:
                self._warn(f"the cache {self.path} cannot be used ({error}): answers are given, but not all of them are kept")
                return None

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._other_processes_waiting():
                self._connection = _open(self.path)
        return self._connection

    def _close(self) -> None:
        if self._connection is not None and self._pid == os.getpid():
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None

    def _set_aside(self) -> None:
        """Rename the file, unless another process has put a good one in its place by now."""
        with self._other_processes_waiting():
            if _is_sound(self.path):
                return
            aside = self.path.with_name(f"{self.path.name}.corrupt-{time.time_ns()}")
            for suffix in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    self.path.with_name(self.path.name + suffix).rename(f"{aside}{suffix}")
        self._warn(f"the cache {self.path} is damaged, or of another version: it was moved to {aside}, and a fresh one is used")

    def _other_processes_waiting(self) -> contextlib.AbstractContextManager[object]:
        from filelock import FileLock

        return FileLock(f"{self.path}.lock", timeout=_WAIT_SECONDS)

    def _warn(self, message: str) -> None:
        if self._warned:
            return
        self._warned = True
        # Where warnings are made errors, this one would cost the answer that was just paid for.
        with contextlib.suppress(Warning):
            logger.warning("%s", message)
            warnings.warn(message, CacheWarning, stacklevel=2)


class _ForeignVersionError(sqlite3.DatabaseError):
    """The file is a good database, written by another version of this package."""

    sqlite_errorcode = sqlite3.SQLITE_NOTADB


def _open(path: Path) -> sqlite3.Connection:
    # Each statement is a transaction of its own; threads take turns by the store's lock.
    file = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        is_new = _is_empty(file)
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = NORMAL")
        if is_new:
            columns = "key TEXT PRIMARY KEY, value TEXT NOT NULL, checksum TEXT NOT NULL"
            file.execute("BEGIN")
            file.execute(f"CREATE TABLE answers ({columns}) WITHOUT ROWID")
            file.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            file.execute("COMMIT")
    except BaseException:
        file.close()
        raise
    return file


def _is_empty(file: sqlite3.Connection) -> bool:
    """Tell a file that was just made from one of ours; any other is refused before it is touched."""
    version = file.execute("PRAGMA user_version").fetchone()[0]
    tables = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    if (version, tables) not in ((0, []), (SCHEMA_VERSION, ["answers"])):
        message = f"it has version {version} and the tables {tables}"
        raise _ForeignVersionError(message)
    return not tables


def _is_sound(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with contextlib.closing(_open(path)) as file:
            return bool(file.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except sqlite3.DatabaseError as error:
        if _says_corrupt(error):
            return False
        raise


def _says_corrupt(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _CORRUPT


def _checksum(key: str, value: str) -> str:
    return hashlib.sha256(f"{key}\n{value}".encode("utf-8", "surrogatepass")).hexdigest()
