"""A span: one piece of work with a name, a beginning, an end and attributes. Spans inside it are its children.

    record -> a Tracer is current -> span -> Span.set, Span.content -> its end -> one JSON line -> the process's file

The current span travels in a context variable: into `await`, into tasks, and into a thread whose caller copied its
context (`contextvars.copy_context().run`, `asyncio.to_thread`). Without a tracer, `span` hands out one shared object
that does nothing.

A line of the file:

    {"schema": 1, "trace_id": ..., "span_id": ..., "parent_id": ..., "name": ..., "start_ns": ..., "end_ns": ...,
     "status": "ok" | "error", "error": {"type": ..., "message": ...}, "attributes": {...}}
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar, Token
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from typing_extensions import override

from llm_brain.tracing.names import SCHEMA_VERSION
from llm_brain.tracing.notice import notice
from llm_brain.tracing.redaction import JSON, may_hold_secret, redact_all
from llm_brain.tracing.safe import json_safe
from llm_brain.tracing.writer import SPANS_FOLDER, SpanWriter

_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")).encode


@contextmanager
def record(run_folder: Path | str, *, capture_content: bool = True) -> Iterator[Tracer]:
    """Write every span that begins inside the block to `run_folder/spans`.

    Args:
        run_folder: The run's own folder; made when it is missing. Several processes may share it: each writes a file of
            its own.
        capture_content: Whether prompts, replies and messages of errors are written. Without them a span tells names,
            times and numbers.

    Yields:
        The tracer. Its `lost` tells how many spans could not be written; nothing is ever raised for them.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with record(folder) as tracer, span("chat smollm2", {"gen_ai.request.model": "smollm2"}) as s:
        ...         s.set("gen_ai.usage.input_tokens", 12)
        ...     tracer.written, tracer.lost
        (1, 0)
    """
    tracer = Tracer(run_folder, capture_content=capture_content)
    token = _current.set(tracer)
    try:
        yield tracer
    finally:
        _restore(token)
        tracer.close()


def span(name: str, attributes: Mapping[str, object] | None = None) -> Span:
    """Make a span, to be begun with `with` under the current one. Costs next to nothing when no tracer is current.

    Args:
        name: What is being done, few different names in all: `"chat smollm2"`, not the prompt.
        attributes: Attributes known from the start. Names are constants of `llm_brain.tracing.names`.

    Example:
        >>> with span("chat smollm2") as s:
        ...     s.recording
        False
    """
    here = _current.get()
    if here is None:
        return _SILENT
    return Span(here.tracer, name, attributes, here if isinstance(here, Span) else None)


def current_tracer() -> Tracer | None:
    """Return the tracer that spans would go to here, if there is one.

    Example:
        >>> current_tracer() is None
        True
    """
    here = _current.get()
    return None if here is None else here.tracer


class Span:
    """One piece of work: made by `span`, begun by `with`, written when the block ends, as an error if it raises.

    Attributes:
        recording: Whether anything will be written. Ask it before computing an attribute that is dear.
        attributes: What was set so far, already safe for JSON.
        trace_id: The same for a span and all spans inside it; hexadecimal, of OpenTelemetry's length.
        span_id: Its own.
        parent_id: That of the span around it, if there is one.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, record(folder):
        ...     with span("train") as outer, span("step") as inner:
        ...         inner.parent_id == outer.span_id, inner.trace_id == outer.trace_id
        (True, True)
    """

    __slots__ = ("_begun_ns", "_token", "attributes", "name", "parent_id", "span_id", "start_ns", "trace_id", "tracer")

    recording: bool = True

    def __init__(self, tracer: Tracer, name: str, attributes: Mapping[str, object] | None, parent: Span | None) -> None:
        self.tracer = tracer
        self.name = name
        self.trace_id: str = os.urandom(16).hex() if parent is None else parent.trace_id
        self.span_id: str = os.urandom(8).hex()
        self.parent_id: str | None = None if parent is None else parent.span_id
        self.attributes: dict[str, JSON] = {}
        self.start_ns = 0
        self._begun_ns = 0
        self._token: Token[Tracer | Span | None] | None = None
        if attributes:
            for key, value in attributes.items():
                self.attributes[key] = json_safe(value)

    def set(self, name: str, value: object) -> None:
        """Set an attribute. The value is copied now, so what happens to it later is not recorded."""
        self.attributes[name] = json_safe(value)

    def content(self, name: str, value: object) -> None:
        """Set an attribute that holds what people or models said; dropped where contents are not captured."""
        if self.tracer.capture_content:
            self.attributes[name] = json_safe(value)

    def begin(self) -> None:
        """Begin without making this span the current one: for what is done in pieces. `end` belongs to it."""
        self.start_ns = time.time_ns()
        self._begun_ns = time.perf_counter_ns()

    def end(self, error: BaseException | None = None) -> None:
        """End and write what `begin` began."""
        # The wall clock may jump while the span runs; its length may not.
        self.tracer.write(self, self.start_ns + time.perf_counter_ns() - self._begun_ns, error)

    def current(self) -> AbstractContextManager[None]:
        """Make this span, which `begin` began, the current one inside a block."""
        return _being(self)

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        self.begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._token is not None:
            _restore(self._token)
            self._token = None
        self.end(error)


class Tracer:
    """Where the spans of one run go. Made by `record`.

    Attributes:
        run_folder: The run's folder; the spans are in its `spans` folder.
        capture_content: Whether `Span.content` keeps what it is given.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, record(folder, capture_content=False) as tracer:
        ...     current_tracer() is tracer, tracer.capture_content
        (True, False)
    """

    def __init__(self, run_folder: Path | str, *, capture_content: bool = True) -> None:
        self.run_folder = Path(run_folder)
        self.capture_content = capture_content
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
        line = _encode(_frame(ended, end_ns, told))
        if may_hold_secret(line):
            line = _encode(_frame(ended, end_ns, {key: redact_all(value) for key, value in told.items()}))
        return line.encode("utf-8", "replace")

    def _error(self, error: BaseException) -> JSON:
        kind = type(error)
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        # A message may quote the prompt or the reply, so it counts as content.
        return {"type": json_safe(name), "message": json_safe(_message(error)) if self.capture_content else ""}


class _SilentSpan(Span):
    """The span that is handed out when nobody records: it has every method and keeps nothing."""

    __slots__ = ()

    recording = False

    def __init__(self) -> None:
        self.name = self.trace_id = self.span_id = ""
        self.parent_id = None
        self.attributes = {}
        self.start_ns = 0

    @override
    def set(self, name: str, value: object) -> None:
        return

    @override
    def content(self, name: str, value: object) -> None:
        return

    @override
    def begin(self) -> None:
        return

    @override
    def end(self, error: BaseException | None = None) -> None:
        return

    @override
    def current(self) -> AbstractContextManager[None]:
        return nullcontext()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        return


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


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "<unreadable message>"


@contextmanager
def _being(here: Span) -> Iterator[None]:
    token = _current.set(here)
    try:
        yield
    finally:
        _restore(token)


def _restore(token: Token[Tracer | Span | None]) -> None:
    try:
        _current.reset(token)
    except ValueError:
        # A generator was closed in another context than the one that it began in; that context has gone its own way.
        return


_current: ContextVar[Tracer | Span | None] = ContextVar("llm_brain_span", default=None)
_SILENT: Final = _SilentSpan()
