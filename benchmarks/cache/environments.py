"""An environment of its own for every peer that needs one, made by plain pip from exact versions, once, in `.environments/`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.cache.rows import FOLDER, Row

ENVIRONMENTS = FOLDER / ".environments"


def make_environments(rows: Iterable[Row]) -> None:
    """Make the environments that are missing, or whose requirements have changed."""
    for row in rows:
        if row.has_environment and not _is_made(row):
            print(f"installing the environment of {row.title}")
            _make(row)


def interpreter(row: Row) -> Path:
    """Tell which Python runs a row."""
    return ENVIRONMENTS / row.name / "bin" / "python" if row.has_environment else Path(sys.executable)


def _is_made(row: Row) -> bool:
    stamp = ENVIRONMENTS / row.name / "installed.txt"
    return stamp.is_file() and stamp.read_bytes() == (row.folder / "requirements.txt").read_bytes()


def _make(row: Row) -> None:
    here, requirements = ENVIRONMENTS / row.name, row.folder / "requirements.txt"
    ENVIRONMENTS.mkdir(exist_ok=True)
    (ENVIRONMENTS / ".gitignore").write_text("*\n", encoding="utf-8")
    _run([sys.executable, "-m", "venv", "--clear", str(here)])
    pip = [str(here / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    _run([*pip, "--requirement", str(requirements)])
    (here / "installed.txt").write_bytes(requirements.read_bytes())


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        raise SystemExit(message)
