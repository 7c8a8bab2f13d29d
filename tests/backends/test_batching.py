"""Batching: everyone gets their own answer or their own error, and a fork leaves nobody waiting."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from llm_brain.backends.batching import Batcher


def always_alike(_: object) -> None:
    """All jobs may share a batch."""


def test_callers_in_many_threads_get_their_own_answers() -> None:
    batcher: Batcher[int, int] = Batcher(lambda jobs: [job * job for job in jobs], kind=lambda job: job % 3, size=int, largest=8)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda job: batcher.submit(job).result(10), range(300)))
    assert answers == [job * job for job in range(300)]


def test_what_comes_in_meanwhile_is_answered_together_sorted_by_size() -> None:
    started, go = threading.Event(), threading.Event()
    batches: list[list[int]] = []

    def work(jobs: Sequence[int]) -> Sequence[int]:
        batches.append(list(jobs))
        started.set()
        go.wait(10)
        return jobs

    batcher = Batcher(work, kind=always_alike, size=int, largest=3)
    first = batcher.submit(1)
    assert started.wait(10)
    later = [batcher.submit(job) for job in (50, 7, 49, 8, 51)]
    go.set()
    assert [future.result(10) for future in (first, *later)] == [1, 50, 7, 49, 8, 51]
    assert batches == [[1], [50, 49, 51], [7, 8]]


def test_jobs_of_different_kinds_never_share_a_batch() -> None:
    batches: list[list[object]] = []

    def work(jobs: Sequence[object]) -> Sequence[object]:
        batches.append(list(jobs))
        return jobs

    batcher = Batcher(work, kind=type, size=lambda _: 1, patience=0.05)
    for future in [batcher.submit(job) for job in (1, "a", 2, "b")]:
        future.result(10)
    assert all(len({type(job) for job in batch}) == 1 for batch in batches)


def test_an_error_reaches_every_caller_of_its_batch_and_the_next_call_is_served() -> None:
    def work(jobs: Sequence[int]) -> Sequence[int]:
        if 0 in jobs:
            raise ZeroDivisionError
        return jobs

    batcher = Batcher(work, kind=always_alike, size=int, patience=0.05)
    failing = [batcher.submit(job) for job in (0, 1)]
    for future in failing:
        with pytest.raises(ZeroDivisionError):
            future.result(10)
    assert batcher.submit(2).result(10) == 2


def test_too_few_answers_are_an_error_and_leave_nobody_waiting() -> None:
    batcher = Batcher(lambda jobs: list(jobs)[1:], kind=always_alike, size=int, patience=0.05)
    for future in [batcher.submit(job) for job in (1, 2)]:
        with pytest.raises(ValueError, match="shorter"):
            future.result(10)


def test_a_cancelled_job_is_never_worked_on() -> None:
    started, go = threading.Event(), threading.Event()
    seen: list[int] = []

    def work(jobs: Sequence[int]) -> Sequence[int]:
        seen.extend(jobs)
        started.set()
        go.wait(10)
        return jobs

    batcher = Batcher(work, kind=always_alike, size=int)
    first = batcher.submit(1)
    assert started.wait(10)
    assert batcher.submit(2).cancel()
    third = batcher.submit(3)
    go.set()
    assert (first.result(10), third.result(10)) == (1, 3)
    assert seen == [1, 3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_answered_too() -> None:
    batcher: Batcher[int, int] = Batcher(lambda jobs: [job + 1 for job in jobs], kind=always_alike, size=int)
    assert batcher.submit(1).result(10) == 2
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if batcher.submit(41).result(10) == 42 else 1)
        finally:
            os._exit(2)
    end = time.monotonic() + 15
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        time.sleep(0.01)
    else:
        os.kill(child, 9)
        os.waitpid(child, 0)
        pytest.fail("the child was never answered")
    assert os.waitstatus_to_exitcode(status) == 0
    assert batcher.submit(2).result(10) == 3


ENDS = """
import time
from llm_brain.backends.batching import Batcher

def work(jobs):
    time.sleep(0.5)
    print("the batch is done", flush=True)
    return jobs

Batcher(work, kind=type, size=int).submit(1)
time.sleep(0.2)
"""


def test_the_end_of_a_program_waits_for_the_batch_that_is_worked_on() -> None:
    ended = subprocess.run([sys.executable, "-c", ENDS], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "the batch is done\n", "")
