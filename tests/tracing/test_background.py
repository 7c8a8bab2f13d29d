"""Work for somebody slow: in order, off the caller's thread, and lost rather than waited for."""

import multiprocessing
import sys
import threading
import time
from collections.abc import Callable
from functools import partial

import pytest

from llm_brain.tracing import TracingWarning
from llm_brain.tracing.background import Background


def test_jobs_run_in_order_on_another_thread() -> None:
    done: list[tuple[int, int]] = []
    background = Background("the list")
    for number in range(100):
        background.submit(partial(_note, done, number))
    assert background.close(timeout=5)
    assert [number for number, _ in done] == list(range(100))
    assert threading.get_ident() not in {thread for _, thread in done}
    assert background.lost == 0


def _note(done: list[tuple[int, int]], number: int) -> None:
    done.append((number, threading.get_ident()))


def test_a_job_that_fails_is_counted_told_once_and_the_next_one_runs() -> None:
    done: list[str] = []
    background = Background("the sink")
    with pytest.warns(TracingWarning, match="the sink is losing data, and the run goes on: ZeroDivisionError") as heard:
        run_all(background, [lambda: 1 / 0, lambda: sys.exit(3), lambda: done.append("after")])
    assert (background.lost, done, len(heard)) == (2, ["after"], 1)


def test_a_sink_that_hangs_costs_its_patience_once() -> None:
    wake = threading.Event()
    background = Background("the sink", room=3, patience=0.1)
    start = time.monotonic()
    with pytest.warns(TracingWarning, match="does not keep up"):
        all_done = run_all(background, [wake.wait] * 1_000, timeout=0.05)
    waited = time.monotonic() - start
    wake.set()
    assert not all_done
    assert 0.15 <= waited < 3.0
    assert background.lost >= 1_000 - 1


def test_a_sink_that_wakes_up_is_given_jobs_again() -> None:
    wake = threading.Event()
    done: list[str] = []
    background = Background("the sink", room=1, patience=0.01)
    with pytest.warns(TracingWarning):
        submit_all(background, [wake.wait] * 5)
    wake.set()
    deadline = time.monotonic() + 5
    while not done and time.monotonic() < deadline:
        background.submit(lambda: done.append("again"))
        time.sleep(0.01)
    assert background.close(timeout=5)
    assert done


def test_a_forked_child_neither_waits_nor_writes() -> None:
    done: list[str] = []
    background = Background("the sink")
    child = multiprocessing.get_context("fork").Process(target=_use, args=(background,))
    child.start()
    child.join(10)
    assert child.exitcode == 0
    background.submit(lambda: done.append("the parent goes on"))
    assert background.close(timeout=5)
    assert (done, background.lost) == (["the parent goes on"], 0)


def submit_all(background: Background, jobs: list[Callable[[], object]]) -> None:
    for job in jobs:
        background.submit(job)


def run_all(background: Background, jobs: list[Callable[[], object]], timeout: float = 5) -> bool:
    submit_all(background, jobs)
    return background.close(timeout=timeout)


def _use(background: Background) -> None:
    background.submit(lambda: None)
    closed = background.close(timeout=5)
    sys.exit(0 if not closed and background.lost == 1 else 1)


def test_between_jobs_an_errand_comes_back_and_is_done_again_at_once_while_there_is_more() -> None:
    left = [3, 2, 1]
    background = Background("the list")
    background.between_jobs(lambda: bool(left) and bool(left.pop()), every=60.0)
    deadline = time.monotonic() + 5
    while left and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left
    assert background.close(timeout=5)


def test_jobs_come_before_errands_and_do_not_stop_them() -> None:
    seen: list[str] = []
    background = Background("the list")
    background.between_jobs(lambda: bool(seen.append("errand")), every=0.0)  # type: ignore[func-returns-value]
    submit_all(background, [lambda: seen.append("job")] * 5_000)
    assert background.close(timeout=30)
    assert seen.count("job") == 5_000
    assert "errand" in seen


def test_an_errand_that_fails_is_counted_and_comes_back() -> None:
    background = Background("the sink")
    with pytest.warns(TracingWarning, match="the sink is losing data, and the run goes on: ZeroDivisionError"):
        fail_between_jobs(background, times=3)
    assert background.close(timeout=5)
    assert background.lost >= 2


def fail_between_jobs(background: Background, times: int) -> None:
    failing = threading.Semaphore(0)
    background.between_jobs(lambda: bool(failing.release()) or bool(1 / 0), every=0.01)  # type: ignore[func-returns-value]
    for _ in range(times):
        assert failing.acquire(timeout=5)
