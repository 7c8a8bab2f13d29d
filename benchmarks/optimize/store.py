"""The file of finished runs: a line is added after every run, so that an interrupted benchmark goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.optimize.plan import Unit, settings


class Store:
    """The finished runs of a file of JSON lines; none where `path` is None. Of a run's several lines the last one counts.

    Attributes:
        runs: A record of each.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.runs: dict[tuple[str, str, int], dict[str, Any]] = {}
        if path is not None and path.is_file():
            whole = path.read_bytes()
            if whole and not whole.endswith(b"\n"):  # torn by an interruption
                path.write_bytes(whole[: whole.rfind(b"\n") + 1])
            for line in path.read_text(encoding="utf-8").splitlines():
                self._know(json.loads(line))

    def finished(self, unit: Unit) -> dict[str, Any] | None:
        """Give the record of a unit, where it has been run for as many trials or more, under the same settings."""
        run = self.runs.get(unit[:3])
        return run if run is not None and run["trials"] >= unit.trials and _is_current(run) else None

    @property
    def current(self) -> list[dict[str, Any]]:
        """The runs under the settings that hold now."""
        return [run for run in self.runs.values() if _is_current(run)]

    def add(self, run: dict[str, Any]) -> None:
        """Keep a run."""
        self._know(run)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(run, separators=(",", ":")) + "\n")

    def _know(self, run: dict[str, Any]) -> None:
        self.runs[run["problem"], run["row"], run["seed"]] = run


def _is_current(run: dict[str, Any]) -> bool:
    return bool(run["settings"] == settings(run["row"]))
