"""A damaged file of answers: moved aside whole, and what can be read of it copied into a fresh one."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from llm_brain.backends.cache.file import AnswersFile, Place, alone_with, place_of
from llm_brain.backends.cache.patience import AT_ONCE, BusyError

_SUFFIXES: Final = ("-wal", "-shm", "")
_ROWS: Final = "SELECT id, checksum, value FROM answers WHERE id BETWEEN ? AND ? ORDER BY id"
_RANGES: Final = 1024
_STEPS: Final = 10_000  # of SQLite's machine, between two looks at the clock


def set_aside(path: Path, place: Place | None) -> Path | None:
    """Rename a file, and what SQLite has written beside it, unless another process has put one in its place by now.

    Args:
        path: The file.
        place: Which file is meant.

    Returns:
        Its new name; None where it was not renamed.

    Raises:
        BusyError: Another process is opening, closing or renaming it.
        OSError: It cannot be renamed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "answers.sqlite"
        ...     _ = path.write_text("This is no database.")
        ...     set_aside(path, place_of(path)).name, path.exists()
        ('answers.sqlite.corrupt-...', False)
    """
    with alone_with(path, AT_ONCE):
        if place is None or place_of(path) != place:
            return None
        aside = path.with_name(f"{path.name}.corrupt-{time.time_ns()}")
        # The file comes last: were this process killed here, a new file would not find the old one's log beside it.
        for suffix in _SUFFIXES:
            with contextlib.suppress(FileNotFoundError):
                Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
        return aside


def save_rows(damaged: Path, file: AnswersFile, seconds: float) -> int:
    """Copy what can be read of a damaged file, as far as it does not stand in the fresh one already.

    Args:
        damaged: The damaged file.
        file: The fresh one.
        seconds: How long it may take; what is not copied by then stays where it is.

    Returns:
        How many rows were copied.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     one, other = AnswersFile(Path(folder) / "one.sqlite"), AnswersFile(Path(folder) / "other.sqlite")
        ...     one.write(7, b"checksum", b"value")
        ...     save_rows(Path(folder) / "one.sqlite", other, 1.0), other.count()
        ...     one.close()
        ...     other.close()
        (1, 1)
    """
    end, step, before = time.monotonic() + seconds, 2**64 // _RANGES, file.changes
    with contextlib.suppress(sqlite3.Error, UnicodeDecodeError, MemoryError, BusyError), _reading(damaged, end) as source:
        for low in range(-(2**63), 2**63, step):
            _save_range(source, file, low, low + step - 1)
    return file.changes - before


@contextlib.contextmanager
def _reading(path: Path, end: float) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as source:
        source.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        yield source


def _save_range(source: sqlite3.Connection, file: AnswersFile, first: int, last: int) -> None:
    """Copy a range of rows, from the first one on and, where a page is damaged, from the last one back."""
    for order in ("ASC", "DESC"):
        try:
            file.add(source.execute(f"{_ROWS} {order}", (first, last)))
        except sqlite3.OperationalError:
            raise  # it is not damage
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            continue
        return
