"""The file of finished runs: written after every run, so that an interrupted benchmark goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.teaching.plan import Unit, settings


class Store:
    """The finished runs of a file, and of none where `path` is None.

    Attributes:
        runs: A record of each.
        more: What else the file holds, by name.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        record = json.loads(path.read_text(encoding="utf-8")) if path is not None and path.is_file() else {}
        self.runs: list[dict[str, Any]] = record.pop("runs", [])
        self.more: dict[str, Any] = record

    def finished(self, unit: Unit) -> dict[str, Any] | None:
        """Give the record of a unit, where it has been run under the same settings."""
        wanted = {**unit._asdict(), "settings": json.loads(json.dumps(settings(unit)))}
        return next((run for run in self.runs if all(run.get(name) == value for name, value in wanted.items())), None)

    def add(self, run: dict[str, Any]) -> None:
        """Keep a run, in the place of one of the same unit."""
        self.runs = [other for other in self.runs if any(other[name] != run[name] for name in Unit._fields)]
        self.runs.append(run)
        self.write()

    def write(self) -> None:
        """Write the file, whole or not at all."""
        if self.path is None:
            return
        runs = ",\n".join("  " + json.dumps(run) for run in self.runs)
        more = json.dumps(self.more, indent=2)[1:-2].lstrip("\n")
        text = "{\n" + (more + ",\n" if self.more else "") + '"runs": [\n' + runs + "\n]\n}\n"
        unfinished = self.path.with_suffix(".unfinished")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(self.path)
