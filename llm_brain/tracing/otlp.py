"""A run in any OpenTelemetry collector: sent when it is over, or while it goes on.

    RUN/spans/*.jsonl -> the spans of each line -> batches of OTLP -> POST /v1/traces

Both only read the run's files. `export_run` is asked to send and says so when it cannot; `OtlpExporter` is a bystander, and
a collector that is slow, full or dead costs the run nothing but one warning.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from llm_brain.errors import CollectorError
from llm_brain.tracing.following import Following
from llm_brain.tracing.notice import notice
from llm_brain.tracing.otlp_batches import Exported, Sending
from llm_brain.tracing.otlp_collector import Collector
from llm_brain.tracing.reader import read_spans

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

FIRST_SECONDS: Final = 3.0
"""How long the first request of an export is tried again, in seconds."""
RETRY_SECONDS: Final = 60.0
"""How long `export_run` asks again when a collector is busy or does not answer."""
LIVE_RETRY_SECONDS: Final = 5.0
"""The same of `OtlpExporter`, which afterwards rests and begins anew."""
REST: Final = 30.0
POLL: Final = 1.0
"""How often `OtlpExporter` looks for new spans."""
PATIENCE: Final = 5.0
"""Seconds that the end of a run waits for a collector."""
INTERRUPTED_PATIENCE: Final = 0.5
"""The same after Ctrl-C."""
LATER: Final = "They are in its files: send them later with `llm-brain traces export`"


def export_run(
    run_folder: Path | str,
    url: str,
    headers: Mapping[str, str] | None = None,
    on_progress: Callable[[int], object] | None = None,
) -> Exported:
    """Send all spans of a run to a collector. Sent twice, they are the same spans: their ids are those in the files.

    Args:
        run_folder: The folder that was given to `record`.
        url: The collector: `http://localhost:4318`, to which `/v1/traces` is added, or an address with a path of its own.
        headers: For each request: `{"Authorization": "Bearer ..."}`. They are written nowhere. Without them, those of
            OpenTelemetry's own variables `OTEL_EXPORTER_OTLP_TRACES_HEADERS` or `OTEL_EXPORTER_OTLP_HEADERS`.
        on_progress: Called after each batch with how many spans were dealt with so far.

    Returns:
        How many spans the collector took, and how many it refused and why.

    Raises:
        DataError: There is no such run, or a later version wrote it.
        ArgumentError: The address or a header is none.
        CollectorError: The collector cannot be reached or takes nothing; `sent` tells how many it had taken.
        MissingDependencyError: The extra `otlp` is not installed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     export_run(folder, "http://localhost:4318")
        Exported(sent=0, rejected=0, reason='')
    """
    folder = Path(run_folder)
    spans = read_spans(folder)
    collector = Collector(url, headers)
    sending = Sending(collector, folder.absolute().name)
    try:
        for batch in sending.batches(spans):
            # One that has taken nothing yet is not there, rather than busy.
            sending.send(batch, seconds=RETRY_SECONDS if sending.exported.sent else FIRST_SECONDS)
            if on_progress is not None:
                on_progress(sending.exported.sent + sending.exported.rejected)
    except CollectorError as error:
        error.sent, error.rejected = sending.exported.sent, sending.exported.rejected
        raise
    finally:
        collector.close()
    return sending.exported


class OtlpExporter:
    """Sends the spans of a run to a collector while it goes on: those that end between entering and leaving.

    A thread of its own reads the run's files and waits for the collector. Of all processes of a run one should have it: it
    sends the spans of all. Leaving it waits for what is left, `PATIENCE` seconds at most; `export_run` sends the rest later.

    Args:
        run_folder: The folder that is given to `record`.
        url: As for `export_run`.
        headers: As for `export_run`.
        patience: Seconds that leaving waits for the collector.

    Attributes:
        exported: The counts so far.

    Raises:
        ArgumentError: The address or a header is none.
        MissingDependencyError: The extra `otlp` is not installed.

    Example:
        >>> import tempfile
        >>> from llm_brain.tracing import record
        >>> with tempfile.TemporaryDirectory() as run, record(run), OtlpExporter(run, "http://localhost:4318") as exporter:
        ...     pass  # train
        >>> exporter.exported.sent
        0
    """

    def __init__(
        self, run_folder: Path | str, url: str, headers: Mapping[str, str] | None = None, *, patience: float = PATIENCE
    ) -> None:
        self._folder = Path(run_folder)
        self._patience = patience
        self._leaving = threading.Event()
        self._left = threading.Event()
        self._collector = Collector(url, headers, pause=self._give_up)
        self._sending = Sending(self._collector, self._folder.absolute().name)
        self._following = Following(self._folder)
        self._thread: threading.Thread | None = None
        self._process = 0
        self._warned = False

    @property
    def exported(self) -> Exported:
        """How many spans the collector took and refused so far."""
        return self._sending.exported

    def __enter__(self) -> Self:
        thread = threading.Thread(target=self._run, name="llm_brain OpenTelemetry", daemon=True)
        try:
            self._following.skip()
            thread.start()
        except Exception as error:
            self._warn(f"{type(error).__name__}: {error}")
        else:
            self._process, self._thread = os.getpid(), thread
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._thread is None or os.getpid() != self._process:  # a forked child leaves its parent's exporter alone
            return
        patience = INTERRUPTED_PATIENCE if kind is KeyboardInterrupt else self._patience
        self._leaving.set()
        self._thread.join(patience)
        self._left.set()
        if self._thread.is_alive():
            self._warn(f"it did not take all spans within {patience:g} s")

    def _run(self) -> None:
        try:
            self._follow()
        except Exception as error:
            self._warn(str(error) if isinstance(error, CollectorError) else f"{type(error).__name__}: {error}")
        finally:
            self._collector.close()
            if self.exported.rejected:
                notice(f"the collector refused {self.exported.rejected} spans of {self._folder}: {self.exported.reason}")

    def _follow(self) -> None:
        while not self._left.is_set():
            leaving = self._leaving.is_set()  # asked before reading, so that what was written before leaving is sent
            spans = self._following.new()
            for batch in self._sending.batches(spans):
                self._deliver(batch)
            if not spans:
                if leaving:
                    return
                self._leaving.wait(POLL)

    def _deliver(self, batch: list[Span]) -> None:
        """Send a batch, however long the collector is away. No further ones are read meanwhile: they are in the files."""
        while not self._left.is_set():
            leaving = self._leaving.is_set()
            try:
                self._sending.send(batch, seconds=0.0 if leaving and self._warned else LIVE_RETRY_SECONDS)
            except CollectorError as error:
                if leaving or not error.retryable:
                    raise
                self._warn(str(error))
                self._leaving.wait(REST)
            else:
                return

    def _give_up(self, seconds: float) -> bool:
        """Wait until asking again, and tell whether nobody waits for the answer any more. Leaving ends one wait early."""
        (self._left if self._leaving.is_set() else self._leaving).wait(seconds)
        return self._left.is_set()

    def _warn(self, reason: str) -> None:
        if not self._warned:
            self._warned = True
            notice(f"spans of {self._folder} do not reach the collector, and the run goes on: {reason}. {LATER}")
