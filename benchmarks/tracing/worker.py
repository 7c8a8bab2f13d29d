"""One row at work, in an interpreter of its own environment.

    python -m benchmarks.tracing.worker ROW FOLDER

Orders come as JSON lines on stdin, results go as JSON lines to stdout: `{"do": "record", "count": 1000}` records so many calls.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.tracing.call import Call
from benchmarks.tracing.processors import children_seconds

SETTLED = 0.3
"""So long, in seconds, the processes that a row has begun must have been idle before they count as done."""


def main() -> None:
    results = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no result
    recorder = importlib.import_module(f"benchmarks.tracing.peers.{sys.argv[1]}.recorder").Recorder(Path(sys.argv[2]))
    for line in sys.stdin:
        results.write(json.dumps(obey(recorder, json.loads(line))) + "\n")
    sys.stderr.flush()
    os._exit(0)


def obey(recorder: Any, order: dict[str, Any]) -> Any:
    match order:
        case {"do": "versions", "packages": packages}:
            return {package: metadata.version(package) for package in packages}
        case {"do": "record", "count": int(count)}:
            return recorded(recorder, count)
        case {"do": "count"}:
            return recorder.recorded()
        case _:
            raise ValueError(order)


def recorded(recorder: Any, count: int) -> dict[str, float]:
    """Record calls, and give the microseconds a call: this process's, those of the processes it has begun, and the clock's."""
    calls = [(call.attributes, call.prompt, call.reply) for call in map(Call, range(count))]
    gc.collect()
    children, wall, processor = children_seconds(), time.perf_counter(), time.process_time()
    for attributes, prompt, reply in calls:
        recorder.record(attributes, prompt, reply)
    wall = time.perf_counter() - wall
    recorder.flush()
    processor = time.process_time() - processor
    children = settled() - children
    return {
        "cpu_microseconds": processor / count * 1e6,
        "children_cpu_microseconds": children / count * 1e6,
        "wall_microseconds": wall / count * 1e6,
    }


def settled() -> float:
    """Wait until the processes that were begun here are idle, and tell what they have used in all."""
    used, since = children_seconds(), time.monotonic()
    while used and time.monotonic() - since < SETTLED:
        time.sleep(SETTLED / 6)
        now = children_seconds()
        if now - used > 0.01:  # one tick of the kernel's clock
            since = time.monotonic()
        used = now
    return used


if __name__ == "__main__":
    main()
