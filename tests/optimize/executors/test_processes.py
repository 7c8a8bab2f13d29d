"""The executor whose workers are processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from llm_brain.errors import DefinitionError, ExecutorError, NotPicklableError
from llm_brain.optimize.executors import ProcessExecutor
from llm_brain.optimize.testing.executors import ExecutorConformance, begin_and_sleep, process_of, square, wait_for


class TestProcessExecutor(ExecutorConformance):
    @pytest.fixture
    def executor(self) -> ProcessExecutor:
        return ProcessExecutor(workers=2)


@pytest.mark.parametrize("numbers", [{"workers": 0}, {"attempts": 0}, {"workers": "2"}, {"attempts": 1.5}])
def test_numbers_without_a_meaning_are_refused(numbers: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match="at least 1"):
        ProcessExecutor(**numbers)


def test_there_are_as_many_workers_as_cores_unless_it_is_said() -> None:
    assert ProcessExecutor().workers == len(os.sched_getaffinity(0))
    assert ProcessExecutor(3).workers == 3


def test_one_worker_does_work_that_comes_one_after_another() -> None:
    with ProcessExecutor(workers=4) as executor:
        assert len({executor.submit(process_of, None).result() for _ in range(5)}) == 1


@pytest.mark.parametrize("function", [lambda number: number, type("Local", (), {})])
def test_a_function_that_a_worker_cannot_import_is_refused_at_once(function: type) -> None:
    with ProcessExecutor(workers=1) as executor, pytest.raises(NotPicklableError, match="top level of a module"):
        executor.submit(function, 3)


def test_a_worker_killed_while_it_is_idle_is_replaced() -> None:
    with ProcessExecutor(workers=1, attempts=1) as executor:
        first = executor.submit(process_of, None).result()
        os.kill(first, signal.SIGKILL)
        _wait_until_gone(first)
        assert executor.submit(process_of, None).result() != first


def test_a_worker_killed_at_work_is_told_of(tmp_path: Path) -> None:
    with ProcessExecutor(workers=1, attempts=1) as executor:
        pid = executor.submit(process_of, None).result()
        future = executor.submit(begin_and_sleep, tmp_path / "begun")
        wait_for(tmp_path / "begun")
        os.kill(pid, signal.SIGKILL)
        assert "killed by SIGKILL, perhaps for want of memory" in str(future.exception(20))


@pytest.mark.slow
def test_a_worker_is_missed_though_its_children_live_on(tmp_path: Path) -> None:
    with ProcessExecutor(workers=1, attempts=1) as executor:
        assert "exit code 5" in str(executor.submit(fork_and_die, tmp_path / "child").exception(20))
    os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)


@pytest.mark.slow
def test_work_may_have_processes_of_its_own() -> None:
    with ProcessExecutor(workers=1) as executor:
        assert executor.submit(square_elsewhere, 4).result(30) == 16


def test_leaving_with_an_error_waits_for_no_work(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), ProcessExecutor(workers=1) as executor:
        executor.submit(begin_and_sleep, tmp_path / "begun")
        wait_for(tmp_path / "begun")
        began = time.monotonic()
        raise ZeroDivisionError
    assert time.monotonic() - began < 5
    assert not [process for process in multiprocessing.active_children() if process.name == "llm_brain worker"]


def test_leaving_waits_for_no_worker_that_is_starting() -> None:
    with ProcessExecutor(workers=2) as executor:
        futures = [executor.submit(square, number) for number in range(5)]
    assert all(future.done() for future in futures)
    assert not [thread for thread in threading.enumerate() if thread.name == "llm_brain executor"]


def test_functions_of_a_guarded_script_are_found(tmp_path: Path) -> None:
    done = _run(tmp_path, _script(tmp_path, f"{SCRIPT}\nif __name__ == '__main__':\n    main(triple)\n"))
    assert (done.stdout, done.stderr, done.returncode) == ("[0, 3, 6]\n", "", 0)


def test_a_script_without_a_guard_ends_with_an_error_that_says_so(tmp_path: Path) -> None:
    done = _run(tmp_path, _script(tmp_path, f"{SCRIPT}\nprint('imported')\nmain(triple)\n"))
    assert done.returncode == 1
    assert ExecutorError.__name__ in done.stderr.splitlines()[-1]
    assert "if __name__ == '__main__':" in done.stderr.splitlines()[-1]
    assert done.stdout.count("imported") <= 3


@pytest.mark.slow
def test_functions_of_a_session_without_a_file_are_an_error(tmp_path: Path) -> None:
    done = _run(tmp_path, "-c", f"{SCRIPT}\nmain(triple)")
    assert "NotPicklableError: the worker cannot read the work" in done.stderr


@pytest.mark.parametrize(("begun", "seconds"), [("submitted", 0.0), ("submitted", 0.1), ("0", 0.0)])
def test_ctrl_c_is_the_parents_alone(tmp_path: Path, begun: str, seconds: float) -> None:
    script = _script(tmp_path, f"{SCRIPT}\nif __name__ == '__main__':\n    main(sleep)\n")
    with subprocess.Popen(
        [sys.executable, script], cwd=tmp_path, start_new_session=True, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(tmp_path / begun)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
        _, errors = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT
    assert (errors.count("Traceback"), errors.count("KeyboardInterrupt")) == (1, 1)
    assert "worker" not in errors


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = _script(tmp_path, f"{SCRIPT}\nif __name__ == '__main__':\n    main(sleep)\n")
    with subprocess.Popen([sys.executable, script], cwd=tmp_path, start_new_session=True) as process:
        workers = [int(wait_for_text(tmp_path / str(number))) for number in range(2)]
        process.kill()
    for worker in workers:
        _wait_until_gone(worker)


SCRIPT = """
import os, time, pathlib
from llm_brain.optimize.executors import ProcessExecutor

def triple(number):
    return 3 * number

def sleep(number):
    pathlib.Path(str(number)).write_text(f"{os.getpid()}")
    time.sleep(600)

def main(function):
    with ProcessExecutor(workers=2) as executor:
        futures = [executor.submit(function, number) for number in range(3)]
        pathlib.Path("submitted").touch()
        print([future.result() for future in futures])
"""


def square_elsewhere(number: int) -> int:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(square, (number,))


def fork_and_die(told: Path) -> None:
    child = os.fork()
    if not child:
        time.sleep(60)
        os._exit(0)
    told.write_text(str(child))
    os._exit(5)


def wait_for_text(path: Path) -> str:
    wait_for(path)
    while not (text := path.read_text()):
        time.sleep(0.02)
    return text


def _script(folder: Path, text: str) -> str:
    path = folder / "script.py"
    path.write_text(text)
    return str(path)


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def _wait_until_gone(pid: int) -> None:
    until = time.monotonic() + 20
    while _is_running(pid):
        assert time.monotonic() < until
        time.sleep(0.02)


def _is_running(pid: int) -> bool:
    try:
        # A process whose first thread is gone is not gone before its other threads are.
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
        return threads > 1 or Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
