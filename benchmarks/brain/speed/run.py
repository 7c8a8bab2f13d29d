"""The speed and the memory of the brain's layers, beside torch's nn.GRU, spiking and plastic libraries, and plain loops.

    python -m benchmarks.brain.speed.run                              # all of it: the results, the page's tables, the picture
    python -m benchmarks.brain.speed.run --quick --rows gru neuron    # a look in a minute, which writes nothing

Every row takes the same batches forward and backward. The first run installs the peers into environments of their own. Rounds
are interleaved, so that a busy machine is busy for all.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import torch
from rich.console import Console
from rich.progress import track

from benchmarks.brain.speed.measure import Bench, Load, Place, told_by
from benchmarks.brain.speed.picture import PICTURE, draw
from benchmarks.brain.speed.report import summarised, tables, terminal_tables
from benchmarks.brain.speed.rows import COMPILED, GROWING, LASTING, ROWS, Row
from benchmarks.environments import make_environments
from benchmarks.reports import ROOT, machine, write

THREADS = (1, 2)
QUICK = Load(rounds=2, seconds=0.1, batch=8, time=32)
STEPS = (64, 128, 256, 512, 1024)
MEMORY_BATCH = 8
LONG = 100_000


def main() -> None:
    asked = arguments()
    everyone = (*ROWS, *COMPILED) if asked.compile else ROWS
    rows = [row for row in everyone if not asked.rows or row.name in asked.rows]
    make_environments(row.environment for row in rows if row.environment)
    load = QUICK if asked.quick else Load(rounds=asked.rounds)
    record = measured(rows, places(asked.threads), load)
    record["memory"] = memory(rows, STEPS[:2] if asked.quick else STEPS)
    record["lasting"] = lasting(rows, LONG // 50 if asked.quick else LONG)
    for table in terminal_tables(record):
        Console().print(table)
    if not asked.quick and len(rows) >= len(ROWS) and tuple(asked.threads) == THREADS:
        draw(record)
        print(f"wrote {PICTURE.relative_to(ROOT)}")
        write("brain_speed", record, tables(record))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [row.name for row in (*ROWS, *COMPILED)]
    rounds = Load().rounds
    parser.add_argument("--rounds", type=int, default=rounds, help=f"how often everyone has a turn (default: {rounds})")
    parser.add_argument("--quick", action="store_true", help="two short rounds of small batches; nothing is written")
    parser.add_argument("--rows", nargs="+", choices=names, metavar="ROW", help="only these; nothing is written")
    parser.add_argument("--threads", nargs="+", type=int, default=THREADS, help="of torch (default: 1 and 2)")
    parser.add_argument("--compile", action="store_true", help="torch.compile's rows, too, which take minutes to compile")
    return parser.parse_args()


def places(threads: Sequence[int]) -> list[Place]:
    """Give the processor with so many threads, and the GPU where there is one."""
    found = [Place("cpu", count) for count in threads]
    return [*found, Place("cuda", 1)] if torch.cuda.is_available() else found


def measured(rows: list[Row], where: list[Place], load: Load) -> dict[str, Any]:
    record: dict[str, Any] = {
        "machine": machine(torch=torch.__version__, gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else None),
        "rounds": load.rounds,
        "batch": load.batch,
        "time": load.time,
        "places": {},
    }
    for place in where:
        with Bench(rows, place, load) as bench:
            for _ in track(range(load.rounds), f"{place.name}: rounds", transient=True):
                bench.round()
        record["places"][place.name] = {"device": place.device, "threads": place.threads, "rows": summarised(bench.results)}
        record["sizes"] = bench.sizes
        record["versions"] = bench.versions
    return record


def memory(rows: list[Row], steps: Sequence[int]) -> dict[str, Any]:
    """Measure the memory of a pass against the length of its sequences."""
    growing = [row for row in rows if row.name in GROWING]
    told = {
        row.name: [
            {"steps": time, **told_by("memory", row.name, str(time), str(MEMORY_BATCH), row=row)}
            for time in track(steps, f"memory: {row.title}", transient=True)
        ]
        for row in growing
    }
    return {"batch": MEMORY_BATCH, "rows": told}


def lasting(rows: list[Row], steps: int) -> dict[str, Any]:
    """Measure very many steps."""
    chosen = [row for row in rows if row.name in LASTING]
    return {row.name: told_by("lasting", row.name, str(steps), row=row) for row in track(chosen, "steps", transient=True)}


if __name__ == "__main__":
    main()
