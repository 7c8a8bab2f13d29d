"""Scores that were paid for are there again, whatever became of the process that asked for them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest

from llm_brain.errors import BackendError, CheckpointError
from llm_brain.training.remembering import Remembered


def never() -> NoReturn:
    raise AssertionError


def test_each_answer_to_a_text_is_asked_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "scores.jsonl"
    first = Remembered(path)
    assert first.score("\ud800 é\n", "true", lambda: 0.1 + 0.2) == 0.1 + 0.2
    assert first.score("\ud800 é\n", "true", never) == 0.1 + 0.2
    assert first.score("\ud800 é\n", "false", lambda: 0.5) == 0.5
    assert Remembered(path).score("\ud800 é\n", "true", never) == 0.1 + 0.2


def test_a_failure_is_not_remembered(tmp_path: Path) -> None:
    def busy() -> float:
        raise BackendError("busy", kind="server")

    remembered = Remembered(tmp_path / "scores.jsonl")
    with pytest.raises(BackendError):
        remembered.score("a", "true", busy)
    assert remembered.score("a", "true", lambda: 1.0) == 1.0


def test_a_line_that_was_cut_short_costs_its_score_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    for text in ("a", "b"):
        Remembered(path).score(text, "true", lambda: 0.25)
    path.write_bytes(path.read_bytes()[:-9])
    remembered = Remembered(path)
    assert remembered.score("a", "true", never) == 0.25
    assert remembered.score("b", "true", lambda: 0.75) == 0.75
    assert Remembered(path).score("b", "true", never) == 0.75


def test_many_threads_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    remembered = Remembered(path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: remembered.score(f"text {number}", "true", lambda: number / 100), range(100)))
    again = Remembered(path)
    assert [again.score(f"text {number}", "true", never) for number in range(100)] == [number / 100 for number in range(100)]


def test_a_file_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        Remembered(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot be written"):
        Remembered(tmp_path / "file" / "scores.jsonl").score("a", "true", lambda: 1.0)
