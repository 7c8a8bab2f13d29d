"""Batching: everyone gets their own answer or their own error, and a fork leaves nobody waiting."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from llm_brain.backends.local.batching import Batch, Batcher


def always_alike(_: object) -> None:
    """All jobs may share a batch."""


def batchwise(answer: Callable[[Sequence[Any]], Sequence[Any]], largest: int = 8) -> Callable[[Batch[Any, Any]], Iterator[None]]:
    """Answer all that waits in one turn."""

    def work(batch: Batch[Any, Any]) -> Iterator[None]:
        while batch.is_waiting:
            tickets = batch.take(largest)
            for ticket, result in zip(tickets, answer([ticket.job for ticket in tickets]), strict=True):
                ticket.answer(result)
            yield

    return work


def test_callers_in_many_threads_get_their_own_answers() -> None:
    work = batchwise(lambda jobs: [job * job for job in jobs])
    batcher: Batcher[int, int] = Batcher(work, kind=lambda job: job % 3)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda job: batcher.submit(job).result(10), range(300)))
    assert answers == [job * job for job in range(300)]


def test_what_comes_in_meanwhile_is_answered_together() -> None:
    started, go = threading.Event(), threading.Event()
    batches: list[list[int]] = []

    def answer(jobs: Sequence[int]) -> Sequence[int]:
        batches.append(list(jobs))
        started.set()
        go.wait(10)
        return jobs

    batcher: Batcher[int, int] = Batcher(batchwise(answer, largest=3), kind=always_alike)
    first = batcher.submit(1)
    assert started.wait(10)
    later = [batcher.submit(job) for job in (50, 7, 49, 8, 51)]
    go.set()
    assert [future.result(10) for future in (first, *later)] == [1, 50, 7, 49, 8, 51]
    assert batches == [[1], [50, 7, 49], [8, 51]]


def test_who_comes_while_a_batch_is_under_way_joins_it() -> None:
    begun, joined = threading.Event(), threading.Event()
    together: list[tuple[int, int]] = []

    def work(batch: Batch[int, int]) -> Iterator[None]:
        (first,) = batch.take(1)
        begun.set()
        while not batch.is_waiting:
            yield
        (second,) = batch.take(1)
        together.append((first.job, second.job))
        second.answer(2)
        yield
        assert joined.wait(10)  # the one who came later is answered, the one who came first is not
        first.answer(1)

    batcher: Batcher[int, int] = Batcher(work, kind=always_alike)
    first = batcher.submit(1)
    assert begun.wait(10)
    assert batcher.submit(2).result(10) == 2
    assert not first.done()
    joined.set()
    assert first.result(10) == 1
    assert together == [(1, 2)]


def test_jobs_of_different_kinds_never_share_a_batch() -> None:
    batches: list[list[object]] = []

    def answer(jobs: Sequence[object]) -> Sequence[object]:
        batches.append(list(jobs))
        return jobs

    batcher: Batcher[object, object] = Batcher(batchwise(answer), kind=type, patience=0.05)
    for future in [batcher.submit(job) for job in (1, "a", 2, "b")]:
        future.result(10)
    assert all(len({type(job) for job in batch}) == 1 for batch in batches)


def test_a_long_job_lets_jobs_of_another_kind_have_their_turns() -> None:
    stop = threading.Event()

    def work(batch: Batch[object, object]) -> Iterator[None]:
        for ticket in batch.take(8):
            while ticket.job == "long" and not stop.is_set():
                yield
            ticket.answer(ticket.job)

    batcher: Batcher[object, object] = Batcher(work, kind=type)
    long = batcher.submit("long")
    assert batcher.submit(1).result(10) == 1
    assert not long.done()
    stop.set()
    assert long.result(10) == "long"


def test_an_error_reaches_every_caller_of_its_batch_and_the_next_call_is_served() -> None:
    def answer(jobs: Sequence[int]) -> Sequence[int]:
        if 0 in jobs:
            raise ZeroDivisionError
        return jobs

    batcher: Batcher[int, int] = Batcher(batchwise(answer), kind=always_alike, patience=0.05)
    failing = [batcher.submit(job) for job in (0, 1)]
    for future in failing:
        with pytest.raises(ZeroDivisionError):
            future.result(10)
    assert batcher.submit(2).result(10) == 2


def test_a_cancelled_job_is_never_worked_on() -> None:
    started, go = threading.Event(), threading.Event()
    seen: list[int] = []

    def answer(jobs: Sequence[int]) -> Sequence[int]:
        seen.extend(jobs)
        started.set()
        go.wait(10)
        return jobs

    batcher: Batcher[int, int] = Batcher(batchwise(answer), kind=always_alike)
    first = batcher.submit(1)
    assert started.wait(10)
    assert batcher.submit(2).cancel()
    third = batcher.submit(3)
    go.set()
    assert (first.result(10), third.result(10)) == (1, 3)
    assert seen == [1, 3]


def test_a_job_can_be_given_up_while_it_is_worked_on() -> None:
    begun, noticed = threading.Event(), threading.Event()

    def work(batch: Batch[int, int]) -> Iterator[None]:
        (ticket,) = batch.take(1)
        begun.set()
        while ticket.is_open:
            yield
        ticket.answer(1)  # too late, and nobody is disturbed by it
        noticed.set()

    batcher: Batcher[int, int] = Batcher(work, kind=always_alike)
    future = batcher.submit(1)
    assert begun.wait(10)
    assert future.cancel()
    assert noticed.wait(10)
    assert future.cancelled()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_answered_too() -> None:
    batcher: Batcher[int, int] = Batcher(batchwise(lambda jobs: [job + 1 for job in jobs]), kind=always_alike)
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


BEGINS = """
import os, time
from llm_brain.backends.local.batching import Batcher

def work(batch):
    time.sleep(0.5)
    batch.take(1)[0].answer(1)
    print("the turn is done", flush=True)
    yield

batcher = Batcher(work, kind=type)
future = batcher.submit(1)
time.sleep(0.2)
"""
ENDS_IN_A_CHILD = """
child = os.fork()
if child:
    future.result()
    began = time.monotonic()
    os.waitpid(child, 0)
    print("and the child did not wait" if time.monotonic() - began < 10 else "and the child waited", flush=True)
"""


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (BEGINS, "the turn is done\n"),
        (BEGINS + ENDS_IN_A_CHILD, "the turn is done\nand the child did not wait\n"),
    ],
    ids=["itself", "a forked child"],
)
def test_the_end_of_a_program_waits_for_its_own_turn_and_no_longer(program: str, said: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, said, "")
