"""The measurement: two processes a row that stay, and rounds in which everyone has a turn.

    Bench.check, Bench.start, then Bench.round as often as wanted -> for every row and measure, one number a round

One process of a row makes calls one after the other; another keeps many in flight; import times need fresh ones.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from benchmarks.typed_calls.processes import Server, arguments_of, processor_seconds, serving, working
from benchmarks.typed_calls.rows import Row
from benchmarks.workers import Worker

IN_FLIGHT = 200
LATENCY_MS = 50
WARM_UP = 30
BATCHES = 3  # some clients' batches cost differently by turns, as they keep fewer connections than they open

Measures = dict[str, list[float]]


class Bench:
    """Everything that runs while a table is measured: used by `with`, it ends its processes.

    Attributes:
        rows: Who is measured.
        calls: How many calls one after the other make one number.
        results: For every row and measure, one number a round.
    """

    def __init__(self, rows: Sequence[Row], calls: int) -> None:
        self.rows = rows
        self.calls = calls
        self.results: dict[str, Measures] = {row.name: {} for row in rows}
        self._asked = {row.name: 0 for row in rows}
        self._running = ExitStack()
        self._server: Server
        self._one_by_one: dict[str, Worker] = {}
        self._together: dict[str, Worker] = {}

    def __enter__(self) -> Self:
        self._server = self._running.enter_context(serving())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._running.close()

    def check(self, row: Row) -> dict[str, str]:
        """See that a row answers rightly, asks the server each time, and reaches no other address; give its versions."""
        with working(row, self._server.url(row)) as worker:
            made: int = worker.obey(do="check")["calls"]
            versions: dict[str, str] = worker.obey(do="versions", packages=row.packages)
        self._count(row, made)
        return versions

    def start(self, row: Row) -> None:
        """Start a row's two processes, and let them make their first calls."""
        self._one_by_one[row.name] = self._running.enter_context(working(row, self._server.url(row)))
        self._together[row.name] = self._running.enter_context(working(row, self._server.url(row, LATENCY_MS)))
        self._one_by_one[row.name].obey(do="sequential", calls=WARM_UP)
        self._together[row.name].obey(do="in_flight", calls=IN_FLIGHT)
        self._count(row, WARM_UP + IN_FLIGHT)

    def round(self, done: Callable[[Row], None]) -> None:
        """Let every row have a turn at each of the measures."""
        for row in self.rows:
            for name, value in (*self._calls(row), *self._imports(row)):
                self.results[row.name].setdefault(name, []).append(value)
            done(row)

    def _calls(self, row: Row) -> Iterator[tuple[str, float]]:
        one_by_one, together = self._one_by_one[row.name], self._together[row.name]
        # Idle connections may have been closed since this row's last turn, so both begin with calls that do not count.
        one_by_one.obey(do="sequential", calls=WARM_UP)
        found = one_by_one.obey(do="sequential", calls=self.calls)
        yield "sequential_cpu_microseconds", found["microseconds"]
        yield "sequential_wall_microseconds", found["wall_seconds"] / self.calls * 1e6
        together.obey(do="in_flight", calls=IN_FLIGHT)
        batches = [together.obey(do="in_flight", calls=IN_FLIGHT) for _ in range(BATCHES)]
        yield "in_flight_cpu_microseconds", statistics.fmean(batch["microseconds"] for batch in batches)
        yield "in_flight_wall_seconds", statistics.fmean(batch["wall_seconds"] for batch in batches)
        self._count(row, WARM_UP + self.calls + (1 + BATCHES) * IN_FLIGHT)

    def _imports(self, row: Row) -> Iterator[tuple[str, float]]:
        url = self._server.url(row)
        # Every one of these leaves at once, so that none of them pays for taking the modules down again.
        bare = processor_seconds(row, url, "-c", "import os; os._exit(0)")
        yield "import_cpu_seconds", processor_seconds(row, url, "-c", f"import os; {row.imported}; os._exit(0)") - bare
        order = json.dumps({"do": "sequential", "calls": 1}).encode()
        yield "first_value_cpu_seconds", processor_seconds(row, url, *arguments_of(row), given=order) - bare
        self._count(row, 1)

    def _count(self, row: Row, calls: int) -> None:
        """Fail unless every call was one request: an answer from a cache, or a second attempt, would be no measurement."""
        self._asked[row.name] += calls
        seen = self._server.requests().get(row.name, 0)
        if seen != self._asked[row.name]:
            message = f"{row.title} made {seen} requests for {self._asked[row.name]} calls"
            raise SystemExit(message)
