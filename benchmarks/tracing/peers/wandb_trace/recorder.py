"""W&B: a trace tree with the same call, logged by `Trace.log`, offline. A process of its own writes the file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import wandb
from wandb.sdk.data_types.trace_tree import Trace

from benchmarks.tracing.call import NAME


class Recorder:
    def __init__(self, folder: Path) -> None:
        self.logged = 0
        quiet = wandb.Settings(console="off", silent=True, x_disable_stats=True, x_disable_meta=True)
        self.run = wandb.init(project="benchmark", dir=str(folder), mode="offline", settings=quiet)

    def record(self, attributes: dict[str, Any], prompt: list[Any], reply: list[Any]) -> None:
        begun = time.time_ns() // 1_000_000
        said = {"inputs": {"messages": prompt}, "outputs": {"messages": reply}, "metadata": attributes}
        Trace(NAME, kind="LLM", start_time_ms=begun, end_time_ms=time.time_ns() // 1_000_000, **said).log("trace")
        self.logged += 1

    def flush(self) -> None:
        """Do nothing: what was logged is with the other process."""

    def recorded(self) -> int:
        return self.logged
