"""One training run in a process of its own, with one thread."""

from __future__ import annotations

import json
from typing import Any

import torch

from benchmarks.brain.learning.plan import TASKS, Unit, settings


def begin() -> None:
    """Set a worker up."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def work(unit: Unit) -> dict[str, Any]:
    """Run a unit and give its record, as it is read from a file."""
    record = {**unit._asdict(), "settings": settings(unit.task)}
    record |= TASKS[unit.task].run(unit.model, unit.seed, unit.rate, unit.steps)
    record["updates"], record["steps"] = record["steps"], unit.steps
    loaded: dict[str, Any] = json.loads(json.dumps(record))
    return loaded
