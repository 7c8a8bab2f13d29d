"""What every executor has to keep to, as tests for pytest.

    from llm_brain.optimize.testing.executors import ExecutorConformance

    class TestMyExecutor(ExecutorConformance):
        @pytest.fixture
        def executor(self):
            return MyExecutor(workers=2)

The functions that the tests submit stand below them: a worker has to import them.
"""
# ruff: noqa: D102, PLR2004, S101 - tests, though they stand in the package: a test's name is its sentence

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed, wait
from pathlib import Path
from typing import Any, ClassVar

import pytest

from llm_brain.errors import ExecutorError, NotPicklableError, WorkerDiedError
from llm_brain.optimize.executors.contract import Executor

_PATIENCE: float = 60.0  # seconds, for a cluster that starts a worker


class ExecutorConformance:
    """Tests of an executor. Override the fixture `executor` with one that was not entered and has at least two workers.

    Attributes:
        has_workers: Whether work runs in other processes. If not, the tests of what happens to those are left out.

    Example:
        >>> from llm_brain.optimize.executors import InlineExecutor
        >>> class TestInline(ExecutorConformance):
        ...     has_workers = False
        ...     @pytest.fixture
        ...     def executor(self) -> Executor:
        ...         return InlineExecutor()
        >>> TestInline().test_a_result_comes_back(InlineExecutor())
    """

    has_workers: ClassVar[bool] = True

    @pytest.fixture
    def executor(self) -> Executor:
        """Return the executor that is to be tested."""
        raise NotImplementedError

    @pytest.fixture
    def executor_with_workers(self, executor: Executor) -> Executor:
        """Return the executor, for tests of what happens to workers."""
        if not self.has_workers:
            pytest.skip("it has no workers")
        return executor

    def test_a_result_comes_back(self, executor: Executor) -> None:
        with executor:
            assert executor.submit(square, 3).result(_PATIENCE) == 9

    def test_many_results_come_back_each_in_its_own_future(self, executor: Executor) -> None:
        with executor:
            futures = [executor.submit(square, number) for number in range(200)]
            assert [future.result(_PATIENCE) for future in futures] == [number**2 for number in range(200)]

    def test_it_has_at_least_one_worker(self, executor: Executor) -> None:
        with executor:
            assert executor.workers >= 1

    def test_several_threads_submit_at_once(self, executor: Executor) -> None:
        def ten(first: int) -> list[int]:
            return [executor.submit(square, number).result(_PATIENCE) for number in range(first, first + 10)]

        with executor, ThreadPoolExecutor(4) as threads:
            found = list(threads.map(ten, range(0, 40, 10)))
        assert found == [[number**2 for number in range(first, first + 10)] for first in range(0, 40, 10)]

    def test_work_is_submitted_when_other_work_is_done(self, executor: Executor) -> None:
        second: Future[Future[int]] = Future()
        with executor:
            first = executor.submit(square, 2)
            first.add_done_callback(lambda done: second.set_result(executor.submit(square, done.result())))
            assert second.result(_PATIENCE).result(_PATIENCE) == 16

    def test_what_is_finished_first_comes_first(self, executor_with_workers: Executor, tmp_path: Path) -> None:
        with executor_with_workers as executor:
            slow = executor.submit(wait_for, tmp_path / "go")
            quick = executor.submit(square, 2)
            both: list[Future[Any]] = [slow, quick]
            assert next(as_completed(both, _PATIENCE)) is quick
            (tmp_path / "go").touch()
            assert slow.result(_PATIENCE) == "go"

    def test_an_exception_comes_back_with_its_type_and_its_attributes(self, executor: Executor) -> None:
        with executor:
            error = executor.submit(refuse, 7).exception(_PATIENCE)
        assert type(error) is RefusalError
        assert (error.number, str(error)) == (7, "it is 7")

    def test_an_exception_tells_where_it_was_raised(self, executor: Executor) -> None:
        with executor:
            error = executor.submit(refuse, 7).exception(_PATIENCE)
        assert "in refuse" in "".join(traceback.format_exception(error))

    def test_an_exception_that_cannot_be_read_again_disturbs_no_other_work(self, executor: Executor) -> None:
        with executor:
            error = executor.submit(raise_what_cannot_be_read_again, "badly").exception(_PATIENCE)
            assert executor.submit(square, 3).result(_PATIENCE) == 9
        assert "badly" in str(error)

    def test_leaving_the_process_ends_the_work_alone(self, executor: Executor) -> None:
        with executor:
            with pytest.raises(WorkerDiedError, match="SystemExit"):
                executor.submit(sys.exit, 3).result(_PATIENCE)
            assert executor.submit(square, 3).result(_PATIENCE) == 9

    def test_a_later_change_of_the_argument_does_not_count(self, executor: Executor) -> None:
        with executor:
            numbers = [1, 2]
            future = executor.submit(sum_of, numbers)
            numbers.append(3)
            assert future.result(_PATIENCE) == 3

    def test_outside_of_its_context_it_takes_no_work(self, executor: Executor) -> None:
        with pytest.raises(ExecutorError, match="with executor"):
            executor.submit(square, 3)
        with executor:
            pass
        with pytest.raises(ExecutorError, match="with executor"):
            executor.submit(square, 3)

    def test_it_can_be_entered_again(self, executor: Executor) -> None:
        for number in (2, 3):
            with executor:
                assert executor.submit(square, number).result(_PATIENCE) == number**2

    def test_an_inner_context_does_not_end_an_outer_one(self, executor: Executor) -> None:
        with executor:
            with executor:
                assert executor.submit(square, 2).result(_PATIENCE) == 4
            assert executor.submit(square, 3).result(_PATIENCE) == 9

    def test_works_run_at_the_same_time(self, executor_with_workers: Executor, tmp_path: Path) -> None:
        with executor_with_workers as executor:
            meetings = [executor.submit(meet, (tmp_path / mine, tmp_path / other)) for mine, other in ("ab", "ba")]
            assert [meeting.result(_PATIENCE) for meeting in meetings] == ["met", "met"]

    def test_it_runs_in_another_process(self, executor_with_workers: Executor) -> None:
        with executor_with_workers as executor:
            assert executor.submit(process_of, None).result(_PATIENCE) != os.getpid()

    def test_what_cannot_be_pickled_is_refused(self, executor_with_workers: Executor) -> None:
        with executor_with_workers as executor, pytest.raises(NotPicklableError, match="the argument cannot be sent"):
            executor.submit(str, threading.Lock())

    def test_a_result_that_cannot_be_pickled_is_an_error(self, executor_with_workers: Executor) -> None:
        with executor_with_workers as executor:
            with pytest.raises(NotPicklableError, match="plain data"):
                executor.submit(lock_for, None).result(_PATIENCE)
            assert executor.submit(square, 3).result(_PATIENCE) == 9

    def test_only_the_work_that_kills_its_workers_is_lost(self, executor_with_workers: Executor) -> None:
        with executor_with_workers as executor:
            futures = [executor.submit(square_or_die, number) for number in range(8)]
            with pytest.raises(WorkerDiedError, match="died"):
                futures[3].result(_PATIENCE)
            assert [future.result(_PATIENCE) for future in futures if future is not futures[3]] == [0, 1, 4, 16, 25, 36, 49]

    def test_work_whose_worker_was_killed_is_run_again(self, executor_with_workers: Executor, tmp_path: Path) -> None:
        with executor_with_workers as executor:
            assert executor.submit(die_at_first, tmp_path / "begun").result(_PATIENCE) == "again"

    def test_work_that_is_cancelled_frees_its_worker(self, executor_with_workers: Executor, tmp_path: Path) -> None:
        with executor_with_workers as executor:
            futures = [executor.submit(begin_and_sleep, tmp_path / str(number)) for number in range(executor.workers + 2)]
            wait_for(tmp_path / "0")
            assert all(future.cancel() for future in futures)
            assert len(wait(futures, _PATIENCE).done) == len(futures)
            assert executor.submit(square, 3).result(_PATIENCE) == 9

    def test_leaving_cancels_what_is_not_finished(self, executor_with_workers: Executor, tmp_path: Path) -> None:
        with executor_with_workers as executor:
            futures = [executor.submit(begin_and_sleep, tmp_path / str(number)) for number in range(executor.workers + 2)]
            wait_for(tmp_path / "0")
        for future in futures:
            with pytest.raises(CancelledError):
                future.result(0)


