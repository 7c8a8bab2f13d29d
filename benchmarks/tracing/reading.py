"""Reads a run, adds it up by name with its percentiles, and tells what that took.

python -m benchmarks.tracing.reading FOLDER
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from llm_brain.tracing import read_spans, summarize


def main() -> None:
    before = peak()
    processor, wall = time.process_time(), time.perf_counter()
    summaries = summarize(read_spans(sys.argv[1]))
    told = {
        "spans": sum(summary.calls for summary in summaries),
        "cpu_seconds": time.process_time() - processor,
        "wall_seconds": time.perf_counter() - wall,
        "read_bytes": peak() - before,
    }
    for summary in summaries:
        assert 0 < summary.p50 <= summary.p95
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
