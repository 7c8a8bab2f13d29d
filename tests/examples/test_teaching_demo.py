"""The example of teaching runs, small, and says what it did."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
import torch
from rich.console import Console

from examples.teaching import demo
from examples.teaching.interface import Desk
from examples.teaching.messages import messages
from llm_brain import typed
from llm_brain.training import TrainingSettings


def test_the_brain_learns_the_desk_and_the_colleague_is_asked_less(tmp_path: Path) -> None:
    shown, threads = io.StringIO(), torch.get_num_threads()
    settings = TrainingSettings(epochs=3, batch_size=32, learning_rate=0.01, held_out=0.4)
    taught = demo.run_demo(tmp_path, Console(file=shown, width=120), pairs=120, calls=20, settings=settings)
    torch.set_num_threads(threads)
    assert len(taught.pairs) == 120
    assert len(taught.calibration) == 24
    told = shown.getvalue()
    assert re.search(r"taught with 120 pairs in \d+ s", told)
    assert re.search(r"alone, the brain is right on [\d.]+% of 20 new calls \([\d.]+% to [\d.]+%\)", told)
    assert re.search(r"with the colleague behind it, [\d.]+%; the brain answered \d+% of the calls itself", told)


def test_the_pairs_have_all_teams_with_and_without_haste() -> None:
    tickets = typed(Desk().triage).map(messages(200, seed=0))
    assert len({(ticket.team, ticket.urgent) for ticket in tickets}) == 6


@pytest.mark.slow
def test_the_demo_runs_to_its_end(tmp_path: Path) -> None:
    assert demo.main(["--run", str(tmp_path)]) == 0