class RefusalError(Exception):
    """An error with an attribute of its own."""

    def __init__(self, text: str, number: int = 0) -> None:
        super().__init__(text)
        self.number = number

    def __reduce__(self) -> tuple[type[RefusalError], tuple[str, int]]:
        return type(self), (str(self), self.number)


class UnreadableError(Exception):
    """An error that can be pickled, and not be read again: it wants more than it keeps."""

    def __init__(self, how: str, why: str) -> None:
        super().__init__(f"{how}, for {why}")


def square(number: int) -> int:
    """Return a number's square."""
    return number**2


def sum_of(numbers: list[int]) -> int:
    """Return the sum of numbers."""
    return sum(numbers)


def refuse(number: int) -> None:
    """Raise an error that has the number in it."""
    raise RefusalError(f"it is {number}", number)  # noqa: EM102 - its text is what is tested


def raise_what_cannot_be_read_again(how: str) -> None:
    """Raise an error that gets lost on its way, unless care is taken."""
    raise UnreadableError(how, "a reason")


def process_of(_: object) -> int:
    """Return the number of the process that the work runs in."""
    return os.getpid()


def lock_for(_: object) -> object:
    """Return something that cannot be pickled."""
    return threading.Lock()


def square_or_die(number: int) -> int:
    """Return a number's square, and end the process at 3."""
    if number == 3:
        os._exit(9)
    return number**2


def die_at_first(begun: Path) -> str:
    """End the process as a kill from outside does, if this is the first time."""
    if begun.exists():
        return "again"
    begun.touch()
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def begin_and_sleep(begun: Path) -> None:
    """Work for longer than anyone waits."""
    begun.touch()
    time.sleep(600)


def meet(files: tuple[Path, Path]) -> str:
    """Write one file and wait for the other."""
    mine, other = files
    mine.touch()
    wait_for(other)
    return "met"


def wait_for(path: Path) -> str:
    """Wait for a file, and return its name."""
    until = time.monotonic() + _PATIENCE
    while not path.exists():
        if time.monotonic() > until:
            raise TimeoutError(path)
        time.sleep(0.02)
    return path.name
