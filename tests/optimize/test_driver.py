"""The loop of a study: the same course inline, in parallel and after any interruption, and nothing paid twice."""

import functools
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

from llm_brain.attempts import Usage
from llm_brain.backends.layers.usage import note_usage
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
from llm_brain.optimize.executors import ProcessExecutor
from llm_brain.optimize.recorded import read_recorded
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


def test_a_gate_is_passed_by_whoever_does_not_fail_where_its_parent_did(build: Build) -> None:
    def task(run: Run[int, Texts]) -> float:
        if run.hyperparameters.prompt == "Say yes.":
            raise ValueError("no JSON")
        return 1.0

    mend = Scripted([Proposal({"prompt": "Say no."}, parents=(0,), gate=(0,))])
    study = build(hyperparameters=Texts, task=task, task_parameters=[0, 1], model=None, proposers=[mend]).run(
        StudyBudget(trials=2)
    )
    assert [(trial.status, trial.score) for trial in study.trials] == [("failed", None), ("complete", 1.0)]


def test_a_gate_compares_at_one_fidelity_only(build: Build) -> None:
    def task(run: Run[int, Texts]) -> float:
        return run.fidelity * len(run.hyperparameters.prompt)

    longer = Scripted([Proposal({"prompt": "Say yes, or no."}, parents=(0,), gate=(0,))])
    study = build(
        hyperparameters=Texts, task=task, task_parameters=[0, 1, 2], model=None, proposers=[longer], fidelities=(1 / 3, 1.0)
    ).run(StudyBudget(trials=2))
    assert (study.trials[1].fidelity, study.trials[1].status) == (1 / 3, "complete")


class Adding:
    """Proposes further cases, sometimes behind a gate, as a study with texts and a model does."""

    name = "adding"

    def propose(self, history: Any, *, seed: int) -> list[Proposal]:
        del history
        draw = random.Random(seed)
        gate = (draw.randrange(16), draw.randrange(16)) if seed % 2 else ()
        return [Proposal({"rate": draw.random()}, task_parameters=(1000 + seed % 1000,), parents=(0,), gate=gate)]


@pytest.mark.parametrize("seed", range(4))
def test_new_cases_gates_and_races_make_no_difference_either(seed: int, build: Build, tmp_path: Path) -> None:
    def task(run: Run[int, Knobs]) -> float:
        luck = random.Random(f"{run.task_parameters} {run.hyperparameters.rate}")
        return height(run.hyperparameters) + luck.gauss(0, 0.1) + (run.task_parameters >= 1000) * luck.random()

    def run(name: str, executor: Any, trials: int = 16) -> Any:
        given: dict[str, Any] = {"task_parameters": list(range(16)), "proposers": [Adding()], "parallel": 4, "core": "random"}
        optimizer = build(task=task, model=None, journal=tmp_path / name, executor=executor, seed=seed, **given)
        return trajectory(optimizer.run(StudyBudget(trials=trials)).trials)

    inline = run("inline", None)
    assert len({len(told[-1]) for told in inline}) > 2
    for shuffle in range(2):
        assert run(f"shuffled {shuffle}", Shuffled(shuffle)) == inline
    run("later", None, 9)
    assert run("later", None) == inline


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


@pytest.mark.parametrize("bonus", [3.0, -3.0])
def test_nobody_gains_or_loses_by_the_cases_that_were_added_meanwhile(bonus: float, build: Build, tmp_path: Path) -> None:
    class Easy:
        name = "easy"

        def propose(self, history: Any, *, seed: int) -> list[Proposal]:
            del history
            return [Proposal({"rate": random.Random(seed).random()}, task_parameters=(1000 + seed % 1000,))]

    def task(run: Run[int, Knobs]) -> float:
        return height(run.hyperparameters) + (run.task_parameters >= 1000) * bonus

    study = build(
        task=task, task_parameters=[1, 2, 3], model=None, core="random", proposers=[Easy()], seed=3
    ).run(StudyBudget(trials=20))  # fmt: skip
    heights = {trial.number: height(trial.hyperparameters) for trial in study.trials}
    scores = {trial.number: trial.score or 0.0 for trial in study.trials}
    assert len(study.cases) > 5
    assert sorted(scores, key=lambda number: scores[number]) == sorted(heights, key=lambda number: heights[number])
    assert study.best is max(study.trials, key=lambda trial: height(trial.hyperparameters))
    recorded = read_recorded(tmp_path / "study.jsonl").study
    assert [trial.score for trial in recorded.trials] == [trial.score for trial in study.trials]


