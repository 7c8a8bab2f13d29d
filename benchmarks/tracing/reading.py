"""Reads a run, adds it up by function with the percentiles, and tells what that took.

python -m benchmarks.tracing.reading FOLDER
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from llm_brain.tracing import SpanRecord, read_spans
from llm_brain.tracing.totals import totals_by_function


def main() -> None:
    before = peak()
    processor, wall = time.process_time(), time.perf_counter()
    counted = 0

    def spans() -> Iterator[SpanRecord]:
        nonlocal counted
        for one in read_spans(sys.argv[1]):
            counted += 1
            yield one

    totals = totals_by_function(spans)
    told = {
        "spans": counted,
        "cpu_seconds": time.process_time() - processor,
        "wall_seconds": time.perf_counter() - wall,
        "read_bytes": peak() - before,
    }
    for total in totals:
        assert 0 < total.p50 <= total.p95
    told |= {"percentile_bytes": peak() - before, "peak_bytes": peak()}
    print(json.dumps(told))


def peak() -> int:
    """Tell the most memory that this process has had, in bytes.

    Linux' `ru_maxrss` begins with what the process had that began this one, so there it is asked for elsewhere.
    """
    if sys.platform == "linux":
        (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
