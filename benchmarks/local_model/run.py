"""The embedded model: calls one after the other and at once, beside transformers' own `generate`.

    python -m benchmarks.local_model.run           # all of it: the results and the page's table, about ten minutes
    python -m benchmarks.local_model.run --quick   # one round, which writes nothing

In every round each way of asking has one turn, so that a busy machine is busy for all; a ratio is the median of the rounds' own.
"""

from __future__ import annotations

import argparse
import gc
import os
import time

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks.local_model.contenders import Way, ways
from benchmarks.local_model.questions import AT_ONCE
from benchmarks.local_model.report import results, summarised, table
from benchmarks.reports import machine, write
from llm_brain.backends.local.processors import native_dtype

ROUNDS = 5


def main() -> None:
    asked = arguments()
    before = os.getloadavg()[0]
    groups = ways()
    record = {
        "machine": machine(torch=torch.__version__, dtype=str(native_dtype()).removeprefix("torch.")),
        "rounds": asked.rounds,
        "calls": AT_ONCE,
        "groups": summarised(measured(groups, asked.rounds), AT_ONCE),
        "load": {"before": before, "after": os.getloadavg()[0]},
    }
    Console().print(table(record))
    if not asked.quick:
        write("local_model", record, {"results": results(record)})


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often everyone has a turn (default: {ROUNDS})")
    parser.add_argument("--quick", action="store_true", help="one round; nothing is written")
    asked = parser.parse_args()
    asked.rounds = 1 if asked.quick else asked.rounds
    return asked


def measured(groups: dict[str, dict[str, Way]], rounds: int) -> dict[str, dict[str, list[dict[str, float]]]]:
    turned: dict[str, dict[str, list[dict[str, float]]]] = {
        group: {name: [] for name in members} for group, members in groups.items()
    }
    turns = [(group, name, way) for group, members in groups.items() for name, way in members.items()]
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task("warming up", total=len(turns) * rounds)
        for way in (groups["typed calls"][f"{AT_ONCE} threads"], groups["free text"][f"llm_brain, {AT_ONCE} threads"]):
            way()
        for number in range(rounds):
            for group, name, way in turns:
                progress.update(task, description=f"round {number + 1}: {group}, {name}")
                turned[group][name].append(turn(way))
                progress.advance(task)
    return turned


def turn(way: Way) -> dict[str, float]:
    gc.collect()
    seconds, cpu = time.perf_counter(), time.process_time()
    tokens = way()
    return {"seconds": time.perf_counter() - seconds, "cpu_seconds": time.process_time() - cpu, "tokens": tokens}


if __name__ == "__main__":
    main()
