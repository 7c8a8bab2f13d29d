"""What W&B has written in a run's folder, read with W&B's own reader; and programs that are run in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Logged:
    """The records of the one run in a folder, as `wandb leet inspect --json` prints them."""

    def __init__(self, folder: Path, run: str = "*run-*") -> None:
        [log] = (folder / "wandb").glob(f"{run}/run-*.wandb")
        lines = wandb_command("leet", "inspect", "--json", str(log)).stdout.splitlines()
        self.folder = log.parent
        self.records: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [one[kind] for one in self.records if one["type"] == kind]

    def history(self) -> list[dict[str, Any]]:
        rows = [row["item"] for row in self.of("history")]
        return [{key: value for key, value in row.items() if not key.startswith("_")} for row in rows]

    def rows(self, *names: str) -> list[tuple[Any, ...]]:
        """The values of the rows that have all of these metrics."""
        return [tuple(row[name] for name in names) for row in self.history() if row.keys() >= set(names)]

    def axes(self) -> dict[str, str]:
        """On which axis the metrics with an axis of their own stand."""
        return {one["name"]: one["step_metric"] for one in self.of("metric") if "name" in one and "step_metric" in one}

    def table(self, name: str) -> dict[str, Any]:
        [path] = [row[f"{name}.path"] for row in self.history() if f"{name}.path" in row]
        told = json.loads((self.folder / "files" / path).read_text(encoding="utf-8"))
        return {"columns": told["columns"], "data": told["data"]}

    def trees(self) -> dict[str, list[dict[str, Any]]]:
        """The trees of spans by the reason why they are shown."""
        found: dict[str, list[dict[str, Any]]] = {}
        for row in self.history():
            for name, value in row.items():
                if name.endswith(".root_span_dumps"):
                    found.setdefault(name.removeprefix("traces/").removesuffix(".root_span_dumps"), []).append(json.loads(value))
        return found

    def artifact_files(self, kind: str) -> dict[str, Path]:
        """Where the payloads of the artefacts of a kind lie, by their names in the artefact."""
        entries = [entry for one in self.of("artifact") if one["type"] == kind for entry in one["manifest"]["contents"]]
        return {entry["path"]: Path(entry["local_path"]) for entry in entries}


def wandb_command(*arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the `wandb` command."""
    command = [sys.executable, "-m", "wandb", *arguments]
    here = {**os.environ, **environment}
    return subprocess.run(command, check=check, capture_output=True, text=True, env=here, timeout=60)


def run_program(
    program: str, *arguments: str | Path, environment: Mapping[str, str] | None = None, before: list[str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, `before` which another command may stand."""
    here = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
    command = [*(before or []), sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=here, timeout=90)


def bytes_of(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
