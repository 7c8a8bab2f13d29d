"""The example about modulators draws its picture, and its lives are what it says they are."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import torch

from examples import brain_modulators
from examples.brain_modulators import NOT_ASKED, PAIRS, SYMBOLS, TIME, BindingNetwork, accuracy, draw_lives


def test_a_picture_and_a_table_come_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert brain_modulators.main(["--run", str(tmp_path), "--steps", "2"]) == 0
    finally:
        torch.set_num_threads(threads)
    shown = capsys.readouterr().out
    for name in ("nothing", "dopamine", "serotonin", "eligibility", "plasticity"):
        assert re.search(rf"{name} .*\d+\.\d%", shown)
    picture = ET.parse(tmp_path / "modulators.svg").getroot()
    written = {text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert {"head 4", "noradrenaline", "tonic levels", "after learning, not retrained"} <= written


def test_each_key_comes_with_its_right_value_once_and_is_asked_for_once() -> None:
    lives = draw_lives(20, torch.Generator().manual_seed(0))
    assert lives.input.shape == (TIME, 20, 2 * SYMBOLS + 1)
    for row in range(20):
        answers = {}
        for t in range(TIME):
            if lives.outcome[t, row] > 0:
                pair = lives.input[t - 1, row]
                answers[int(pair[:SYMBOLS].argmax())] = int(pair[SYMBOLS:-1].argmax())
        assert len(answers) == PAIRS
        assert (lives.outcome[:, row] < 0).sum() == PAIRS
        asked = [t for t in range(TIME) if lives.answer[t, row] != NOT_ASKED]
        assert {int(lives.input[t, row, :SYMBOLS].argmax()): int(lives.answer[t, row]) for t in asked} == answers


def test_a_network_that_has_learned_nothing_guesses() -> None:
    torch.manual_seed(0)
    assert accuracy(BindingNetwork().eval(), draw_lives(200, torch.Generator().manual_seed(1))) < 2 / SYMBOLS


@pytest.mark.slow
def test_it_learns_by_dopamine_and_eligibility() -> None:
    from rich.console import Console

    model = brain_modulators.train(500, 0, Console(quiet=True))
    costs = brain_modulators.accuracy_without_each(model, draw_lives(200, torch.Generator().manual_seed(1)))
    assert costs["nothing"] > 0.95
    assert max(costs[name] for name in ("dopamine", "eligibility", "plasticity")) < 0.8
