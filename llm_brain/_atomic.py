"""A file appears whole or not at all: whoever reads it, whenever the power fails, sees the old one or the new one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: Path | str, content: str | bytes) -> Path:
    """Write a file, text as UTF-8: into a temporary file beside it, synced to the disk, then renamed over it.

    Args:
        path: Where to. Missing folders are made.
        content: What to write.

    Returns:
        The path.

    Raises:
        OSError: The file could not be written. What was at `path` before is still there.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_atomically(f"{folder}/report.html", "<p>done").read_text()
        '<p>done'
    """
    with open_atomically(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return Path(path)


@contextmanager
def open_atomically(path: Path | str) -> Iterator[BinaryIO]:
    """Open a file to be written piece by piece: it is at `path` once the block ends, and nothing is if it raises.

    Args:
        path: Where to. Missing folders are made.

    Yields:
        The file, for bytes.

    Raises:
        OSError: The file could not be written. What was at `path` before is still there.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with open_atomically(f"{folder}/pieces.txt") as file:
        ...         _ = file.write(b"one "), file.write(b"two")
        ...     Path(folder, "pieces.txt").read_text()
        'one two'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable, where the system can open a folder."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
