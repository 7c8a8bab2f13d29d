"""Recording a call of a model, llm_brain's way and others'; and a million spans through the reader.

    python -m benchmarks.tracing.run                                 # all of it: the results and the page's tables
    python -m benchmarks.tracing.run --quick --peers llm_brain       # a look in seconds, which writes nothing

Every row records the same calls into files. The first run installs the peers into environments of their own. Rounds are
interleaved, so that a busy machine is busy for all.
"""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.progress import track

from benchmarks.environments import make_environments
from benchmarks.reports import machine, write
from benchmarks.tracing.measure import Bench, read_through
from benchmarks.tracing.report import summarised, table, tables
from benchmarks.tracing.rows import ROWS, Row

ROUNDS = 15
CALLS = 1_000
READ = (100_000, 1_000_000)


def main() -> None:
    asked = arguments()
    rows = [row for row in ROWS if not asked.peers or row.name in asked.peers]
    make_environments(row.environment for row in rows if row.environment)
    record = measured(rows, *((2, 200) if asked.quick else (asked.rounds, CALLS)))
    Console().print(table(record))
    if not asked.quick and len(rows) == len(ROWS):
        record["reader"] = [read_through(spans) for spans in track(READ, "the reader", transient=True)]
        write("tracing", record, tables(record))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often everyone has a turn (default: {ROUNDS})")
    parser.add_argument("--quick", action="store_true", help="two short rounds; nothing is written")
    parser.add_argument("--peers", nargs="+", choices=[row.name for row in ROWS], help="only these; nothing is written")
    return parser.parse_args()


def measured(rows: list[Row], rounds: int, calls: int) -> dict[str, object]:
    with Bench(rows, calls) as bench:
        versions = {row.name: bench.versions(row) for row in rows}
        for _ in track(range(rounds), "rounds", transient=True):
            bench.round()
    return {
        "machine": machine(),
        "rounds": rounds,
        "calls": calls,
        "rows": {name: {"versions": versions[name], **row} for name, row in summarised(bench.results).items()},
    }


if __name__ == "__main__":
    main()
