"""A peer's environment, which shares torch with the interpreter that runs the benchmark."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks.environments import Environment, run


class SharingEnvironment(Environment):
    """An environment that sees the packages around torch, after its own.

    So every row is measured with the same torch, which is also what is large. What a peer requires is therefore listed in
    full, and pip does not look for more: it would bring a torch of its own.
    """

    @property
    def is_made(self) -> bool:
        return super().is_made and self._link.read_text(encoding="utf-8") == _around_torch()

    def make(self) -> None:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        (self.folder.parent / ".gitignore").write_text("*\n", encoding="utf-8")
        run([sys.executable, "-m", "venv", "--clear", str(self.folder)])
        pip = [str(self.python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-deps"]
        run([*pip, "--requirement", str(self.requirements)])
        self._link.write_text(_around_torch(), encoding="utf-8")
        (self.folder / "installed.txt").write_bytes(self.requirements.read_bytes())

    @property
    def _link(self) -> Path:
        (packages,) = self.folder.glob("lib/python*/site-packages")
        return packages / "shared.pth"


def _around_torch() -> str:
    """Give the folder that holds torch; a line of a `.pth` file adds it after the environment's own packages."""
    found = find_spec("torch")
    assert found is not None
    assert found.origin is not None
    return f"{Path(found.origin).parents[1]}\n"
