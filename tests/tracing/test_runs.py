"""Which runs there are below a folder: found by their spans, the newest one first, and never by going too deep."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_brain.errors import DataError
from llm_brain.tracing import record, span
from llm_brain.tracing.runs import DEEPEST, find_runs, newest_run


def recorded(folder: Path) -> Path:
    with record(folder), span("work"):
        pass
    return folder


def test_runs_are_listed_with_the_newest_one_first(tmp_path: Path) -> None:
    folders = [recorded(tmp_path / name) for name in ("b", "a", "deep/er/c")]
    assert [run.folder for run in find_runs(tmp_path)] == folders[::-1]
    assert newest_run(tmp_path) == folders[-1]


def test_a_folder_that_is_a_run_itself_is_found(tmp_path: Path) -> None:
    recorded(tmp_path)
    [run] = find_runs(tmp_path)
    assert (run.folder, run.processes) == (tmp_path, 1)
    assert run.size == sum(path.stat().st_size for path in (tmp_path / "spans").iterdir())


def test_a_run_is_as_old_as_the_first_of_its_processes(tmp_path: Path) -> None:
    recorded(tmp_path)
    (tmp_path / "spans" / "7-1000.jsonl").write_text("")
    [run] = find_runs(tmp_path)
    assert (run.began_ns, run.processes) == (1000, 2)


def test_hidden_folders_folders_that_are_too_deep_and_other_files_are_left_out(tmp_path: Path) -> None:
    recorded(tmp_path / ".hidden")
    recorded(tmp_path.joinpath(*["deep"] * (DEEPEST + 1)))
    (tmp_path / "spans").mkdir()
    (tmp_path / "spans" / "notes.jsonl").write_text("{}")
    assert find_runs(tmp_path) == []
    recorded(tmp_path.joinpath(*["deep"] * DEEPEST))
    assert len(find_runs(tmp_path)) == 1


def test_where_there_is_no_run_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no run is recorded"):
        newest_run(tmp_path)
    assert find_runs(tmp_path / "absent") == []
