"""How a study ends: whoever fails in the comparison is not recommended, and why nobody is compared is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llm_brain.optimize import Run, StudyBudget
from llm_brain.optimize.recorded import read_recorded
from llm_brain.optimize.study_tables import study_summary
from llm_brain.optimize.telling import verdict_words
from tests.optimize.conftest import Build, Knobs

TRAIN, UNSEEN = [("train", number) for number in range(3)], [("unseen", number) for number in range(20)]


def crashing(run: Run[Any, Knobs]) -> float:
    """Better than the default wherever it does not crash, which on unseen cases it mostly does."""
    kind, number = run.task_parameters
    rate = run.hyperparameters.rate
    if kind == "unseen" and rate != 0.5 and number >= 2:
        raise RuntimeError("crash")
    return rate if kind == "train" else 0.5 + (rate != 0.5) / 10


def words(journal: Path) -> str:
    return verdict_words(read_recorded(journal).study.verdict)


def test_a_candidate_that_fails_in_the_comparison_is_not_recommended(build: Build, tmp_path: Path) -> None:
    study = build(task=crashing, task_parameters=TRAIN, selection=UNSEEN, model=None).run(StudyBudget(trials=6))
    assert study.best is study.trials[0]
    assert study.verdict is not None
    assert study.verdict.pairs == 0
    assert "failed in the comparison (RuntimeError: crash)" in str(study.verdict)
    assert words(tmp_path / "study.jsonl") == str(study.verdict)


def test_with_a_failure_score_it_is_compared_with_what_its_failures_count_as(build: Build) -> None:
    study = build(task=crashing, task_parameters=TRAIN, selection=UNSEEN, model=None, failure_score=0.0).run(
        StudyBudget(trials=6)
    )
    assert study.verdict is not None
    assert (study.verdict.trial, study.verdict.pairs) == (0, 20)
    assert study.verdict.gain < 0


def fragile(run: Run[str, Knobs], *, where: str) -> float:
    if run.task_parameters.startswith(where) and run.hyperparameters.rate == 0.5:
        raise ValueError("no \x1b[31m answer")
    return run.hyperparameters.rate


def test_where_the_default_has_failed_the_best_of_the_fresh_runs_is_recommended_and_it_is_said(
    build: Build, tmp_path: Path
) -> None:
    study = build(
        task=lambda run: fragile(run, where="seen"), task_parameters="seen", selection=["unseen"] * 4, model=None
    ).run(StudyBudget(trials=5))  # fmt: skip
    assert study.best is max(study.trials[1:], key=lambda trial: trial.score or 0.0)
    assert [len(trial.checked) for trial in study.trials].count(4) == 3
    assert study.trials[0].checked == []
    said = words(tmp_path / "study.jsonl")
    assert said == str(study.verdict)
    assert "is recommended, and was compared with nothing: the default failed (ValueError: no ⟨1B⟩[31m answer)" in said


def test_a_default_that_fails_everywhere_in_the_comparison_is_not_called_the_only_trial(build: Build) -> None:
    study = build(
        task=lambda run: fragile(run, where="unseen"), task_parameters="seen", selection=["unseen"] * 4, model=None
    ).run(StudyBudget(trials=4))  # fmt: skip
    assert study.best is max(study.trials, key=lambda trial: trial.score or 0.0)
    assert "the default failed" in str(study.verdict)
    assert "no other trial is complete" not in str(study.verdict)


def test_a_default_that_fails_on_some_fresh_runs_is_compared_on_the_others(build: Build) -> None:
    def task(run: Run[int, Knobs]) -> float:
        if run.task_parameters == 3 and run.trial == 0:
            raise ValueError("lost")
        return run.hyperparameters.rate + run.task_parameters * run.trial / 1000

    study = build(task=task, task_parameters=0, selection=range(9), model=None).run(StudyBudget(trials=6))
    assert study.verdict is not None
    assert study.verdict.pairs == 8
    assert "the default failed in 1 of its 9 runs (ValueError: lost)" in str(study.verdict)


@pytest.mark.parametrize("trials", [1, 3])
def test_where_nobody_can_be_compared_nothing_is_run_for_it_and_no_gain_is_told(
    trials: int, build: Build, tmp_path: Path
) -> None:
    runs: list[int] = []

    def task(run: Run[Any, Knobs]) -> float:
        runs.append(run.trial)
        if run.trial:
            raise ValueError
        return 1.0

    study = build(task=task, task_parameters=0, selection=range(30), model=None).run(StudyBudget(trials=trials))
    assert len(runs) == trials
    assert str(study.verdict) == "Nothing was shown to be better than the default: no other trial is complete."
    assert "gain" not in study_summary(read_recorded(tmp_path / "study.jsonl"))


def test_of_several_cases_a_pair_is_a_case_however_often_it_was_run(build: Build) -> None:
    given: dict[str, Any] = {"task_parameters": [1, 2, 3, 4], "model": None}
    fresh = build(**given, selection=[5, 6, 7], confirmations=5).run(StudyBudget(trials=3))
    assert (fresh.verdict.pairs, fresh.verdict.is_fresh) == (3, True)


def test_of_one_case_a_pair_is_a_run(build: Build) -> None:
    study = build(confirmations=5, model=None).run(StudyBudget(trials=3))
    assert study.verdict is not None
    assert study.verdict.pairs == 5


def test_replicates_on_several_cases_are_no_further_pairs_without_fresh_runs_either(build: Build) -> None:
    study = build(task_parameters=[1, 2, 3], replicates=4, model=None).run(StudyBudget(trials=3))
    assert study.verdict is not None
    assert (study.verdict.pairs, study.verdict.is_fresh) == (3, False)
