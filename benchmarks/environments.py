"""An environment of its own for every peer, made by plain pip from exact versions, once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


@dataclass(frozen=True)
class Environment:
    """A folder with a Python and what a `requirements.txt` lists.

    Attributes:
        folder: Where it is made; the folder around it is ignored by git.
        requirements: Exact versions. Where the file changes, the environment is made again.
        finish: What else is to be done in it, once.
    """

    folder: Path
    requirements: Path
    finish: Callable[[Path], None] | None = None

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def is_made(self) -> bool:
        stamp = self.folder / "installed.txt"
        return stamp.is_file() and stamp.read_bytes() == self.requirements.read_bytes()

    def make(self) -> None:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        (self.folder.parent / ".gitignore").write_text("*\n", encoding="utf-8")
        run([sys.executable, "-m", "venv", "--clear", str(self.folder)])
        pip = [str(self.python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        run([*pip, "--requirement", str(self.requirements)])
        if self.finish is not None:
            self.finish(self.folder)
        (self.folder / "installed.txt").write_bytes(self.requirements.read_bytes())


def make_environments(environments: Iterable[Environment]) -> None:
    """Make the environments that are missing, or whose requirements have changed."""
    missing = [environment for environment in dict.fromkeys(environments) if not environment.is_made]
    if not missing:
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("environments", total=len(missing))
        for environment in missing:
            progress.update(task, description=f"installing {environment.folder.name}")
            environment.make()
            progress.advance(task)


def run(command: list[str]) -> None:
    """Run a command, and end the program with what it said where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        raise SystemExit(message)
