"""One row at work, in an interpreter of its own environment.

    python -m benchmarks.brain.speed.worker ROW DEVICE THREADS

Orders come as JSON lines on stdin, results go as JSON lines to stdout: `{"do": "train", "setting": "width", ...}` has it go
forward and backward for some time.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Callable
from importlib import metadata
from time import perf_counter
from typing import Any

import torch

from benchmarks.brain.speed.layers import SEED, Times, Trained, build, count, stepping, width_in
from benchmarks.brain.speed.rows import COMPILED, ROWS, Row

FEWEST, MOST = 3, 50
"""So often a turn goes forward and backward at least, and at most."""
SENTENCE = 16


def main() -> None:
    results = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no result
    name, device, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    worker = Worker(next(row for row in (*ROWS, *COMPILED) if row.name == name), device)
    for line in sys.stdin:
        results.write(json.dumps(worker.obey(json.loads(line))) + "\n")
    sys.stderr.flush()
    os._exit(0)


class Worker:
    def __init__(self, row: Row, device: str) -> None:
        self.row = row
        self.device = device
        self.trained: dict[str, Trained] = {}
        torch.manual_seed(SEED)
        self.acting = build(row.layer, row.width).to(device).eval() if row.acts else None

    def obey(self, order: dict[str, Any]) -> Any:
        match order:
            case {"do": "versions"}:
                return {package: metadata.version(package) for package in ("torch", *self.row.packages)}
            case {"do": "prepare", "setting": str(setting), "batch": int(batch), "time": int(time)}:
                return self.prepare(setting, batch, time)
            case {"do": "train", "setting": str(setting), "seconds": float(seconds)}:
                return self.train(setting, seconds)
            case {"do": "act", "seconds": float(seconds)}:
                return self.act(seconds)
            case _:
                raise ValueError(order)

    def prepare(self, setting: str, batch: int, time: int) -> dict[str, float]:
        """Build a layer and have it go through once, which is also where it is compiled."""
        row = self.row
        width = width_in(setting, row.layer, row.width, row.multiple)
        batch = min(batch, row.batch or batch)
        trained = Trained(row.layer, width, batch=batch, time=time, device=self.device, is_compiled=row.is_compiled)
        began = perf_counter()
        trained.pass_through()
        self.trained[setting] = trained
        told = {"width": width, "batch": batch, "parameters": count(trained.module), "tokens": batch * time}
        return {**told, "first_seconds": perf_counter() - began}

    def train(self, setting: str, seconds: float) -> dict[str, float]:
        """Go forward and backward for some time, and give the medians of the seconds."""
        trained = self.trained[setting]
        trained.pass_through()
        times: list[Times] = []
        until = perf_counter() + seconds
        while len(times) < FEWEST or (perf_counter() < until and len(times) < MOST):
            times.append(trained.pass_through())
        forward = statistics.median(time.forward for time in times)
        return {"forward_seconds": forward, "seconds": statistics.median(time.both for time in times)}

    def act(self, seconds: float) -> dict[str, float]:
        """Give the microseconds of a step of one sample, and of a sentence at once."""
        module = self.acting
        assert module is not None
        value = torch.randn(1, self.row.width, device=self.device)
        sentence = torch.randn(SENTENCE, 1, self.row.width, device=self.device)
        with torch.inference_mode():
            state = stepping(module, value, SENTENCE)
            step = self._microseconds(lambda: stepping(module, value, SENTENCE, state), seconds) / SENTENCE
            return {"step_microseconds": step, "sentence_microseconds": self._microseconds(lambda: module(sentence), seconds)}

    def _microseconds(self, work: Callable[[], Any], seconds: float) -> float:
        """Give the median of the microseconds that a piece of work takes, after some that are not counted."""
        times: list[float] = []
        until = perf_counter() + seconds
        while len(times) < 2 * FEWEST or perf_counter() < until:
            began = perf_counter()
            work()
            if self.device == "cuda":
                torch.cuda.synchronize()
            times.append(perf_counter() - began)
        return statistics.median(times[FEWEST:]) * 1e6


if __name__ == "__main__":
    main()
