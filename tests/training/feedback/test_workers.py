"""That work is bounded and in order, and that what hangs keeps no process alive."""

import signal
import subprocess
import sys
import threading
from concurrent.futures import wait

import pytest

from llm_brain.errors import ArgumentError
from llm_brain.training.feedback import Workers

HANGING = """
import sys, threading
from llm_brain.training.feedback import FeedbackPool, Group

begun = threading.Event()

def hang(prompt, answer):
    begun.set()
    threading.Event().wait()

with FeedbackPool(hang, workers=2) as pool:
    pool.submit([Group(0, (0, 1, 2), (0, 1, 2), (0.0, 0.0, 0.0), 0)])
    begun.wait()
    print("hangs", flush=True)
    if sys.argv[1] == "wait":
        pool.wait()
"""


def test_no_more_than_so_many_run_at_a_time() -> None:
    running, gate, both = threading.Semaphore(0), threading.Event(), []
    workers = Workers(2, "test")

    def job() -> None:
        both.append(1)
        running.release()
        gate.wait(10)

    futures = [workers.submit(job) for _ in range(5)]
    assert running.acquire(timeout=10)
    assert running.acquire(timeout=10)
    assert len(both) == 2
    gate.set()
    assert not wait(futures, 10).not_done
    workers.close()


def test_an_error_is_the_futures() -> None:
    workers = Workers(1, "test")
    future = workers.submit(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        future.result(10)
    assert workers.submit(lambda: 5).result(10) == 5
    workers.close()


def test_what_has_not_begun_is_given_up_on_closing_and_what_comes_later_too() -> None:
    gate, begun = threading.Event(), threading.Event()
    workers = Workers(1, "test")

    def job() -> str:
        begun.set()
        gate.wait(10)
        return "done"

    first, second = workers.submit(job), workers.submit(job)
    assert begun.wait(10)
    workers.close()
    third = workers.submit(job)
    gate.set()
    assert not wait([first, second, third], 10).not_done
    assert (first.result(), second.cancelled(), third.cancelled()) == ("done", True, True)


def test_one_worker_is_the_least() -> None:
    with pytest.raises(ArgumentError, match="at least one"):
        Workers(0, "test")


@pytest.mark.parametrize("then", ["wait", "leave"])
def test_an_evaluation_that_hangs_holds_up_neither_ctrl_c_nor_the_end(then: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", HANGING, then], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"hangs\n"
        if then == "wait":
            process.send_signal(signal.SIGINT)
        try:
            code = process.wait(30)  # for ever, if the threads were waited for
        finally:
            process.kill()
    assert code == (-signal.SIGINT if then == "wait" else 0)
