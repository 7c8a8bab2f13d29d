"""Where the spans of one run go: a span that has ended -> one JSON line -> keys cut out of it -> the process's file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic_core import to_json

from llm_brain.tracing.identity import Place, opentelemetry_place, read_traceparent
from llm_brain.tracing.names import SCHEMA_VERSION
from llm_brain.tracing.notice import notice
from llm_brain.tracing.redaction import JSON, may_hold_secret, redact_all
from llm_brain.tracing.safe import json_safe
from llm_brain.tracing.writer import SPANS_FOLDER, SpanWriter

if TYPE_CHECKING:
    from llm_brain.tracing.spans import Span

MAX_LINE: Final = 16 * 2**20
"""The longest line in bytes, but for a few hundred: whoever reads a run has one of them in memory at a time."""


class Tracer:
    """Where the spans of one run go. Made by `record`.

    Attributes:
        run_folder: The run's folder; the spans are in its `spans` folder.
        capture_content: Whether `Span.content` keeps what it is given.

    Example:
        >>> import tempfile
        >>> from llm_brain.tracing import current_tracer, record
        >>> with tempfile.TemporaryDirectory() as folder, record(folder, capture_content=False) as tracer:
        ...     current_tracer() is tracer, tracer.capture_content
        (True, False)
    """

    def __init__(self, run_folder: Path | str, *, capture_content: bool = True, parent: str | None = None) -> None:
        self.run_folder = Path(run_folder)
        self.capture_content = capture_content
        self._given = None if parent is None else read_traceparent(parent)
        if parent is not None and self._given is None:
            notice(f"{parent!r:.100} is no traceparent: spans of {self.run_folder} begin traces of their own")
        self._inherited = read_traceparent(os.environ.get("TRACEPARENT", ""))
        self._writer = SpanWriter(self.run_folder / SPANS_FOLDER)

    @property
    def tracer(self) -> Tracer:
        """Itself: what is current is a tracer or a span, and both name the tracer."""
        return self

    @property
    def written(self) -> int:
        """Spans that this process has written."""
        return self._writer.written

    @property
    def lost(self) -> int:
        """Spans that this process could not write."""
        return self._writer.lost

    def outside(self) -> Place | None:
        """Tell which span of somebody else's a span stands below that has none of ours around it."""
        return self._given or opentelemetry_place() or self._inherited

    def write(self, ended: Span, end_ns: int, error: BaseException | None) -> None:
        """Write a span that has ended. Never raises an `Exception`."""
        try:
            self._writer.write(self._line(ended, end_ns, error))
        except Exception as problem:
            self._writer.lose(f"{type(problem).__name__}: {problem}")

    def close(self) -> None:
        """Close the file, and say how many spans were lost where more than the first one was."""
        self._writer.close()
        if self.lost > 1:
            notice(f"{self.lost} spans of {self.run_folder} were lost, {self.written} were written")

    def _line(self, ended: Span, end_ns: int, error: BaseException | None) -> bytes:
        told: dict[str, JSON] = {"name": json_safe(ended.name), "attributes": ended.attributes}
        if error is not None:
            told["error"] = self._error(error)
        try:
            line = to_json(_frame(ended, end_ns, told))
        except ValueError:  # the name of an attribute is not safe; its value is
            told = {key: json_safe(value) for key, value in told.items()}
            line = to_json(_frame(ended, end_ns, told))
        if len(line) > MAX_LINE:
            told["attributes"] = _shortened(told["attributes"])
            line = to_json(_frame(ended, end_ns, told))
        if may_hold_secret(line.decode()):
            line = to_json(_frame(ended, end_ns, {key: redact_all(value) for key, value in told.items()}))
        return line

    def _error(self, error: BaseException) -> JSON:
        kind = type(error)
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        # A message may quote the prompt or the reply, so it counts as content.
        return {"type": json_safe(name), "message": json_safe(_message(error)) if self.capture_content else ""}


def _frame(ended: Span, end_ns: int, told: dict[str, JSON]) -> dict[str, JSON]:
    """Put the parts of a line in their order."""
    frame: dict[str, JSON] = {
        "schema": SCHEMA_VERSION,
        "trace_id": ended.trace_id,
        "span_id": ended.span_id,
        "parent_id": ended.parent_id,
        "name": told["name"],
        "start_ns": ended.start_ns,
        "end_ns": end_ns,
        "status": "error" if "error" in told else "ok",
    }
    if "error" in told:
        frame["error"] = told["error"]
    frame["attributes"] = told["attributes"]
    return frame


def _shortened(attributes: JSON) -> JSON:
    """Leave out those that take more than their share of a line, and say so in their place."""
    if not isinstance(attributes, dict):
        return attributes
    sizes = {name: len(to_json(value)) for name, value in attributes.items()}
    share = MAX_LINE // (len(attributes) + 1)
    return {name: value if sizes[name] <= share else f"<{sizes[name]} bytes left out>" for name, value in attributes.items()}


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "<unreadable message>"
