"""The loop of a study: the same course inline, in parallel and after any interruption, and nothing paid twice."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import pytest
from pydantic import BaseModel, Field

from llm_brain.errors import BackendError, WorkerDiedError
from llm_brain.optimize import (
    ImprovementProbability,
    Lesson,
    LessonSummary,
    OptimizationStep,
    Proposal,
    Run,
    Score,
    StudyBudget,
)
from tests.optimize.conftest import Build, Knobs, Scripted, ScriptedModel, height, trajectory


class Texts(BaseModel):
    rate: float = Field(0.5, ge=0.0, le=1.0)
    prompt: str = "Say yes."


def noisy(run: Run[int, Knobs]) -> float:
    """A score that depends on everything that a run is given."""
    luck = random.Random(f"{run.seed} {run.task_parameters}").random()
    return height(run.hyperparameters) * run.fidelity + luck / 10


class Shuffled:
    """An executor whose runs are over in another order than they were begun in."""

    workers = 8

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.pool = ThreadPoolExecutor(self.workers)

    def submit(self, function: Callable[[Any], Any], argument: Any, /) -> Future[Any]:
        pause = self.random.random() / 200

        def late() -> Any:
            time.sleep(pause)
            return function(argument)

        return self.pool.submit(late)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class Counting:
    """A task that counts its runs."""

    def __init__(self, task: Callable[[Run[Any, Any]], float]) -> None:
        self.task, self.runs, self.lock = task, Counter[tuple[Any, ...]](), threading.Lock()

    def __call__(self, run: Run[Any, Any]) -> float:
        with self.lock:
            self.runs[run.trial, run.task_parameters, run.seed] += 1
        return self.task(run)


class Steady:
    """A model whose replies depend on the question alone, as those of a cached model do."""

    def __init__(self) -> None:
        self.model = ScriptedModel()

    name = "steady"

    def call(self, spec: Any, arguments: Any, **about: Any) -> Any:
        [shown] = arguments.values()
        number = len(getattr(shown, "task_infos", ())) + sum(info.trial for info in getattr(shown, "task_infos", ()))
        self.model.replies["probability_for_improvement"] = ImprovementProbability(
            considerations=[], probability=(number % 10) / 10
        )
        self.model.replies["summarize_optimization_info"] = LessonSummary(lessons=[Lesson(text=f"Lesson {number}.", trials=[0])])
        self.model.suggestions = iter(
            [
                OptimizationStep[int, Knobs](
                    suggestion=f"Step {number}.",
                    hyperparameter_suggestions=[Knobs(rate=(number % 97) / 97)],
                    task_parameters_suggestions=[100 + number],
                )
            ]
        )
        return self.model.call(spec, arguments, **about)


STUDIES: dict[str, dict[str, Any]] = {
    "plain": {"core": "random"},
    "parallel": {"parallel": 3, "task_parameters": [1, 2, 3], "core": "random"},
    "replicates and a check": {"replicates": 2, "confirmations": 2, "core": "random"},
    "fidelities": {"fidelities": (0.25, 0.5, 1.0), "parallel": 2, "core": "random"},
    "new cases": {"proposes_cases": True, "task_parameters": [1, 2], "parallel": 2, "selection": [7, 8, 9]},
    "races": {"task_parameters": list(range(20))},
}
QUICK = ("plain", "fidelities")


@pytest.mark.parametrize("study", [pytest.param(study, marks=() if study in QUICK else pytest.mark.slow) for study in STUDIES])
def test_a_study_that_is_killed_at_any_event_takes_the_same_course_and_makes_no_run_twice(
    study: str, build: Build, tmp_path: Path
) -> None:
    given = {"task_parameters": [1], **STUDIES[study]}
    budget = StudyBudget(trials=5)

    def run(path: Path, task: Any) -> tuple[Any, Any]:
        found = build(task=task, model=Steady(), journal=path, **given).run(budget)
        return trajectory(found.trials), (found.verdict, list(found.lessons), list(found.cases))

    whole = run(tmp_path / "whole.jsonl", noisy)
    lines = (tmp_path / "whole.jsonl").read_bytes().splitlines(keepends=True)
    for kept in range(len(lines) + 1):
        path = tmp_path / f"killed {kept}.jsonl"
        path.write_bytes(b"".join(lines[:kept]) + (b'{"event": "fini' if kept % 2 else b""))
        task = Counting(noisy)
        assert run(path, task) == whole, f"killed after {kept} events"
        done = [json.loads(line) for line in lines[:kept]]
        made = sum(event["event"] in ("outcome", "check") for event in done)
        assert made + sum(task.runs.values()) == sum(b'"outcome"' in line or b'"check"' in line for line in lines)
        assert max(task.runs.values(), default=1) == 1
        assert len(path.read_bytes().splitlines()) == len(lines)


@pytest.mark.parametrize("study", STUDIES)
def test_it_makes_no_difference_which_run_is_over_first(study: str, build: Build, tmp_path: Path) -> None:
    given = {"task_parameters": [1], **STUDIES[study]}

    def run(name: str, executor: Any) -> Any:
        found = build(task=noisy, model=Steady(), journal=tmp_path / name, executor=executor, **given).run(StudyBudget(trials=9))
        return trajectory(found.trials), found.verdict

    inline = run("inline", None)
    for seed in range(3):
        assert run(f"shuffled {seed}", Shuffled(seed)) == inline


def test_more_trials_at_once_are_proposed_knowing_less(build: Build) -> None:
    seen: list[int] = []

    class Watching(Scripted):
        def propose(self, history: Any, *, seed: int) -> Any:
            seen.append(len(history.trials))
            return super().propose(history, seed=seed)

    build(parallel=3, proposers=[Watching([], name="watching")], model=None).run(StudyBudget(trials=5))
    assert seen == [0, 0, 1, 2]


def test_a_trial_that_is_clearly_worse_is_stopped_and_its_score_is_an_estimate(build: Build, tmp_path: Path) -> None:
    def task(run: Run[int, Knobs]) -> float:
        return run.hyperparameters.rate + run.task_parameters / 1000

    bad = Scripted([Proposal({"rate": 0.1})], name="bad")
    study = build(task=task, task_parameters=list(range(40)), model=None, proposers=[bad]).run(StudyBudget(trials=2))
    default, stopped = study.trials
    assert (stopped.status, len(stopped.outcomes), len(default.outcomes)) == ("stopped", 8, 40)
    assert stopped.score == pytest.approx(0.1 + sum(range(40)) / 40 / 1000)
    assert study.best is default
    unraced = build(
        task=task, task_parameters=list(range(40)), model=None, proposers=[bad], races=False,
        journal=tmp_path / "unraced",
    ).run(StudyBudget(trials=2))  # fmt: skip
    assert len(unraced.trials[1].outcomes) == 40


def test_a_gate_ends_a_trial_that_is_not_better_than_its_parent_where_it_was_made(build: Build) -> None:
    texts = Scripted(
        [Proposal({"prompt": "no"}, parents=(0,), gate=(2, 0))],
        [Proposal({"prompt": "a much longer text"}, parents=(0,), gate=(1,))],
    )
    study = build(
        hyperparameters=Texts,
        task=lambda run: float(len(run.hyperparameters.prompt)),
        task_parameters=list(range(5)),
        model=None,
        proposers=[texts],
    ).run(StudyBudget(trials=12))
    told = [trial for trial in study.trials if trial.proposer == "scripted"]
    assert [(trial.status, len(trial.outcomes)) for trial in told] == [("stopped", 2), ("complete", 5)]
    assert {one.case for one in told[0].outcomes} == {0, 2}


def test_the_best_of_a_fidelity_go_on_to_the_next_one(build: Build) -> None:
    study = build(task=noisy, task_parameters=1, model=None, fidelities=(0.2, 1.0)).run(StudyBudget(trials=16))
    promoted = [trial for trial in study.trials if trial.proposer == "promotion"]
    assert promoted
    for trial in promoted:
        [parent] = trial.parents
        assert study.trials[parent].point == trial.point
        assert (study.trials[parent].fidelity, trial.fidelity) == (0.2, 1.0)
        rivals = [one.score or 0 for one in study.trials[: trial.number] if one.fidelity == 0.2]
        assert (study.trials[parent].score or 0) >= sorted(rivals)[len(rivals) // 2]
    assert study.best is not None
    assert study.best.fidelity == 1.0


def test_cases_that_are_proposed_are_run_from_then_on_and_the_best_is_run_on_them_too(build: Build) -> None:
    more = Scripted([Proposal({"rate": 0.31}, task_parameters=(5, 5, 1))], [], name="more")
    study = build(task=noisy, task_parameters=[1, 2], model=None, proposers=[more]).run(StudyBudget(trials=4))
    assert list(study.cases) == [1, 2, 5]
    assert len(study.trials[0].outcomes) == 3
    assert len(study.trials[1].outcomes) == 3
    assert study.trials[0].score == pytest.approx(sum(one.score or 0 for one in study.trials[0].outcomes) / 3)


def test_the_result_is_chosen_on_cases_that_no_proposer_sees(build: Build) -> None:
    shown: list[Any] = []

    class Watching(Scripted):
        def propose(self, history: Any, *, seed: int) -> Any:
            shown.extend(history.cases)
            return super().propose(history, seed=seed)

    def overfitted(run: Run[int, Knobs]) -> float:
        # What is good on the cases that are seen is bad on the others.
        return run.hyperparameters.rate * (1 if run.task_parameters < 10 else -1) + run.task_parameters / 1e4

    study = build(
        task=overfitted, task_parameters=list(range(5)), selection=list(range(10, 20)), model=None,
        proposers=[Watching([Proposal({"rate": 0.9})], [Proposal({"rate": 1.0})], name="watching")],
    ).run(StudyBudget(trials=6))  # fmt: skip
    assert set(shown) == set(range(5))
    verdict = study.verdict
    assert verdict is not None
    assert (verdict.trial, verdict.is_fresh, verdict.pairs) == (0, True, 10)
    assert verdict.gain < 0
    assert study.best is study.trials[0]


def test_a_worker_that_dies_is_a_failed_run_and_a_backend_that_fails_ends_the_study(build: Build, tmp_path: Path) -> None:
    def dying(run: Run[str, Knobs]) -> float:
        if run.trial == 1:
            raise WorkerDiedError("its worker died")
        if run.trial == 3 and not (tmp_path / "mended").exists():
            raise BackendError("refused", kind="auth")
        return height(run.hyperparameters)

    class Futures(Shuffled):
        def submit(self, function: Callable[[Any], Any], argument: Any, /) -> Future[Any]:
            return self.pool.submit(function, argument)

    with pytest.raises(BackendError):
        build(task=dying, model=None, executor=Futures(0)).run(StudyBudget(trials=5))
    (tmp_path / "mended").touch()
    study = build(task=dying, model=None, executor=Futures(0)).run(StudyBudget(trials=5))
    assert [trial.status for trial in study.trials] == ["complete", "failed", "complete", "complete", "complete"]
    assert "WorkerDied" in str(study.trials[1].outcomes[0].exception)


def test_what_was_under_way_when_an_error_ended_the_study_is_kept(build: Build) -> None:
    begun = threading.Barrier(2, timeout=20)
    task = Counting(lambda run: slow_or_broken(run, begun))
    with pytest.raises(BackendError):
        build(task=task, task_parameters=[0, 1], model=None, executor=Shuffled(0)).run(StudyBudget(trials=1))
    task = Counting(lambda _: 1.0)
    build(task=task, task_parameters=[0, 1], model=None).run(StudyBudget(trials=1))
    assert [case for _, case, _ in task.runs] == [0]


def slow_or_broken(run: Run[int, Any], begun: threading.Barrier) -> float:
    begun.wait()
    if run.task_parameters == 0:
        raise BackendError("refused", kind="auth")
    time.sleep(0.2)
    return 1.0


def test_a_full_disk_ends_the_study_and_it_goes_on_when_there_is_room(build: Build, tmp_path: Path) -> None:
    whole = build(model=None, journal=tmp_path / "whole.jsonl").run(StudyBudget(trials=5))
    room = [7]
    write = os.write

    def full(file: int, data: bytes) -> int:
        if room[0] == 0:
            raise OSError(28, "No space left on device")
        room[0] -= 1
        return write(file, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            build(model=None).run(StudyBudget(trials=5))
    assert trajectory(build(model=None).run(StudyBudget(trials=5)).trials) == trajectory(whole.trials)


def test_scores_with_costs_count_towards_the_evaluations_and_the_dollars(build: Build) -> None:
    study = build(task_parameters=[1, 2], task=noisy, score=lambda _, r: Score(r, dollars=0.25), model=None).run(
        StudyBudget(evaluations=7)
    )
    assert study.spending is not None
    assert (study.spending.evaluations, study.spending.dollars) == (8.0, 2.0)


PROGRAM = """
import sys, time
from pathlib import Path
from llm_brain.optimize import LLMOptimizer, StudyBudget
from tests.optimize.conftest import Knobs, as_is, hill

def task(run):
    with Path(sys.argv[2]).open("a") as file:
        file.write(f"{run.trial}\\n")
    time.sleep(0.01)
    return hill(run)

study = LLMOptimizer(task, score=as_is, hyperparameters=Knobs, task_parameters="hill", result=float, model=None,
                     journal=Path(sys.argv[1])).run(StudyBudget(trials=40))
print([trial.score for trial in study.trials])
"""


@pytest.mark.slow
def test_a_process_that_is_killed_goes_on_where_it_was(build: Build, tmp_path: Path) -> None:
    whole = build(model=None, journal=tmp_path / "whole.jsonl").run(StudyBudget(trials=40))
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "study.jsonl"), str(tmp_path / "runs.txt")]
    told = ""
    for attempt in range(12):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            told, _ = process.communicate(timeout=1.0 + 0.15 * attempt if attempt < 11 else 120)
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
    assert json.loads(told) == [trial.score for trial in whole.trials]
    runs = Counter((tmp_path / "runs.txt").read_text().split())
    assert sum(runs.values()) <= 40 + 11  # at most one run a kill was under way
