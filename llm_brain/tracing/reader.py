"""Spans back from disk: every line of every process's file, one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic_core import from_json

from llm_brain.errors import DataError
from llm_brain.tracing import names
from llm_brain.tracing.notice import notice
from llm_brain.tracing.writer import SPANS_FOLDER


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """One span, as it stands in the file.

    Attributes:
        trace_id, span_id, parent_id: Hexadecimal. A parent may be missing from the file: it had not ended when its
            process did.
        start_ns, end_ns: Nanoseconds since 1970.
        error: `{"type": ..., "message": ...}` where `status` is `"error"`.

    Example:
        >>> asked = {"llm_brain.kind": "call", "gen_ai.request.model": "smollm2"}
        >>> one = SpanRecord("a1", "b2", None, "chat", 0, 1_500_000_000, "ok", asked)
        >>> one.seconds, one.is_call
        (1.5, True)
    """

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    start_ns: int
    end_ns: int
    status: Literal["ok", "error"]
    attributes: Mapping[str, Any]
    error: Mapping[str, str] | None = None

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.end_ns - self.start_ns) / 1e9

    @property
    def kind(self) -> str | None:
        """What it is, as one of the kinds in `names`; None of the user's own work."""
        kind = self.attributes.get(names.KIND)
        return kind if isinstance(kind, str) else None

    @property
    def is_call(self) -> bool:
        """Whether it is one call of a model."""
        return self.kind == names.CALL_KIND


def read_spans(run_folder: Path | str) -> Iterator[SpanRecord]:
    """Read the spans of a run, one line at a time: file by file, and in each file in the order in which they ended.

    A last line that was cut off is skipped in silence: its process was killed, or is writing it now. Other lines that are not
    spans are skipped with one warning that counts them.

    Args:
        run_folder: The folder that was given to `record`.

    Raises:
        DataError: There is no such folder, or the spans were written by a later version.

    Example:
        >>> import tempfile
        >>> from llm_brain.tracing import record, span
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with record(folder), span("train"), span("step"):
        ...         pass
        ...     [one.name for one in read_spans(folder)]
        ['step', 'train']
    """
    folder = Path(run_folder)
    if not folder.is_dir():
        message = f"no run is recorded in {folder}: there is no such folder"
        raise DataError(message)
    return _read(sorted((folder / SPANS_FOLDER).glob("*.jsonl"), key=began))


def parse_line(line: bytes, path: Path) -> SpanRecord | None:
    """Read one line of a span file; None where it is not a span.

    Args:
        line: With or without its newline.
        path: The file, for the message of an error.

    Raises:
        DataError: The span was written by a later version.

    Example:
        >>> parse_line(b'{"schema": 1, "torn', Path("spans/1-2.jsonl")) is None
        True
    """
    try:
        fields = from_json(line, cache_strings="keys")
        version = fields["schema"]
        one = _span_of(fields) if version == names.SCHEMA_VERSION else None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    if isinstance(version, int) and version > names.SCHEMA_VERSION:
        message = f"{path} was written by a later version (schema {version}): upgrade llm_brain to read it"
        raise DataError(message)
    return one


def began(path: Path) -> tuple[int, str]:
    """Return what puts span files in the order in which their processes began.

    Example:
        >>> began(Path("spans/77-1500.jsonl"))
        (1500, '77-1500.jsonl')
    """
    start = path.stem.rpartition("-")[2]
    return (int(start) if start.isdecimal() else 0, path.name)


def _read(files: Iterable[Path]) -> Iterator[SpanRecord]:
    for path in files:
        foreign = 0
        with path.open("rb") as lines:
            for line in lines:
                one = parse_line(line, path)
                if one is not None:
                    yield one
                elif line.endswith(b"\n") and line.strip():
                    foreign += 1
        if foreign:
            notice(f"{path}: {foreign} lines are not spans and were skipped")


def _span_of(fields: dict[str, Any]) -> SpanRecord:
    return SpanRecord(
        trace_id=str(fields["trace_id"]),
        span_id=str(fields["span_id"]),
        parent_id=None if fields["parent_id"] is None else str(fields["parent_id"]),
        name=str(fields["name"]),
        start_ns=int(fields["start_ns"]),
        end_ns=int(fields["end_ns"]),
        status="error" if fields["status"] == "error" else "ok",
        attributes=dict(fields["attributes"]),
        error=fields.get("error"),
    )
