"""Ray with several nodes, one of which is lost. It takes Ray to run, and half a minute."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from llm_brain.errors import ExecutorError
from llm_brain.optimize import LLMOptimizer, StudyBudget
from llm_brain.optimize.executors import InlineExecutor, RayExecutor
from tests.optimize.conftest import Knobs, as_is, trajectory

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
cluster_utils = pytest.importorskip("ray.cluster_utils")
pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # else a token would be written to the home folder
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield cluster
    cluster.shutdown()


def test_all_results_come_though_a_node_is_killed(cluster: Any, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=2)
    doomed = node.node_id

    def square(number: int) -> int:  # it travels by value: Ray's workers need not know this file
        with (tmp_path / str(number)).open("a") as log:
            log.write(ray.get_runtime_context().get_node_id() + "\n")
        time.sleep(600 if ray.get_runtime_context().get_node_id() == doomed else 0.1)
        return number**2

    with RayExecutor(cluster.address) as executor:
        assert executor.workers == 3
        futures = [executor.submit(square, number) for number in range(24)]
        _wait_until(lambda: any(doomed in _places(tmp_path, number) for number in range(24)))
        cluster.remove_node(node, allow_graceful=False)
        results = [future.result(60) for future in futures]
    with InlineExecutor() as inline:
        assert results == [inline.submit(lambda number: number**2, number).result() for number in range(24)]
    places = [_places(tmp_path, number) for number in range(24)]
    assert all(tried[-1] != doomed for tried in places)
    assert all(len(tried) == 1 for tried in places if doomed not in tried), "work that was not on the lost node was repeated"


def test_a_study_comes_to_the_same_trials_as_inline_though_a_node_is_killed(cluster: Any, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=2)
    doomed = node.node_id

    def task(run: Any) -> float:
        if ray.is_initialized() and ray.get_runtime_context().get_node_id() == doomed and run.trial >= 5:
            (tmp_path / "reached").touch()
            time.sleep(600)
        return float(-abs(run.hyperparameters.rate - 0.3) - run.task_parameters / 100 + run.seed / 2**40)

    def lose_the_node() -> None:
        _wait_until((tmp_path / "reached").exists)
        cluster.remove_node(node, allow_graceful=False)

    def study(name: str, executor: Any) -> tuple[Any, Any]:
        found = LLMOptimizer(
            task,
            score=as_is,
            hyperparameters=Knobs,
            task_parameters=[1, 2, 3, 4],
            result=float,
            model=None,
            journal=tmp_path / name,
            parallel=3,
            confirmations=1,
            executor=executor,
        ).run(StudyBudget(trials=12))
        return trajectory(found.trials), found.verdict

    inline = study("inline", InlineExecutor())
    with ThreadPoolExecutor(1) as beside:
        lost = beside.submit(lose_the_node)
        assert study("ray", RayExecutor(cluster.address)) == inline
        lost.result(0)


def test_a_cluster_is_left_as_it_is(cluster: Any) -> None:
    for _ in range(2):
        with RayExecutor(cluster.address, num_cpus=0.5) as executor:
            assert executor.workers == 2
            assert executor.submit(abs, -3).result(60) == 3
        assert not ray.is_initialized()


def test_work_that_no_node_has_room_for_is_refused(cluster: Any) -> None:
    with pytest.raises(ExecutorError, match="no node of the cluster has 64 CPUs"):
        with RayExecutor(cluster.address, num_cpus=64):
            pass
    assert not ray.is_initialized()


def test_an_address_without_a_cluster_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(ExecutorError, match="ray start --head"):
        with RayExecutor("auto"):
            pass


def _places(folder: Path, number: int) -> list[str]:
    path = folder / str(number)
    return path.read_text().split() if path.exists() else []


def _wait_until(condition: Any) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
