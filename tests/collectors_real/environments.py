"""The environments that MLflow and Phoenix run in, made once, in `.servers/`: `python -m tests.collectors_real.environments`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.servers_real.environments import FOLDER, is_installed, make_environment

HERE: Final = Path(__file__).parent
MLFLOW: Final = FOLDER / "mlflow"
PHOENIX: Final = FOLDER / "phoenix"


def missing() -> list[Path]:
    """List the environments that are not there yet, or are of another version than is asked for."""
    return [folder for folder in (MLFLOW, PHOENIX) if not is_installed(folder, HERE / f"{folder.name}.txt")]


def make() -> None:
    """Make what is missing."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / ".gitignore").write_text("*\n", encoding="utf-8")
    for folder in missing():
        print(f"installing {folder.name} into {FOLDER.name}/", flush=True)  # noqa: T201 - it takes a while, and somebody waits
        make_environment(folder, HERE / f"{folder.name}.txt")


if __name__ == "__main__":
    make()
