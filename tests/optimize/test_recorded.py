"""A journal tells all that the study itself has told, while it goes on and after it, and reading changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_brain.errors import DataError
from llm_brain.optimize import StudyBudget, forecasts_of
from llm_brain.optimize.recorded import read_recorded
from tests.optimize.conftest import trajectory
from tests.optimize.desk import desk, finished_desk, write_desk


def test_the_journal_tells_what_the_study_told(tmp_path: Path) -> None:
    _, study = finished_desk()
    recorded = read_recorded(write_desk(tmp_path))
    assert trajectory(recorded.study.trials) == trajectory(study.trials)
    assert recorded.study.verdict == study.verdict
    assert recorded.study.best is not None
    assert recorded.study.best.number == study.verdict.trial
    assert list(recorded.study.lessons) == list(study.lessons) != []
    assert forecasts_of(recorded.study.trials) == forecasts_of(study.trials) != []
    assert recorded.texts == ("prompt",)


def test_what_was_spent_is_told_by_purpose_and_by_proposer(tmp_path: Path) -> None:
    _, study = finished_desk()
    recorded = read_recorded(write_desk(tmp_path))
    runs = sum(len(trial.outcomes) for trial in study.trials)
    assert recorded.by_purpose["task"].times == runs
    assert sum(spent.dollars for spent in recorded.by_purpose.values()) == pytest.approx(study.spending.dollars)
    by_proposer = sum(spent.dollars for spent in recorded.by_proposer.values())
    assert by_proposer == pytest.approx(recorded.by_purpose["task"].dollars)


def test_trials_that_run_at_the_same_time_are_told_alike(tmp_path: Path) -> None:
    study = desk(tmp_path / "desk.jsonl", parallel=3).run(StudyBudget(trials=8))
    recorded = read_recorded(tmp_path / "desk.jsonl")
    assert trajectory(recorded.study.trials) == trajectory(study.trials)
    assert recorded.study.verdict == study.verdict


@pytest.mark.parametrize("events", [1, 2, 5, 30, 60, 100])
def test_a_study_that_goes_on_can_be_read(tmp_path: Path, events: int) -> None:
    recorded = read_recorded(write_desk(tmp_path, events))
    assert recorded.study.verdict is None
    assert all(trial.status in ("running", "failed") for trial in recorded.study.trials if trial.score is None)
    assert [trial.number for trial in recorded.study.trials] == list(range(len(recorded.study.trials)))


def test_a_line_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    journal = write_desk(tmp_path, 30)
    whole = read_recorded(journal)
    journal.write_bytes(journal.read_bytes() + b'{"event": "outco')
    before = journal.read_bytes()
    assert trajectory(read_recorded(journal).study.trials) == trajectory(whole.study.trials)
    assert journal.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no journal of a study"),
        (b'{"event": "trained"}\n', "is no journal of a study"),
        (b"{}\n", "line 1 of .*study.jsonl is damaged"),
        (b'{"event": "study"}\n', "cannot be read: KeyError"),
        (b"\xff\xfe\n", "line 1 of .*study.jsonl is damaged"),
    ],
)
def test_another_file_is_an_error_that_says_so(tmp_path: Path, content: bytes, said: str) -> None:
    journal = tmp_path / "study.jsonl"
    journal.write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_recorded(journal)


def test_a_journal_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_recorded(tmp_path / "study.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_events_of_a_later_version_are_passed_over(tmp_path: Path) -> None:
    journal = write_desk(tmp_path)
    journal.write_bytes(journal.read_bytes() + json.dumps({"event": "applauded", "trial": 3, "at": 99.0}).encode() + b"\n")
    assert read_recorded(journal).study.verdict is not None
