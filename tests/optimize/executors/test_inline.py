"""The executor without workers."""

from __future__ import annotations

import threading

import pytest

from llm_brain.optimize.executors import InlineExecutor
from llm_brain.optimize.testing.executors import ExecutorConformance


class TestInlineExecutor(ExecutorConformance):
    has_workers = False

    @pytest.fixture
    def executor(self) -> InlineExecutor:
        return InlineExecutor()


def test_work_runs_in_the_thread_that_submits_it() -> None:
    with InlineExecutor() as executor:
        assert executor.submit(lambda _: threading.get_ident(), None).result() == threading.get_ident()


def test_the_future_is_done_when_submit_returns() -> None:
    with InlineExecutor() as executor:
        assert executor.submit(abs, -3).done()
        assert executor.submit(int, "three").done()


def test_ctrl_c_goes_through() -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with InlineExecutor() as executor, pytest.raises(KeyboardInterrupt):
        executor.submit(interrupt, None)
