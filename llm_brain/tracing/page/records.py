"""What the page shows of a span when it is looked at: all of it, in compressed pieces of a few hundred spans.

A piece is JSON lines, compressed and in base64. The page opens a piece when one of its spans is looked at, and all of them,
one after the other, for the search.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from llm_brain.tracing.reader import SpanRecord
from llm_brain.tracing.redaction import may_hold_secret, redact_all
from llm_brain.tracing.safe import json_safe
from llm_brain.tracing.text import clean_text

PIECE_SIZE: Final = 262_144
"""How many characters of JSON make a piece: a browser opens one in a few milliseconds."""

_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")).encode


class Records:
    """Writes spans' attributes to a file of base64 lines, a piece a line.

    Attributes:
        first_rows: For each piece, the row of its first span.

    Example:
        >>> import io
        >>> records = Records(io.BytesIO())
        >>> records.add(SpanRecord("t", "s", None, "chat", 0, 1, "ok", {"llm_brain.function": "mood"}))
        >>> records.close()
        >>> records.first_rows
        [0]
    """

    def __init__(self, file: BinaryIO) -> None:
        self.first_rows: list[int] = []
        self._file = file
        self._lines: list[str] = []
        self._size = 0
        self._rows = 0

    def add(self, one: SpanRecord) -> None:
        """Add the next row's span."""
        line = _line({"attributes": dict(one.attributes), "error": one.error})
        if not self._lines:
            self.first_rows.append(self._rows)
        self._rows += 1
        self._lines.append(line)
        self._size += len(line)
        if self._size >= PIECE_SIZE:
            self._write()

    def close(self) -> None:
        """Write the last piece."""
        if self._lines:
            self._write()

    def pieces(self) -> Iterator[bytes]:
        """Read the pieces back, one at a time."""
        self._file.seek(0)
        for line in self._file:
            yield line.rstrip(b"\n")

    def _write(self) -> None:
        self._file.write(packed("\n".join(self._lines)) + b"\n")
        self._lines.clear()
        self._size = 0


def packed(text: str) -> bytes:
    """Compress a text, and write it in letters that end no element of a page.

    Example:
        >>> gzip.decompress(base64.b64decode(packed("</script>")))
        b'</script>'
    """
    return base64.b64encode(gzip.compress(clean_text(text).encode(), 6, mtime=0))


def _line(told: dict[str, Any]) -> str:
    try:
        line = _encode(told)
    except (ValueError, TypeError, RecursionError):  # a file that was not written by us may hold NaN, or be very deep
        told = {name: json_safe(value) for name, value in told.items()}
        line = _encode(told)
    # Written by a process that did not know a key that this one knows.
    return _encode(redact_all(told)) if may_hold_secret(line) else line
