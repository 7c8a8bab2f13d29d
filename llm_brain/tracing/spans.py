"""A span: one piece of work with a name, a beginning, an end and attributes. Spans inside it are its children.

    record -> a Tracer is current -> span -> Span.set, Span.content -> its end -> one JSON line -> the process's file

The current span travels in a context variable: into `await`, into tasks, and into a thread whose caller copied its
context (`contextvars.copy_context().run`, `asyncio.to_thread`). A span that has none around it stands below what
`record` was given as `parent`, or else below the span of OpenTelemetry's that the program is in, or else below what the
environment variable `TRACEPARENT` names; so a trace goes on from one process, or one library, to the next. Without a
tracer, `span` hands out one shared object that does nothing.

A line of the file:

    {"schema": 1, "trace_id": ..., "span_id": ..., "parent_id": ..., "name": ..., "start_ns": ..., "end_ns": ...,
     "status": "ok" | "error", "error": {"type": ..., "message": ...}, "attributes": {...}}
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar, Token
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeAlias

from typing_extensions import override

from llm_brain.tracing.identity import Place, new_span_id, new_trace_id
from llm_brain.tracing.redaction import JSON
from llm_brain.tracing.safe import json_safe
from llm_brain.tracing.tracer import Tracer


@contextmanager
def record(run_folder: Path | str, *, capture_content: bool = True, parent: str | None = None) -> Iterator[Tracer]:
    """Write every span that begins inside the block to `run_folder/spans`.

    Args:
        run_folder: The run's own folder; made when it is missing. Several processes may share it: each writes a file of
            its own.
        capture_content: Whether prompts, replies and messages of errors are written. Without them a span tells names,
            times and numbers.
        parent: Which span of somebody else's these spans stand below, as a W3C `traceparent`: `current_traceparent()` of
            the process that began this one, or a request's header. One that cannot be read is told, and left out.

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
    tracer = Tracer(run_folder, capture_content=capture_content, parent=parent)
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


def current_traceparent() -> str | None:
    """Return which span is current here, as a W3C `traceparent`, for another process or a request's header.

    A process that is begun with it as the environment variable `TRACEPARENT` goes on with the trace:
    `subprocess.run(command, env={**os.environ, "TRACEPARENT": current_traceparent()})` inside of a span.

    Returns:
        It; None where nothing is recorded, or where no span is open and the tracer has no parent.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, record(folder), span("train") as here:
        ...     current_traceparent() == f"00-{here.trace_id}-{here.span_id}-01"
        True
    """
    here = _current.get()
    place = Place(here.trace_id, here.span_id) if isinstance(here, Span) else None if here is None else here.outside()
    return None if place is None else place.traceparent


Moment: TypeAlias = tuple[int, int]
"""A time in nanoseconds, by the wall clock and by the one that never jumps."""


def this_moment() -> Moment:
    """Tell what time it is, for a span that is made only where it is worth being kept.

    Example:
        >>> this_moment() <= this_moment()
        True
    """
    return time.time_ns(), time.perf_counter_ns()


class Span:
    """One piece of work: made by `span`, begun by `with`, written when the block ends, as an error if it raises.

    Attributes:
        recording: Whether anything will be written. Ask it before computing an attribute that is dear.
        attributes: What was set so far, already safe for JSON.
        trace_id: The same for a span and all spans inside it; hexadecimal, of OpenTelemetry's length.
        span_id: Its own.
        parent_id: That of the span around it, if there is one; perhaps another process's, or another library's.

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
        around = tracer.outside() if parent is None else parent
        self.trace_id: str = new_trace_id() if around is None else around.trace_id
        self.span_id: str = new_span_id()
        self.parent_id: str | None = None if around is None else around.span_id
        self.attributes: dict[str, JSON] = {}
        self.start_ns = 0
        self._begun_ns = 0
        self._token: Token[Tracer | Span | None] | None = None
        if attributes:
            self.tell(attributes)

    def set(self, name: str, value: object) -> None:
        """Set an attribute. The value is copied now, so what happens to it later is not recorded."""
        self.attributes[name] = json_safe(value)

    def tell(self, attributes: Mapping[str, object]) -> None:
        """Set several attributes at once, in less time than one by one."""
        for name, value in attributes.items():
            self.attributes[name] = json_safe(value)

    def content(self, name: str, value: object) -> None:
        """Set an attribute that holds what people or models said; dropped where contents are not captured."""
        if self.tracer.capture_content:
            self.attributes[name] = json_safe(value)

    def begin(self, moment: Moment | None = None) -> None:
        """Begin without making this span the current one: for what is done in pieces. `end` belongs to it.

        Args:
            moment: When it began; now by default.
        """
        self.start_ns, self._begun_ns = moment or this_moment()

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
    def tell(self, attributes: Mapping[str, object]) -> None:
        return

    @override
    def content(self, name: str, value: object) -> None:
        return

    @override
    def begin(self, moment: Moment | None = None) -> None:
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
