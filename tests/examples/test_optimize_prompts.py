"""The example that tunes a wording: what it is asked on the command line, and what it keeps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from examples.optimize import prompts
from llm_brain.optimize import Trial


def test_who_asks_for_help_starts_no_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        prompts.main(["--help"])
    assert left.value.code == 0
    assert "--trials" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_budget_that_is_none_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prompts.main(["--run", str(tmp_path / "run"), "--trials", "0"]) == 1
    assert capsys.readouterr().err.startswith("stopped: the limits of a budget are numbers above 0")


def test_ctrl_c_is_status_130_and_what_was_done_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(trial: Trial[object]) -> None:
        raise KeyboardInterrupt(trial.number)

    monkeypatch.setattr(prompts, "show", interrupt)
    assert prompts.main(["--run", str(tmp_path / "run"), "--trials", "2"]) == 130
    assert "the same command goes on where it was" in capsys.readouterr().out
    events = [json.loads(line)["event"] for line in (tmp_path / "run" / "study.jsonl").read_text(encoding="utf-8").splitlines()]
    assert events[-1] == "finished"
