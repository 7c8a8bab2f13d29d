"""The executor whose workers are those of a Ray cluster. It takes Ray to run, and half a minute."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_brain.errors import WorkerDiedError
from llm_brain.optimize.executors import InlineExecutor, RayExecutor
from llm_brain.optimize.testing.executors import ExecutorConformance, square, square_or_die

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[None]:
    with RayExecutor(workers=2) as executor:
        assert executor.workers == 2
        yield


@pytest.mark.usefixtures("own_cluster")
class TestRayExecutor(ExecutorConformance):
    @pytest.fixture
    def executor(self) -> RayExecutor:
        return RayExecutor(max_retries=1)


@pytest.mark.usefixtures("own_cluster")
def test_local_functions_and_lambdas_are_sent_by_value() -> None:
    factor = 3
    with RayExecutor() as executor:
        assert executor.submit(lambda number: factor * number, 4).result(60) == 12


@pytest.mark.usefixtures("own_cluster")
def test_a_connection_that_is_there_is_used_and_kept() -> None:
    with RayExecutor() as executor:
        assert executor.workers == 2
    assert ray.is_initialized()


@pytest.mark.usefixtures("own_cluster")
def test_work_takes_as_many_cpus_as_it_is_said_to() -> None:
    with RayExecutor(num_cpus=2) as executor:
        assert executor.workers == 1
    with RayExecutor(num_cpus=0.25) as executor:
        assert executor.workers == 8


@pytest.mark.usefixtures("own_cluster")
def test_without_retries_the_first_death_is_the_last() -> None:
    with RayExecutor(max_retries=0) as executor, pytest.raises(WorkerDiedError):
        executor.submit(square_or_die, 3).result(60)


@pytest.mark.usefixtures("own_cluster")
def test_results_are_those_of_the_inline_executor() -> None:
    def results(executor: InlineExecutor | RayExecutor) -> list[int]:
        with executor:
            return [future.result(60) for future in [executor.submit(square, number) for number in range(50)]]

    assert results(RayExecutor()) == results(InlineExecutor())


SCRIPT = """
import os, pathlib, sys, threading
import ray  # before the executor could say anything to it
from llm_brain.optimize.executors import RayExecutor

class Point:
    def __init__(self, x):
        self.x = x

def twice(point):
    return Point(2 * point.x)

before = dict(os.environ)
for _ in range(2):
    with RayExecutor(workers=1) as executor:
        point = executor.submit(twice, Point(4)).result(60)
        print(type(point) is Point, point.x)
print(before == dict(os.environ), ray.is_initialized())
"""


def test_an_own_cluster_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | {"HOME": str(tmp_path)}
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == ("True 8\nTrue 8\nTrue False\n", "")
    assert not (tmp_path / ".ray").exists()
