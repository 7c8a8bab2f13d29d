"""The measurement: two processes a row, on one folder, and rounds in which everyone has a turn."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.cache.rows import Row
from benchmarks.reports import ROOT
from benchmarks.workers import Worker

THREADS = 16
Measures = dict[str, list[float]]


class Asker(Worker):
    """A row's process, which asks for values."""

    def ask(self, first: int, count: int, *, new: bool, threads: int = 1) -> dict[str, float]:
        self.begin(do="ask", first=first, count=count, new=new, threads=threads, insist=False)
        result: dict[str, float] = self.result()
        return result


class Bench:
    """Everything that runs while a table is measured: used by `with`, it ends its processes.

    Attributes:
        rows: Who is measured.
        calls: How many questions make one number.
        results: For every row and measure, one number a round.
    """

    def __init__(self, rows: Sequence[Row], calls: int) -> None:
        self.rows = rows
        self.calls = calls
        self.results: dict[str, Measures] = {row.name: {} for row in rows}
        self._running = ExitStack()
        self._workers: dict[str, tuple[Asker, Asker]] = {}
        self._next = 0

    def __enter__(self) -> Self:
        for row in self.rows:
            folder = Path(self._running.enter_context(tempfile.TemporaryDirectory()))
            one = self._running.enter_context(working(row, folder))
            one.ask(0, self.calls, new=True)
            one.ask(0, self.calls, new=False)
            # Only now: langchain's cache fails where two processes make it at the same time.
            other = self._running.enter_context(working(row, folder))
            other.ask(0, self.calls, new=False)
            self._workers[row.name] = one, other
        self._next = self.calls
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._running.close()

    def versions(self, row: Row) -> dict[str, str]:
        worker, _ = self._workers[row.name]
        worker.begin(do="versions", packages=row.packages)
        versions: dict[str, str] = worker.result()
        return versions

    def round(self) -> None:
        """Let every row have a turn at each of the measures, with the same questions."""
        for row in self.rows:
            for name, value in self._measured(*self._workers[row.name]):
                self.results[row.name].setdefault(name, []).append(value)
        self._next += 2 * self.calls

    def _measured(self, one: Asker, other: Asker) -> Iterator[tuple[str, float]]:
        calls, half = self.calls, self.calls // 2
        hit = one.ask(0, calls, new=False)
        yield "hit_cpu_microseconds", hit["cpu_microseconds"]
        yield "hit_wall_microseconds", hit["wall_microseconds"]
        written = one.ask(self._next, calls, new=True)
        yield "written_cpu_microseconds", written["cpu_microseconds"]
        yield "written_wall_microseconds", written["wall_microseconds"]
        threads = one.ask(0, calls // 4, new=False, threads=THREADS)
        yield "threads_cpu_microseconds", threads["cpu_microseconds"]
        yield "threads_wall_microseconds", threads["wall_microseconds"]
        first = self._next + calls
        one.begin(do="ask", first=first, count=half, new=True, threads=1, insist=True)
        other.begin(do="ask", first=first + half, count=half, new=True, threads=1, insist=True)
        results = one.result(), other.result()
        yield "processes_wall_microseconds", max(result["wall_microseconds"] for result in results) / 2
        yield "processes_failures", sum(result["failures"] for result in results)
        # Each finds what the other one has written: whatever is lost ends the run.
        other.ask(first, half, new=False)
        one.ask(first + half, half, new=False)


@contextmanager
def working(row: Row, folder: Path) -> Iterator[Asker]:
    """Run a row's process; its standard input's end is its own."""
    command = [str(row.python), "-m", f"{__package__}.worker", row.name, str(folder)]
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    variables = {**kept, "HOME": str(folder), "LANGCHAIN_TRACING_V2": "false", "LANGSMITH_TRACING": "false", "DO_NOT_TRACK": "1"}
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        tempfile.TemporaryFile("w+") as complaints,
        subprocess.Popen(command, cwd=ROOT, env=variables, stderr=complaints, **pipes) as process,
    ):
        try:
            yield Asker(row.title, process, complaints)
        finally:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
