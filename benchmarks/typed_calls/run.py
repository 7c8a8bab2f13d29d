"""Typed function calls, by llm_brain and by others: CPU time a call, 200 calls in flight, and the import.

    python -m benchmarks.typed_calls.run                            # all of it: the results, the plot, the page's tables
    python -m benchmarks.typed_calls.run --quick --peers llm_brain  # a look in seconds, which writes nothing

Every row makes the same call to the same server on the loopback interface, and gives the same value or fails. The first
run installs each peer into an environment of its own. Rounds are interleaved, so that a busy machine is busy for all.
"""

from __future__ import annotations

import argparse
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks.environments import make_environments
from benchmarks.reports import ROOT, machine, write
from benchmarks.typed_calls.measure import IN_FLIGHT, LATENCY_MS, Bench
from benchmarks.typed_calls.report import draw, summarised, table, tables
from benchmarks.typed_calls.rows import ROWS, Row

ROUNDS = 7
CALLS = 100
PICTURE = ROOT / "docs" / "pictures" / "typed-calls.svg"


def main() -> None:
    asked = arguments()
    rows = [row for row in ROWS if not asked.peers or row.name in asked.peers]
    make_environments(row.environment for row in rows if row.environment)
    record = measured(rows, *((2, 50) if asked.quick else (asked.rounds, CALLS)))
    Console().print(table(record))
    if not asked.quick and len(rows) == len(ROWS):
        write("typed_calls", record, tables(record))
        draw(record, PICTURE)
        print(f"wrote {PICTURE.relative_to(ROOT)}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often everyone has a turn (default: {ROUNDS})")
    parser.add_argument("--quick", action="store_true", help="two short rounds; nothing is written")
    parser.add_argument("--peers", nargs="+", choices=[row.name for row in ROWS], help="only these; nothing is written")
    return parser.parse_args()


def measured(rows: list[Row], rounds: int, calls: int) -> dict[str, object]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, transient=True) as progress, Bench(rows, calls) as bench:
        task = progress.add_task("checking", total=len(rows) * (rounds + 2))

        def step(what: str, row: Row) -> None:
            progress.update(task, description=f"{what}: {row.title}", advance=1)

        versions = {}
        for row in rows:
            versions[row.name] = bench.check(row)
            step("checked", row)
        for row in rows:
            bench.start(row)
            step("warmed up", row)
        for number in range(rounds):
            bench.round(partial(step, f"round {number + 1} of {rounds}"))
    return {
        "machine": machine(),
        "rounds": rounds,
        "calls_one_by_one": calls,
        "calls_in_flight": IN_FLIGHT,
        "latency_ms": LATENCY_MS,
        "rows": {name: {"versions": versions[name], **row} for name, row in summarised(bench.results).items()},
    }


if __name__ == "__main__":
    main()