def test_a_parent_that_was_stopped_keeps_its_estimate_when_it_is_run_once_more_at_a_gate(build: Build) -> None:
    def task(run: Run[int, Knobs]) -> float:
        return run.hyperparameters.rate + run.task_parameters / 10

    first, second = [Proposal({"rate": 0.1})], [Proposal({"rate": 0.2}, parents=(1,), gate=tuple(range(40)))]
    study = build(
        task=task, task_parameters=list(range(40)), model=None, proposers=[Scripted(first, second, second)]
    ).run(StudyBudget(trials=7))  # fmt: skip
    assert len(study.trials[1].outcomes) == 40
    assert study.trials[1].status == "stopped"
    assert study.trials[1].score == pytest.approx(0.1 + sum(range(40)) / 400)


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


def test_one_error_ends_no_run_that_was_begun_in_another_process(build: Build, tmp_path: Path) -> None:
    def run() -> None:
        executor = ProcessExecutor(3)
        task = functools.partial(one_is_refused, str(tmp_path))
        build(task=task, task_parameters=[0, 1, 2, 3, 4, 5], model=None, executor=executor).run(StudyBudget(trials=1))

    with pytest.raises(BackendError, match="refused"):
        run()
    begun = sorted(path.stem for path in tmp_path.glob("*.begun"))
    assert {"0", "1", "2"} <= set(begun)
    journal = [json.loads(line) for line in (tmp_path / "study.jsonl").read_text().splitlines()]
    assert sorted(str(event["case"]) for event in journal if event["event"] == "outcome") == [
        case for case in begun if case != "0"
    ]
    assert [event["dollars"] for event in journal if event["event"] == "spent"] == [5.0]
    (tmp_path / "mended").touch()
    run()


def one_is_refused(folder: str, run: Run[int, Knobs]) -> float:
    """Let others begin, and fail while they are under way."""
    (Path(folder) / f"{run.task_parameters}.begun").touch()
    while not (Path(folder) / "2.begun").exists():
        time.sleep(0.01)
    if run.task_parameters == 0 and not (Path(folder) / "mended").exists():
        note_usage(Usage(100, 10), 5.0)
        raise BackendError("refused", kind="auth")
    time.sleep(0.5)
    return 1.0


def test_what_a_run_has_spent_before_an_error_ends_the_study_counts(build: Build, tmp_path: Path) -> None:
    asked = Counter[str]()

    def task(_: Run[str, Knobs]) -> float:
        asked["times"] += 1
        note_usage(Usage(100, 10), 5.0)
        if asked["times"] <= 2:
            raise BackendError("busy", kind="server")
        return 1.0

    def study() -> Any:
        return build(task=task, model=None).run(StudyBudget(dollars=9))

    for _ in range(2):
        with pytest.raises(BackendError):
            study()
    ended = study()
    assert (asked["times"], len(ended.trials), ended.spending.dollars, ended.spending.tokens) == (3, 1, 15.0, 330)
    recorded = read_recorded(tmp_path / "study.jsonl")
    assert (recorded.by_purpose["task"].dollars, recorded.by_purpose["task"].times) == (15.0, 1)


def test_what_a_run_of_the_comparison_spent_before_its_error_is_told_as_the_comparisons(build: Build, tmp_path: Path) -> None:
    asked = Counter[str]()

    def task(run: Run[str, Knobs]) -> float:
        note_usage(Usage(100, 10), 5.0)
        asked["times"] += 1
        if asked["times"] == 4:
            raise BackendError("busy", kind="server")
        return run.hyperparameters.rate

    with pytest.raises(BackendError):
        build(task=task, model=None, confirmations=2).run(StudyBudget(trials=3))
    told = read_recorded(tmp_path / "study.jsonl")
    assert told.by_purpose["task"].dollars == 15.0
    assert told.by_purpose["comparison in the end"].dollars == 5.0
    assert sum(spent.dollars for spent in told.by_proposer.values()) == 15.0


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
