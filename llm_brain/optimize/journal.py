"""The truth about a study: an append-only file of JSON lines, each on the disk before anything is done that depends on it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from llm_brain.errors import DataError


class Store(Protocol):
    """Where a study's events are kept. `llm_brain.optimize.testing.stores.StoreConformance` tests one of your own.

    Example:
        >>> class Memory:
        ...     def __init__(self):
        ...         self.events = []
        ...     def append(self, event, **fields):
        ...         self.events.append({"event": event, **fields})
        >>> store: Store = Memory()
    """

    @property
    def events(self) -> Sequence[dict[str, Any]]:
        """What was appended, also by earlier processes, oldest first."""
        ...

    def append(self, event: str, **fields: Any) -> None:
        """Keep an event; it is durable when this returns.

        Args:
            event: What happened.
            fields: All about it, as JSON has it.

        Raises:
            OSError: It cannot be kept. Then nothing of it is.
        """
        ...


class Journal:
    """Events of a study. A torn last line, left by a crash, is cut off at opening.

    Args:
        path: The file; made when missing.

    Attributes:
        path: The file.
        events: What stands in it, oldest first.

    Raises:
        DataError: The file cannot be read, or a line before the last is damaged.

    Example:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "study.jsonl"
        ...     Journal(path).append("proposed", trial=0)
        ...     Journal(path).events
        [{'event': 'proposed', 'trial': 0}]
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events: list[dict[str, Any]] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            content = path.read_bytes() if path.exists() else b""
            whole = self._read(content)
            if whole < len(content):
                os.truncate(path, whole)
        except OSError as error:
            message = f"the journal {path} cannot be opened: {error}"
            raise DataError(message) from error

    def append(self, event: str, **fields: Any) -> None:
        """Write an event; it is on the disk when this returns.

        Raises:
            OSError: The disk is full, say; the event is then not in the study, and the file is as it was.
        """
        record = {"event": event, **fields}
        # A lone surrogate becomes the escape that JSON has for it.
        line = json.dumps(record, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"
        # Without a buffer: one that could not be flushed would be flushed again, after the file was cut back.
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            start = os.fstat(file).st_size
            try:
                written = 0
                while written < len(line):
                    written += os.write(file, line[written:])
                os.fsync(file)
            except BaseException:
                os.ftruncate(file, start)
                raise
        finally:
            os.close(file)
        self.events.append(record)

    def _read(self, content: bytes) -> int:
        """Read the events, and return how many bytes of the content are whole lines."""
        lines = content.splitlines(keepends=True)
        whole = 0
        for number, line in enumerate(lines, start=1):
            try:
                event = json.loads(line)
                if not isinstance(event, dict) or "event" not in event:
                    message = "it is not an event"
                    raise ValueError(message)  # noqa: TRY301 - one treatment for all damage
            except (ValueError, RecursionError) as error:
                if number == len(lines):
                    break
                message = f"line {number} of {self.path} is damaged: {error}. Move the file away to begin a new study"
                raise DataError(message) from error
            if not line.endswith(b"\n"):
                break
            self.events.append(event)
            whole += len(line)
        return whole
