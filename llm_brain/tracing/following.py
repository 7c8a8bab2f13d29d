"""The spans of a run that goes on: what its processes have written since one looked last.

    spans/*.jsonl -> from where each file was left -> whole lines -> spans

A sink that shows a run while it happens reads the files as anybody else would, so that it can be late, slow or dead
without anything being lost.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from llm_brain.tracing.notice import notice
from llm_brain.tracing.reader import SpanRecord, began, parse_line
from llm_brain.tracing.writer import SPANS_FOLDER

MAX_BYTES: Final = 4_000_000
"""How much of the files one call reads."""
MAX_LINE: Final = 64_000_000
"""A longer line is skipped: no span has one."""
_BLOCK: Final = 65_536


class Following:
    """Reads what is appended to the span files of a run, whichever of its processes writes it.

    A line that is being written is left for the next call, and so is what goes beyond `MAX_BYTES`. Lines that are not
    spans are skipped, counted and told once.

    Args:
        run_folder: The folder that was given to `record`. It need not be there yet.

    Attributes:
        skipped: Lines that were not spans.

    Example:
        >>> import tempfile
        >>> from llm_brain.tracing import record, span
        >>> with tempfile.TemporaryDirectory() as folder, record(folder):
        ...     following = Following(folder)
        ...     with span("step"):
        ...         early = following.new()
        ...     early, [one.name for one in following.new()], following.new()
        ([], ['step'], [])
    """

    def __init__(self, run_folder: Path | str) -> None:
        self.skipped = 0
        self._folder = Path(run_folder) / SPANS_FOLDER
        self._read: dict[str, int] = {}

    def skip(self) -> None:
        """Leave out what has been written so far."""
        for path in self._grown():
            self._read[path.name] = _last_line_end(path)

    def new(self) -> list[SpanRecord]:
        """Return the spans that were written since the last call, file by file. None are left when there are none.

        Raises:
            DataError: A span was written by a later version.
        """
        spans: list[SpanRecord] = []
        room = MAX_BYTES
        for path in self._grown():
            while room > 0 and (lines := self._whole_lines(path, room)):
                room -= len(lines)
                self._parse(lines, path, spans)
                if not spans:
                    room = MAX_BYTES  # nothing was kept, and an empty list would say that all was read
        return spans

    def _grown(self) -> list[Path]:
        try:
            with os.scandir(self._folder) as entries:
                names = [one.name for one in entries if _is_longer(one, self._read.get(one.name, 0))]
        except FileNotFoundError:
            return []
        return sorted((self._folder / name for name in names), key=began)

    def _whole_lines(self, path: Path, room: int) -> bytes:
        """Read on to the end of a line, about `room` bytes further on at most, or to that of the one line that is longer."""
        start = self._read.get(path.name, 0)
        try:
            with path.open("rb") as file:
                file.seek(start)
                lines = file.read(room)
                end = lines.rfind(b"\n") + 1
                if not end and len(lines) == room:
                    lines += file.readline(MAX_LINE)
                    end = len(lines) if lines.endswith(b"\n") or len(lines) > MAX_LINE else 0
        except FileNotFoundError:
            return b""
        self._read[path.name] = start + end
        return lines[:end]

    def _parse(self, lines: bytes, path: Path, spans: list[SpanRecord]) -> None:
        for line in lines.split(b"\n"):
            one = parse_line(line, path)
            if one is not None:
                spans.append(one)
            elif line.strip():
                self.skipped += 1
                if self.skipped == 1:
                    notice(f"{path}: a line is not a span and was skipped; following goes on")


def _is_longer(entry: os.DirEntry[str], read: int) -> bool:
    try:
        return entry.name.endswith(".jsonl") and entry.stat().st_size > read
    except FileNotFoundError:
        return False


def _last_line_end(path: Path) -> int:
    """Find where the last whole line ends: a line may be half written now."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - _BLOCK)
            file.seek(start)
            if newline := file.read(end - start).rfind(b"\n") + 1:
                return start + newline
            end = start
    return 0
