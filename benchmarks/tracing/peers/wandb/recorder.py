"""W&B: `run.log` of the attributes and of the messages as JSON text, offline. A process of its own writes the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import wandb


class Recorder:
    def __init__(self, folder: Path) -> None:
        self.logged = 0
        quiet = wandb.Settings(console="off", silent=True, x_disable_stats=True, x_disable_meta=True)
        self.run = wandb.init(project="benchmark", dir=str(folder), mode="offline", settings=quiet)

    def record(self, attributes: dict[str, Any], prompt: list[Any], reply: list[Any]) -> None:
        row = {**attributes, "gen_ai.input.messages": json.dumps(prompt), "gen_ai.output.messages": json.dumps(reply)}
        self.run.log(row)
        self.logged += 1

    def flush(self) -> None:
        """Do nothing: what was logged is with the other process."""

    def recorded(self) -> int:
        return self.logged
