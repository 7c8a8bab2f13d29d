"""Spans to one collector, batch by batch, and the count of what became of them.

spans -> messages -> batches, small in number and in bytes -> the collector -> sent, rejected
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from llm_brain.errors import CollectorError
from llm_brain.tracing.otlp_collector import Collector
from llm_brain.tracing.otlp_spans import otlp_request, otlp_span
from llm_brain.tracing.reader import SpanRecord

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

MAX_SPANS: Final = 512
MAX_BYTES: Final = 2_000_000
"""Collectors take 4 MB and more in one request."""
_TOO_LARGE: Final = 413
_UNFIT: Final = frozenset({400, _TOO_LARGE, 422})


@dataclass(frozen=True, slots=True)
class Exported:
    """How many spans a collector took, and how many it refused.

    Attributes:
        reason: Why the last one was refused, in the collector's words.

    Example:
        >>> Exported(sent=12)
        Exported(sent=12, rejected=0, reason='')
    """

    sent: int = 0
    rejected: int = 0
    reason: str = ""


class Sending:
    """Sends batches to a collector and counts.

    Args:
        collector: Where they go.
        run: What the run is called there.

    Attributes:
        exported: The counts so far.

    Example:
        >>> Sending(Collector("http://localhost:4318"), "monday").exported
        Exported(sent=0, rejected=0, reason='')
    """

    def __init__(self, collector: Collector, run: str) -> None:
        self.exported = Exported()
        self._collector = collector
        self._run = run

    def batches(self, spans: Iterable[SpanRecord]) -> Iterator[list[Span]]:
        """Put spans together into batches; one that cannot be a span of OpenTelemetry's counts as rejected."""
        batch: list[Span] = []
        size = 0
        for one in spans:
            try:
                span = otlp_span(one)
            except (ValueError, TypeError) as error:
                self._count(rejected=1, reason=str(error))
                continue
            grown = size + span.ByteSize()
            if batch and (len(batch) == MAX_SPANS or grown > MAX_BYTES):
                yield batch
                batch, grown = [], span.ByteSize()
            batch.append(span)
            size = grown
        if batch:
            yield batch

    def send(self, batch: list[Span], *, seconds: float) -> None:
        """Send a batch. Where the collector finds it too large or unfit, it goes in parts, down to the span that is.

        Args:
            batch: As from `batches`. What was taken or refused is removed from it.
            seconds: How long a request is tried again.

        Raises:
            CollectorError: What is still in `batch` was not taken.
        """
        size = len(batch)
        while batch:
            part = batch[:size]
            body = otlp_request(part, self._run).SerializeToString()
            try:
                answer = self._collector.send(body, deadline=time.monotonic() + seconds)
            except CollectorError as error:
                # A collector that has taken nothing yet does not object to a span, but to how it is asked.
                if error.status not in _UNFIT or (error.status != _TOO_LARGE and not self.exported.sent):
                    raise
                size = len(part) // 2
                if not size:
                    self._done(batch, part, rejected=1, reason=str(error))
            else:
                self._done(batch, part, rejected=min(answer.rejected, len(part)), reason=answer.reason)
                size *= 2
            size = max(1, size)

    def _done(self, batch: list[Span], part: list[Span], *, rejected: int, reason: str) -> None:
        self._count(sent=len(part) - rejected, rejected=rejected, reason=reason)
        del batch[: len(part)]

    def _count(self, *, sent: int = 0, rejected: int = 0, reason: str = "") -> None:
        told = self.exported
        reason = reason if rejected and reason else told.reason
        self.exported = Exported(told.sent + sent, told.rejected + rejected, reason)
