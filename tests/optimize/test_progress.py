"""What a person sees while a study goes on: a table on a terminal, lines elsewhere, and never what a text would do to it."""

from __future__ import annotations

import io
import time
from pathlib import Path

from rich.console import Console

from llm_brain.optimize import StudyBudget
from llm_brain.optimize.growing import Growing
from llm_brain.optimize.progress import StudyProgress
from tests.optimize.desk import desk, finished_desk, write_desk


def shown_lines(journal: Path, trials: int) -> list[str]:
    shown, budget = io.StringIO(), StudyBudget(trials=trials)
    with StudyProgress(journal, budget, console=Console(file=shown, width=120)) as progress:
        desk(journal).run(budget, on_trial=progress)
    return shown.getvalue().splitlines()


def test_without_a_terminal_each_trial_is_a_line(tmp_path: Path) -> None:
    lines = shown_lines(tmp_path / "desk.jsonl", 3)
    assert [line.split()[:3] for line in lines] == [
        ["trial", "0", "default"],
        ["trial", "1", "reflection"],
        ["trial", "2", "reflection"],
    ]
    assert "best" in lines[1]
    assert "forecast 70%" in lines[1]
    assert "prompt +1 -0 lines" in lines[2]
    assert "1 refused" in " ".join(lines)
    assert "\u202e" not in " ".join(lines)


def test_what_the_journal_had_is_not_shown_again(tmp_path: Path) -> None:
    shown_lines(tmp_path / "desk.jsonl", 3)
    first, *others = shown_lines(tmp_path / "desk.jsonl", 5)
    assert first.startswith("3 trials are in ")
    assert [line.split()[1] for line in others] == ["3", "4"]


def test_the_journal_may_be_named_by_a_text(tmp_path: Path) -> None:
    shown, budget = io.StringIO(), StudyBudget(trials=1)
    with StudyProgress(str(tmp_path / "desk.jsonl"), budget, console=Console(file=shown)) as progress:
        desk(tmp_path / "desk.jsonl").run(budget, on_trial=progress)
    assert shown.getvalue().startswith("trial   0  default")


def test_on_a_terminal_there_is_a_table_with_what_is_left_of_the_budget(tmp_path: Path) -> None:
    journal, budget = tmp_path / "desk.jsonl", StudyBudget(trials=4, dollars=1.0)
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=140, height=30, color_system=None)
    with StudyProgress(journal, budget, console=console) as progress:
        desk(journal).run(budget, on_trial=progress)
    last = shown.getvalue().rsplit("trial  proposer", maxsplit=1)[-1]
    assert [word for word in ("default", "core", "reflection") if word not in last] == []
    assert "4 of 4" in last
    assert "proposals were refused, at no cost" in last


def test_a_narrow_terminal_shows_the_scores(tmp_path: Path) -> None:
    journal, budget = tmp_path / "desk.jsonl", StudyBudget(trials=2)
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=60, height=20, color_system=None)
    with StudyProgress(journal, budget, console=console) as progress:
        desk(journal, model=None).run(budget, on_trial=progress)
    last = shown.getvalue().rsplit("trial  proposer", maxsplit=1)[-1]
    assert "score" in last
    assert "forecast" not in last
    assert all(len(line) <= 60 for line in last.splitlines())


def test_what_a_growing_journal_tells_adds_up(tmp_path: Path) -> None:
    content, study = finished_desk()
    journal = tmp_path / "desk.jsonl"
    growing = Growing(journal)
    growing.read()
    for end in (*range(0, len(content), 999), len(content)):
        journal.write_bytes(content[:end])
        growing.read()
    assert (growing.begun, growing.finished, growing.under_way) == (16, 16, {})
    assert growing.dollars == study.spending.dollars
    assert growing.evaluations == study.spending.evaluations


def test_a_journal_of_another_kind_is_no_reason_to_stop(tmp_path: Path) -> None:
    journal = tmp_path / "desk.jsonl"
    journal.write_text('[]\n{"event": "proposed"}\n{"event": "outcome", "tokens": "many"}\nnothing\n')
    growing = Growing(journal)
    growing.read()
    assert growing.begun == 0


def test_a_table_is_drawn_in_a_few_milliseconds(tmp_path: Path) -> None:
    journal = write_desk(tmp_path)
    progress = StudyProgress(journal, StudyBudget(trials=16), console=Console(file=io.StringIO(), force_terminal=True))
    for trial in finished_desk()[1].trials:
        progress(trial)
    begun = time.perf_counter()
    progress.show()
    assert time.perf_counter() - begun < 0.5
