"""The file that answers are kept in: a SQLite database with one table, opened, read, written and closed.

Nothing here waits longer than `AT_ONCE` for anybody, and what goes wrong is told apart: `BusyError` goes by, after a
`DamagedError` the file is moved aside, and any other error says that no file can be used here now.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NoReturn, TypeAlias, TypeVar

from llm_brain.backends.cache.patience import AT_ONCE, BusyError, patiently

APPLICATION_ID: Final = 0x6C6C6D62
"""Says in the file's header whose file it is ("llmb")."""
SCHEMA_VERSION: Final = 2
# The number is a part of the key's hash: a table sorted by it is searched fastest. The checksum holds the whole key.
_TABLE: Final = "CREATE TABLE answers (id INTEGER PRIMARY KEY, checksum BLOB NOT NULL, value BLOB NOT NULL)"
_SETTINGS: Final = (
    "PRAGMA journal_mode = WAL",  # readers and a writer do not wait for each other
    "PRAGMA synchronous = NORMAL",  # what was written outlives its process; the last of it may not outlive a power failure
    "PRAGMA cell_size_check = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA mmap_size = 0",  # a mapped file that somebody cuts short would end the process
    "PRAGMA cache_size = -2000",  # KiB; a damaged header could ask for more
)
_ADDING_WAIT: Final = 1.0
_CLOSING_WAIT: Final = 1.0

