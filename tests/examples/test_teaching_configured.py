"""The example of a lesson that Hydra configures."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def configured(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "examples.teaching.configured", *overrides, f"hydra.run.dir={folder}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_overrides_decide_the_training_and_the_brain(tmp_path: Path) -> None:
    done = configured(tmp_path / "run", "training.epochs=1", "training.batch_size=64", "brain.width=16", "brain.heads=2")
    assert done.returncode == 0, done.stderr
    assert f"in {tmp_path / 'run'}" in done.stdout
    assert '"width": 16' in (tmp_path / "run" / "student" / "brain.json").read_text()
    assert "training.epochs=1" in (tmp_path / "run" / ".hydra" / "overrides.yaml").read_text()


@pytest.mark.parametrize("override", ["training.epochs=0", "training.epoch=3"])
def test_a_setting_that_does_not_fit_is_said(override: str, tmp_path: Path) -> None:
    done = configured(tmp_path / "run", override)
    assert done.returncode == 1
    assert "epoch" in done.stderr
