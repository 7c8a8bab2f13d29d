"""Answer caches, llm_brain's and others': a hit, a miss that is written, sixteen threads, and two processes on one file.

    python -m benchmarks.cache.run                                 # all of it: the results and the page's tables
    python -m benchmarks.cache.run --quick --peers llm_brain       # a look in seconds, which writes nothing

Every row keeps the answers of a model that answers at once, and every answer is compared with the right one. The first
run installs the peers into environments of their own. Rounds are interleaved, so that a busy machine is busy for all.
"""

from __future__ import annotations

import argparse
import json
import os
import platform

from rich.console import Console
from rich.progress import track

from benchmarks.cache.environments import make_environments
from benchmarks.cache.measure import Bench
from benchmarks.cache.report import fill, summarised, table
from benchmarks.cache.rows import ROOT, ROWS, Row

ROUNDS = 9
CALLS = 1000
RESULTS = ROOT / "benchmarks" / "results" / "cache.json"
PAGE = ROOT / "docs" / "benchmarks" / "cache.md"


def main() -> None:
    asked = arguments()
    rows = [row for row in ROWS if not asked.peers or row.name in asked.peers]
    make_environments(rows)
    record = measured(rows, *((2, 200) if asked.quick else (asked.rounds, CALLS)))
    Console().print(table(record))
    if not asked.quick and len(rows) == len(ROWS):
        RESULTS.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        PAGE.write_text(fill(PAGE.read_text(encoding="utf-8"), record), encoding="utf-8")
        print(f"wrote {RESULTS.relative_to(ROOT)} and {PAGE.relative_to(ROOT)}")


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


def machine() -> dict[str, object]:
    return {
        "cpu_count": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "system": platform.system(),
    }


if __name__ == "__main__":
    main()
