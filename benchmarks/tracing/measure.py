"""The measurement: a process a row, rounds in which everyone has a turn, and a million spans through the reader."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.reports import ROOT
from benchmarks.tracing.call import Call
from benchmarks.tracing.peers.llm_brain.recorder import Recorder
from benchmarks.tracing.rows import Row
from benchmarks.workers import Worker

Measures = dict[str, list[float]]
BLOCK = 1_000


class Bench:
    """Everything that runs while a table is measured: used by `with`, it ends its processes.

    Attributes:
        rows: Who is measured.
        calls: How many spans make one number.
        results: For every row and measure, one number a round.
        asked: How many spans every row should have recorded.
    """

    def __init__(self, rows: Sequence[Row], calls: int) -> None:
        self.rows = rows
        self.calls = calls
        self.results: dict[str, Measures] = {row.name: {} for row in rows}
        self._running = ExitStack()
        self._workers: dict[str, Worker] = {}
        self.asked = 0

    def __enter__(self) -> Self:
        for row in self.rows:
            folder = Path(self._running.enter_context(tempfile.TemporaryDirectory()))
            self._workers[row.name] = self._running.enter_context(working(row, folder))
            self._workers[row.name].obey(do="record", count=self.calls)
        self.asked = self.calls
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._running.close()

    def versions(self, row: Row) -> dict[str, str]:
        versions: dict[str, str] = self._workers[row.name].obey(do="versions", packages=row.packages)
        return versions

    def round(self) -> None:
        """Let every row record the same calls, one row after the other, and count what it has recorded so far."""
        self.asked += self.calls
        for row in self.rows:
            worker = self._workers[row.name]
            for name, value in worker.obey(do="record", count=self.calls).items():
                self.results[row.name].setdefault(name, []).append(value)
            found = worker.obey(do="count")
            assert found == self.asked, f"{row.title} has recorded {found} calls of {self.asked}"


@contextmanager
def working(row: Row, folder: Path) -> Iterator[Worker]:
    """Run a row's process; its standard input's end is its own."""
    command = [str(row.python), "-m", f"{__package__}.worker", row.name, str(folder)]
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    variables = {**kept, "HOME": str(folder), "WANDB_MODE": "offline", "DO_NOT_TRACK": "1"}
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        tempfile.TemporaryFile("w+") as complaints,
        subprocess.Popen(command, cwd=ROOT, env=variables, stderr=complaints, **pipes) as process,
    ):
        try:
            yield Worker(row.title, process, complaints)
        finally:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()


def read_through(spans: int) -> dict[str, float]:
    """Have a run of so many spans read and added up, in a process of its own; tells its time and its memory."""
    with tempfile.TemporaryDirectory() as folder:
        size = write_run(Path(folder), spans)
        command = [sys.executable, "-m", f"{__package__}.reading", folder]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    told: dict[str, float] = json.loads(done.stdout)
    assert told["spans"] == spans
    return {**told, "bytes": size}


def write_run(folder: Path, spans: int) -> int:
    """Write a run of so many spans, those of a thousand calls over and over, and tell its size."""
    recorder = Recorder(folder)
    for call in map(Call, range(min(spans, BLOCK))):
        recorder.record(call.attributes, call.prompt, call.reply)
    (file,) = (folder / "spans").iterdir()
    block = file.read_bytes()
    with file.open("ab") as lines:
        for _ in range(spans // BLOCK - 1):
            lines.write(block)
    return file.stat().st_size
