"""A study in W&B, read back from what W&B wrote offline; and no study that waits for it or fails with it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from llm_brain.optimize import StudyBudget
from llm_brain.optimize.study_runs import StudyRuns
from llm_brain.tracing import TracingWarning, read_spans, record
from tests.optimize.desk import KEY, MARKUP, desk, write_desk
from tests.tracing.conftest import wandb_home  # noqa: F401 - a fixture
from tests.tracing.wandb_logs import Logged, bytes_of

pytest.importorskip("wandb")
pytestmark = pytest.mark.usefixtures("wandb_home")


def runs_in(folder: Path) -> list[str]:
    return sorted(path.name.rsplit("-", 1)[-1] for path in folder.glob("wandb/offline-run-*-*-*"))


def test_each_trial_is_a_run_and_the_study_a_group_with_tables(tmp_path: Path) -> None:
    folder, journal = tmp_path / "run", tmp_path / "desk.jsonl"
    before = dict(os.environ)
    with record(folder), StudyRuns(folder, journal, project="desks") as runs:
        study = desk(journal).run(StudyBudget(trials=4), on_trial=runs)
    assert runs.lost == 0
    assert dict(os.environ) == before
    assert runs_in(folder) == ["0", "1", "2", "3"]
    logged = Logged(folder, "*run-*-*-2")
    [told] = logged.of("run")
    config, trial = told["config"]["update"], study.trials[2]
    assert (told["project"], told["job_type"], told["display_name"]) == ("desks", "trial", "trial 2, reflection")
    assert (config["prompt"], config["temperature"]) == (trial.point["prompt"], trial.point["temperature"])
    spans = {one.span_id: one.attributes for one in read_spans(folder) if one.kind == "trial"}
    assert spans[config["study"]["span_id"]]["llm_brain.trial"] == 2
    scores = [score for score, _ in logged.rows("run/score", "run/number")]
    assert scores == pytest.approx([outcome.score for outcome in trial.outcomes[: len(scores)]])
    assert MARKUP in logged.table("runs")["data"][0][3]
    [whole] = [one for one in folder.glob("wandb/offline-run-*") if one.name.count("-") == 3]
    study_log = Logged(folder, whole.name)
    [about] = study_log.of("run")
    assert (about["run_group"], about["job_type"]) == (told["run_group"], "study")
    assert [row[0] for row in study_log.table("study/trials")["data"]] == [0, 1, 2, 3]
    texts = study_log.table("study/texts")
    assert [row[:5] for row in texts["data"][:2]] == [["prompt", 1, None, 0, "default"], ["prompt", 2, 1, 1, "reflection"]]
    assert texts["data"][1][-1].splitlines()[-1].startswith("+ ")
    assert study_log.table("study/lessons")["data"]
    assert len(study_log.table("study/reflections")["data"]) == 4


@pytest.mark.slow
def test_a_second_study_in_the_place_of_the_first_is_shown_too(tmp_path: Path) -> None:
    for _ in range(2):
        with StudyRuns(tmp_path / "run", tmp_path / "desk.jsonl") as runs:
            desk(tmp_path / "desk.jsonl", model=None).run(StudyBudget(trials=2), on_trial=runs)
        assert runs.lost == 0
        (tmp_path / "desk.jsonl").unlink()
    assert runs_in(tmp_path / "run") == ["0", "0", "1", "1"]


@pytest.mark.slow
def test_a_trial_that_is_there_is_not_shown_twice_and_what_is_missing_is_caught_up_with(tmp_path: Path) -> None:
    journal = write_desk(tmp_path)
    with StudyRuns(tmp_path / "run", journal) as runs:
        assert runs.catch_up()
    first = runs_in(tmp_path / "run")
    assert len(first) == 16
    with StudyRuns(tmp_path / "run", journal) as runs:
        assert runs.catch_up()
    assert (runs_in(tmp_path / "run"), runs.lost) == (first, 0)
    assert KEY.encode() not in bytes_of(tmp_path / "run")


def test_without_w_and_b_there_is_one_warning_and_the_study_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.warns(TracingWarning, match="did not start") as heard:
        with StudyRuns(tmp_path / "run", tmp_path / "desk.jsonl") as runs:
            study = desk(tmp_path / "desk.jsonl", model=None).run(StudyBudget(trials=3), on_trial=runs)
    assert (len(heard), len(study.trials)) == (1, 3)


def test_where_it_is_switched_off_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    with StudyRuns(tmp_path / "run", write_desk(tmp_path)) as runs:
        assert not runs.catch_up()
    assert not (tmp_path / "run").exists()