# The last one comes of a message that quotes what stands in a damaged file.
_ERRORS: Final = (sqlite3.Error, UnicodeDecodeError)
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
_ELSEWHERE: Final = frozenset(
    {
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_MISUSE,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)

Place: TypeAlias = tuple[int, int]
"""Which file it is, whatever its name: its device and its number there."""
Result = TypeVar("Result")


class DamagedError(Exception):
    """The file is no file of answers of this version, or not any more.

    Attributes:
        place: Which file it is.
        is_foreign: It was none before; what can be read of it means something else.

    Example:
        >>> DamagedError("it is of version 1", (1, 2), is_foreign=True).place
        (1, 2)
    """

    def __init__(self, message: str, place: Place | None, *, is_foreign: bool = False) -> None:
        super().__init__(message)
        self.place = place
        self.is_foreign = is_foreign


class AnswersFile:
    """An open file of answers. Used by one thread at a time; closed at the latest when the program ends.

    Args:
        path: The file, absolute; it and its folders are made where they are missing.

    Raises:
        BusyError: Another process is opening or closing it, or has locked it.
        DamagedError: It holds something else.
        OSError or sqlite3.Error: It can neither be made nor opened.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = AnswersFile(Path(folder) / "answers.sqlite")
        ...     file.write(7, b"checksum", b"value")
        ...     file.read(7), file.read(8), file.is_in_place()
        ...     file.close()
        ((b'checksum', b'value'), None, True)
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        connection, self._place = _opened(path)
        self._connection = connection
        self._close = weakref.finalize(self, _closed, connection, path, os.getpid())

    def read(self, number: int) -> Any:
        """Return the checksum and the value of a row; None where there is none."""
        return self._told(lambda file: file.execute("SELECT checksum, value FROM answers WHERE id = ?", (number,)).fetchone())

    def write(self, number: int, checksum: bytes, value: bytes) -> None:
        """Write a row, in place of one with the same number."""
        row = (number, checksum, value)
        self._told(lambda file: file.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", row))

    def delete(self, number: int) -> None:
        """Remove a row, if there is one."""
        self._told(lambda file: file.execute("DELETE FROM answers WHERE id = ?", (number,)))

    def count(self) -> int:
        """Count the rows."""
        return int(self._told(lambda file: file.execute("SELECT count(*) FROM answers").fetchone()[0]))

    def clear(self) -> None:
        """Remove all rows, and give their space back."""
        self._told(lambda file: file.execute("DELETE FROM answers"))
        with contextlib.suppress(BusyError, sqlite3.Error):
            self._told(lambda file: file.execute("VACUUM"))

    @property
    def changes(self) -> int:
        """How many rows were written since it was opened."""
        return self._connection.total_changes

    def add(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Write rows in one transaction, where none with their number stands.

        Where the rows break off with an exception, those before it are written.
        """
        patiently(lambda: self._told(lambda file: file.execute("BEGIN IMMEDIATE")), _ADDING_WAIT)
        try:
            self._connection.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", rows)
        finally:
            self._end_transaction()

    def is_in_place(self) -> bool:
        """Tell whether this is still the file that stands at the path."""
        return place_of(self._path) == self._place

    def close(self) -> None:
        """Close it. In a process that was forked from the one that opened it, let it be: it does not survive a fork."""
        self._close()

    def _end_transaction(self) -> None:
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _told(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            return work(self._connection)
        except _ERRORS as error:
            _raise_told_apart(error, self._path, self._place)


def may_go_by(error: Exception) -> bool:
    """Tell whether a file that could not be used may stay open: what it holds can be read although the disk is full.

    Example:
        >>> may_go_by(sqlite3.OperationalError("disk I/O error")), may_go_by(OSError("no such folder"))
        (False, False)
    """
    return getattr(error, "sqlite_errorcode", None) in (
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_READONLY,
    )


@contextlib.contextmanager
def alone_with(path: Path, seconds: float) -> Iterator[None]:
    """Keep other processes from opening, closing and renaming a file.

    Args:
        path: The file. The lock stands beside it.
        seconds: How long to wait for others.

    Raises:
        BusyError: Another process did not end with it in time.
        OSError: No lock can be made there.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, alone_with(Path(folder) / "answers.sqlite", 1.0):
        ...     [file.name for file in Path(folder).iterdir()]
        ['answers.sqlite.lock']
    """
    from filelock import FileLock, Timeout

    lock = FileLock(f"{path}.lock")
    try:
        lock.acquire(timeout=seconds, poll_interval=AT_ONCE / 4)
    except Timeout as error:
        raise BusyError from error
    try:
        yield
    finally:
        lock.release()


def place_of(path: Path) -> Place | None:
    """Tell which file stands at a path; None where there is none.

    Example:
        >>> place_of(Path("no such file")) is None
        True
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - at every call, and in half the time
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _opened(path: Path) -> tuple[sqlite3.Connection, Place | None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone_with(path, AT_ONCE):
            return _connected(path, str(path), _SETTINGS)
    except (OSError, sqlite3.OperationalError):
        # Where nothing can be written, SQLite refuses to read, too, unless it is told that nobody else writes.
        if not path.is_file() or os.access(path.parent, os.W_OK):
            raise
        return _connected(path, f"{path.as_uri()}?mode=ro&immutable=1", _SETTINGS[2:])


def _connected(path: Path, address: str, settings: tuple[str, ...]) -> tuple[sqlite3.Connection, Place | None]:
    # Each statement is a transaction of its own; threads take turns by the store's lock.
    file = sqlite3.connect(address, timeout=AT_ONCE, isolation_level=None, check_same_thread=False, uri=address != str(path))
    place = place_of(path)
    try:
        file.text_factory = bytes  # damaged text must not fail to be decoded
        try:
            is_new = _is_new(file, place)
            for setting in settings:
                file.execute(setting)
            if is_new:
                _begin(file)
        except _ERRORS as error:
            _raise_told_apart(error, path, place)
    except BaseException:
        file.close()
        raise
    return file, place


def _is_new(file: sqlite3.Connection, place: Place | None) -> bool:
    """Tell a file that was just made from one of ours; any other is refused before it is touched."""
    (owner,), (version,) = (file.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version"))
    holds = [sql for (sql,) in file.execute("SELECT sql FROM sqlite_master")]
    if (owner, version, holds) not in ((0, 0, []), (APPLICATION_ID, SCHEMA_VERSION, [_TABLE.encode()])):
        message = f"it is of version {version}" if owner in (0, APPLICATION_ID) else "it is another program's"
        raise DamagedError(message, place, is_foreign=True)
    return not holds


def _begin(file: sqlite3.Connection) -> None:
    file.execute("BEGIN IMMEDIATE")
    file.execute(_TABLE)
    file.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    file.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    file.execute("COMMIT")


def _closed(connection: sqlite3.Connection, path: Path, process: int) -> None:
    if process != os.getpid():
        _OF_PARENTS.append(connection)
        return
    with contextlib.ExitStack() as waiting:
        with contextlib.suppress(Exception):  # a folder that may only be read, or somebody who does not go away
            waiting.enter_context(alone_with(path, _CLOSING_WAIT))
        with contextlib.suppress(sqlite3.Error):
            connection.close()


_OF_PARENTS: Final[list[sqlite3.Connection]] = []


def _raise_told_apart(error: Exception, path: Path, place: Place | None) -> NoReturn:
    is_garbled = isinstance(error, UnicodeDecodeError)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT if is_garbled else sqlite3.SQLITE_MISUSE) & 0xFF
    if code in _BUSY:
        raise BusyError(str(error)) from error
    # A file that the system lets us write, and SQLite does not, has a header that says so.
    is_refused = code == sqlite3.SQLITE_READONLY and os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    if is_refused or code not in _ELSEWHERE:
        raise DamagedError(str(error), place) from error
    raise error
