"""What processes have used of the processors, as Linux tells it."""

from __future__ import annotations

import os
from pathlib import Path

PROCESSES = Path("/proc")


def children_seconds() -> float:
    """Tell the processor time of all living processes that this one has begun, and of those that they have; elsewhere 0."""
    ticks = os.sysconf("SC_CLK_TCK")
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for folder in PROCESSES.glob("[0-9]*"):
        try:
            _, _, told = (folder / "stat").read_text().rpartition(")")
        except OSError:  # it has ended
            continue
        fields = told.split()
        parents[int(folder.name)] = int(fields[1])
        used[int(folder.name)] = (int(fields[11]) + int(fields[12])) / ticks
    return sum(used[process] for process in parents if process != os.getpid() and _is_ours(process, parents))


def _is_ours(process: int, parents: dict[int, int]) -> bool:
    while process in parents:
        if parents[process] == os.getpid():
            return True
        process = parents[process]
    return False
