"""Memory and speed of very many steps, one at a time, told by a fresh process.

python -m benchmarks.brain.speed.lasting ROW STEPS
"""

from __future__ import annotations

import json
import sys
from time import perf_counter

import torch

from benchmarks.brain.speed.layers import SEED, build, stepping
from benchmarks.brain.speed.memory import peak_bytes
from benchmarks.brain.speed.rows import ROWS

EARLY = 1_000


def main() -> None:
    name, steps = sys.argv[1], int(sys.argv[2])
    row = next(row for row in ROWS if row.name == name)
    torch.manual_seed(SEED)
    module = build(row.layer, row.width).eval()
    value = torch.randn(1, row.width)
    with torch.inference_mode():
        state = stepping(module, value, EARLY)
        early, began = peak_bytes(), perf_counter()
        stepping(module, value, steps - EARLY, state)
        seconds = perf_counter() - began
    told = {"early_steps": EARLY, "early_peak_bytes": early, "steps": steps, "peak_bytes": peak_bytes()}
    print(json.dumps({**told, "steps_per_second": (steps - EARLY) / seconds}))


if __name__ == "__main__":
    main()
