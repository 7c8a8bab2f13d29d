"""The Optuna study that is rebuilt from a journal: the same trials, in any storage, as often as one likes."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from llm_brain.errors import DataError
from llm_brain.optimize import StudyBudget
from llm_brain.optimize.recorded import read_recorded
from llm_brain.optimize.view import importances, text_hash, to_optuna
from tests.optimize.conftest import Build
from tests.optimize.desk import desk, finished_desk, write_desk

STATES = {"complete": TrialState.COMPLETE, "stopped": TrialState.PRUNED, "failed": TrialState.FAIL, "running": TrialState.RUNNING}


def test_each_trial_is_there_with_its_state_its_values_and_its_text(tmp_path: Path) -> None:
    storage = optuna.storages.InMemoryStorage()
    _, told = finished_desk()
    assert to_optuna(write_desk(tmp_path), storage) == "desk"
    study = optuna.load_study(study_name="desk", storage=storage)
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert len(study.trials) == len(told.trials)
    for trial, ours in zip(study.trials, told.trials, strict=True):
        assert (trial.number, trial.state) == (ours.number, STATES[ours.status])
        assert trial.value == (None if ours.status == "failed" else ours.score)
        assert trial.params["temperature"] == ours.point["temperature"]
        assert trial.params["prompt"] == text_hash(ours.point["prompt"])
        assert trial.user_attrs["prompt"] == ours.point["prompt"]
        assert trial.user_attrs["proposer"] == ours.proposer
        assert trial.duration is not None
        assert trial.duration.total_seconds() >= 0
        scores = [outcome.score for outcome in ours.outcomes if outcome.score is not None]
        assert len(trial.intermediate_values) == len(scores)
        if scores:
            assert trial.intermediate_values[len(scores) - 1] == pytest.approx(sum(scores) / len(scores))
    assert {trial.state for trial in study.trials} >= {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}
    assert study.user_attrs["verdict"].startswith("Trial ")


def test_made_again_it_is_replaced_and_other_studies_stay(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'studies.db'}"
    optuna.create_study(study_name="mine", storage=storage)
    to_optuna(write_desk(tmp_path, 8), storage)
    early = optuna.load_study(study_name="desk", storage=storage)
    assert [trial.state for trial in early.trials] == [TrialState.RUNNING]
    to_optuna(write_desk(tmp_path, 40), storage)
    assert sorted(optuna.get_all_study_names(storage)) == ["desk", "mine"]
    assert len(optuna.load_study(study_name="desk", storage=storage).trials) > 1


def test_the_journal_may_be_named_by_a_text(tmp_path: Path) -> None:
    assert to_optuna(str(write_desk(tmp_path)), optuna.storages.InMemoryStorage()) == "desk"


def test_a_study_of_somebody_else_is_never_replaced(tmp_path: Path) -> None:
    storage = optuna.storages.InMemoryStorage()
    optuna.create_study(study_name="desk", storage=storage)
    with pytest.raises(DataError, match="give another name"):
        to_optuna(write_desk(tmp_path), storage)
    assert to_optuna(write_desk(tmp_path), storage, name="the desk") == "the desk"


def test_what_decides_is_what_matters(build: Build, tmp_path: Path) -> None:
    build(model=None, core="random").run(StudyBudget(trials=40))
    found = importances(read_recorded(tmp_path / "study.jsonl"))
    assert next(iter(found)) == "rate"
    assert sum(found.values()) == pytest.approx(1.0)


def test_of_a_few_trials_nothing_is_said_about_what_matters(tmp_path: Path) -> None:
    desk(tmp_path / "few.jsonl", model=None).run(StudyBudget(trials=4))
    assert importances(read_recorded(tmp_path / "few.jsonl")) == {}
