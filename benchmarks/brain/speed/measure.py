"""The measurement: a process a row, and rounds in which everyone has a turn."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from rich.progress import track

from benchmarks.brain.speed.rows import Row
from benchmarks.reports import ROOT
from benchmarks.workers import Worker

Measures = dict[str, list[float]]


@dataclass(frozen=True)
class Place:
    """Where rows run.

    Attributes:
        device: What torch calls it: cpu or cuda.
        threads: Of torch.
    """

    device: str
    threads: int

    @property
    def name(self) -> str:
        return f"{self.device}_{self.threads}"


@dataclass(frozen=True)
class Load:
    """How much is measured.

    Attributes:
        rounds: How often everyone has a turn.
        seconds: How long a turn goes forward and backward, at one size.
        batch: Sequences at once.
        time: Steps of a sequence.
    """

    rounds: int = 7
    seconds: float = 1.0
    batch: int = 32
    time: int = 128


class Bench:
    """Everything that runs while one place is measured: used by `with`, it ends its processes.

    Attributes:
        rows: Who is measured.
        results: For every row and measure, one number a round; a measure of training is called `SETTING.NAME`.
        sizes: For every row and setting, its width, its parameters, its batch, and how long its first pass took.
        versions: For every row, those of its packages.
    """

    def __init__(self, rows: Sequence[Row], place: Place, load: Load) -> None:
        self.rows = rows
        self.results: dict[str, Measures] = {row.name: {} for row in rows}
        self.sizes: dict[str, dict[str, dict[str, float]]] = {row.name: {} for row in rows}
        self.versions: dict[str, dict[str, str]] = {}
        self._place = place
        self._load = load
        self._running = ExitStack()
        self._workers: dict[str, Worker] = {}

    def __enter__(self) -> Self:
        size = {"batch": self._load.batch, "time": self._load.time}
        for row in track(self.rows, f"{self._place.name}: building", transient=True):
            worker = self._workers[row.name] = self._running.enter_context(working(row, self._place))
            self.versions[row.name] = worker.obey(do="versions")
            for setting in row.settings:
                self.sizes[row.name][setting] = worker.obey(do="prepare", setting=setting, **size)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._running.close()

    def round(self) -> None:
        """Let every row have its turn, one after the other."""
        for row in self.rows:
            worker = self._workers[row.name]
            for setting in row.settings:
                size = self.sizes[row.name][setting]
                took = worker.obey(do="train", setting=setting, seconds=self._load.seconds)
                self._keep(row, f"{setting}.tokens_per_second", size["tokens"] / took["seconds"])
                self._keep(row, f"{setting}.forward_tokens_per_second", size["tokens"] / took["forward_seconds"])
            if row.acts:
                for name, value in worker.obey(do="act", seconds=self._load.seconds / 4).items():
                    self._keep(row, name, value)

    def _keep(self, row: Row, measure: str, value: float) -> None:
        self.results[row.name].setdefault(measure, []).append(value)


@contextmanager
def working(row: Row, place: Place) -> Iterator[Worker]:
    """Run a row's process; its standard input's end is its own."""
    command = [str(row.python), "-m", f"{__package__}.worker", row.name, place.device, str(place.threads)]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        tempfile.TemporaryFile("w+") as complaints,
        subprocess.Popen(command, cwd=ROOT, env=variables(place.threads), stderr=complaints, **pipes) as process,
    ):
        try:
            yield Worker(row.title, process, complaints)
        finally:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()


def told_by(module: str, *arguments: str, row: Row) -> Any:
    """Run a module of this folder in a fresh process of a row's, with one thread, and read what it tells."""
    command = [str(row.python), "-m", f"{__package__}.{module}", *arguments]
    # glibc then gives back a tensor's memory when it is freed: holes in its heap would count as memory that is needed.
    settings = {**variables(1), "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"{row.title} failed:\n{done.stderr[-4000:]}"
        raise SystemExit(message)
    return json.loads(done.stdout)


def variables(threads: int) -> dict[str, str]:
    """Give a process's environment: libraries read how many threads they have before torch can tell them."""
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}
