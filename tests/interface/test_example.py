"""The example runs without a key or a network, and feedback mends what its poor labels teach."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "llm_interface.py"


@pytest.mark.slow
def test_the_example_trains_with_feedback_and_is_right_more_often() -> None:
    done = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True, check=True, timeout=600)
    row = next(line for line in done.stdout.splitlines() if "right, of 240" in line)
    without, with_feedback = map(int, re.findall(r"(\d+) \(", row))
    assert with_feedback > without + 8
    assert "happy (83.2%), unhappy (16.8%)" in done.stdout
    assert "inputs [4, 16, 576], targets [4, 2]" in done.stdout
