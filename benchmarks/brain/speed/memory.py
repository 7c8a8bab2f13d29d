"""How much memory a pass forward and backward takes, told by a fresh process.

python -m benchmarks.brain.speed.memory ROW STEPS BATCH
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.brain.speed.layers import Trained
from benchmarks.brain.speed.rows import ROWS


def main() -> None:
    name, steps, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    row = next(row for row in ROWS if row.name == name)
    Trained(row.layer, row.width, batch=batch, time=2, device="cpu").pass_through()  # code and tables are loaded
    before = peak_bytes()
    trained = Trained(row.layer, row.width, batch=batch, time=steps, device="cpu")
    trained.pass_through()
    print(json.dumps({"peak_bytes": peak_bytes() - before, "saved_bytes": saved_bytes(trained)}))


def peak_bytes() -> int:
    """Give the most memory that this process has held so far."""
    status = Path("/proc/self/status")
    if status.is_file():  # elsewhere a process may inherit the peak of the one that began it
        (line,) = (line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def saved_bytes(trained: Trained) -> int:
    """Add up what autograd keeps between forward and backward: each storage once, without parameters and inputs."""
    known = {value.untyped_storage().data_ptr() for value in (*trained.module.parameters(), trained.inputs)}
    saved: dict[int, int] = {}

    def keep(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in known:
            saved[storage.data_ptr()] = storage.nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        trained.pass_through()
    return sum(saved.values())


if __name__ == "__main__":
    main()
