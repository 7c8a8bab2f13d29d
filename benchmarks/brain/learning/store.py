"""The file of finished runs: written after every run, so that an interrupted benchmark goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.brain.learning.plan import Unit, settings


class Store:
    """The finished runs of a file, and of none where `path` is None."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        record = json.loads(path.read_text(encoding="utf-8")) if path is not None and path.is_file() else {}
        self.runs: list[dict[str, Any]] = record.get("runs", [])
        self.more: dict[str, Any] = {name: value for name, value in record.items() if name != "runs"}

    def finished(self, unit: Unit) -> dict[str, Any] | None:
        """Give the record of a unit, where it has been run under the same settings."""
        wanted = {**unit._asdict(), "settings": json.loads(json.dumps(settings(unit.task)))}
        return next((run for run in self.runs if all(run.get(name) == value for name, value in wanted.items())), None)

    def add(self, run: dict[str, Any]) -> None:
        """Keep a run, in the place of one of the same task, model, seed and rate."""
        names = ("task", "model", "seed") if run["seed"] < 1_000 else ("task", "model", "seed", "rate")
        self.runs = [other for other in self.runs if any(other[name] != run[name] for name in names)]
        self.runs.append(run)
        self.write()

    def write(self) -> None:
        """Write the file, whole or not at all."""
        if self.path is None:
            return
        runs = ",\n".join("  " + json.dumps(run) for run in self.runs)
        more = json.dumps(self.more, indent=2)[1:-2].lstrip("\n")
        text = "{\n" + (more + ",\n" if more else "") + '"runs": [\n' + runs + "\n]\n}\n"
        unfinished = self.path.with_suffix(".unfinished")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(self.path)
