"""An environment of its own for every peer, made by plain pip from exact versions, once, in `.environments/`.

llm_brain is measured in the environment that runs the benchmark.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks.typed_calls.rows import FOLDER, OURS, Row

ENVIRONMENTS = FOLDER / ".environments"


def make_environments(rows: Iterable[Row]) -> None:
    """Make the environments that are missing, or whose requirements have changed."""
    missing = [name for name in dict.fromkeys(row.environment for row in rows) if name != OURS and not _is_made(name)]
    if not missing:
        return
    ENVIRONMENTS.mkdir(exist_ok=True)
    (ENVIRONMENTS / ".gitignore").write_text("*\n", encoding="utf-8")
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeElapsedColumn()) as progress:
        task = progress.add_task("environments", total=len(missing))
        for name in missing:
            progress.update(task, description=f"installing {name}")
            _make(name)
            progress.advance(task)


def interpreter(row: Row) -> Path:
    """Tell which Python runs a row."""
    return Path(sys.executable) if row.environment == OURS else ENVIRONMENTS / row.environment / "bin" / "python"


def generated(row: Row) -> Path:
    """Tell where code is that was generated for a row."""
    return ENVIRONMENTS / row.environment / "generated"


def _is_made(name: str) -> bool:
    stamp = ENVIRONMENTS / name / "installed.txt"
    return stamp.is_file() and stamp.read_bytes() == _requirements(name).read_bytes()


def _requirements(name: str) -> Path:
    return FOLDER / "peers" / name / "requirements.txt"


def _make(name: str) -> None:
    here = ENVIRONMENTS / name
    _run([sys.executable, "-m", "venv", "--clear", str(here)])
    pip = [str(here / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    _run([*pip, "--requirement", str(_requirements(name))])
    source = FOLDER / "peers" / name / "baml_src"
    if source.is_dir():
        _run([str(here / "bin" / "baml-cli"), "generate", "--from", str(source)])
    (here / "installed.txt").write_bytes(_requirements(name).read_bytes())


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        raise SystemExit(message)
