"""Sending while the run goes on: the run never waits, never fails, and hears of a dead collector once."""

from __future__ import annotations

import multiprocessing
import os
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llm_brain.errors import ArgumentError
from llm_brain.tracing import TracingWarning, record, span
from llm_brain.tracing import otlp as module
from llm_brain.tracing import otlp_batches as batches
from llm_brain.tracing.otlp import OtlpExporter
from tests.tracing.loopback_collector import LoopbackCollector, Say, collecting, took_all_but


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL", 0.02)
    monkeypatch.setattr(module, "REST", 0.1)
    monkeypatch.setattr(module, "LIVE_RETRY_SECONDS", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def collector() -> Iterator[LoopbackCollector]:
    with collecting() as one:
        yield one


def work(*names: str) -> None:
    for name in names:
        with span(name):
            pass


@contextmanager
def hearing() -> Iterator[list[warnings.WarningMessage]]:
    """Collect the warnings of all threads."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", TracingWarning)
        yield heard


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def names_of(collector: LoopbackCollector) -> list[str]:
    return [one.name for one in collector.taken]


def test_spans_arrive_while_the_run_goes_on(tmp_path: Path, collector: LoopbackCollector) -> None:
    with record(tmp_path), OtlpExporter(tmp_path, collector.url) as exporter, span("run"):
        work("a", "b")
        until = time.monotonic() + 10
        while exporter.exported.sent < 2 and time.monotonic() < until:
            time.sleep(0.01)
        assert names_of(collector) == ["a", "b"]
    assert names_of(collector) == ["a", "b", "run"]


def test_what_is_left_at_the_end_is_sent(tmp_path: Path, collector: LoopbackCollector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL", 60.0)
    monkeypatch.setattr(batches, "MAX_SPANS", 50)
    with record(tmp_path), OtlpExporter(tmp_path, collector.url) as exporter:
        work(*(f"step {number}" for number in range(500)))
    assert names_of(collector) == [f"step {number}" for number in range(500)]
    assert exporter.exported.sent == 500


def test_the_order_of_the_two_does_not_matter(tmp_path: Path, collector: LoopbackCollector) -> None:
    with OtlpExporter(tmp_path / "run", collector.url), record(tmp_path / "run"):
        work("a")
    assert names_of(collector) == ["a"]


def test_what_an_earlier_run_wrote_is_not_sent_again(tmp_path: Path, collector: LoopbackCollector) -> None:
    with record(tmp_path):
        work("old")
    with record(tmp_path), OtlpExporter(tmp_path, collector.url):
        work("new")
    assert names_of(collector) == ["new"]


def test_spans_of_other_processes_are_sent_too(tmp_path: Path, collector: LoopbackCollector) -> None:
    program = "import sys; from llm_brain.tracing import record, span\nwith record(sys.argv[1]), span('over there'): pass"
    with record(tmp_path), OtlpExporter(tmp_path, collector.url):
        subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    assert names_of(collector) == ["over there"]


def test_a_dead_collector_is_one_warning_and_costs_no_time(tmp_path: Path) -> None:
    begun = time.monotonic()
    with hearing() as heard, record(tmp_path) as tracer, OtlpExporter(tmp_path, f"http://127.0.0.1:{free_port()}") as exporter:
        for number in range(50):
            work(f"step {number}")
            time.sleep(0.01)
    assert time.monotonic() - begun < 2.5
    assert len(heard) == 1
    assert "send them later with `llm-brain traces export`" in str(heard[0].message)
    assert (tracer.written, tracer.lost, exporter.exported.sent) == (50, 0, 0)


def test_a_collector_that_never_answers_costs_the_patience_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIVE_RETRY_SECONDS", 30.0)
    with socket.create_server(("127.0.0.1", 0)) as deaf, hearing() as heard:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        begun = time.monotonic()
        with record(tmp_path), OtlpExporter(tmp_path, url, patience=0.3):
            work("a")
        assert time.monotonic() - begun < 1.0
    assert len(heard) == 1
    assert "did not take all spans within 0.3 s" in str(heard[0].message)


def test_a_collector_that_comes_back_gets_everything(tmp_path: Path) -> None:
    port = free_port()
    with hearing() as heard, record(tmp_path), OtlpExporter(tmp_path, f"http://127.0.0.1:{port}"):
        work("early")
        until = time.monotonic() + 5
        while not heard and time.monotonic() < until:
            time.sleep(0.01)
        with collecting(port) as collector:
            work("late")
            collector.wait_for(2)
            assert names_of(collector) == ["early", "late"]
    assert len(heard) == 1


def test_a_collector_that_refuses_is_asked_no_more(tmp_path: Path, collector: LoopbackCollector) -> None:
    collector.always = Say(401)
    with hearing() as heard, record(tmp_path) as tracer, OtlpExporter(tmp_path, collector.url):
        for name in ("a", "b", "c"):
            work(name)
            time.sleep(0.1)
    assert (len(heard), collector.asked, tracer.written) == (1, 1, 3)
    assert "401" in str(heard[0].message)


def test_rejected_spans_are_told_at_the_end(tmp_path: Path, collector: LoopbackCollector) -> None:
    collector.says.append(took_all_but(1, "too old"))
    with pytest.warns(TracingWarning, match="refused 1 spans .*too old"), record(tmp_path):
        with OtlpExporter(tmp_path, collector.url) as exporter:
            work("a")
    assert (exporter.exported.sent, exporter.exported.rejected) == (0, 1)


def test_an_exception_of_the_run_passes_and_its_spans_are_sent(tmp_path: Path, collector: LoopbackCollector) -> None:
    with pytest.raises(KeyError), record(tmp_path), OtlpExporter(tmp_path, collector.url), span("fails"):
        raise KeyError("lost")
    (one,) = collector.taken
    assert one.events[0].name == "exception"


def test_ctrl_c_does_not_wait_for_a_slow_collector(tmp_path: Path, collector: LoopbackCollector) -> None:
    collector.says.append(Say(seconds=3.0))
    with warnings.catch_warnings(), pytest.raises(KeyboardInterrupt):
        warnings.simplefilter("ignore", TracingWarning)
        with record(tmp_path), OtlpExporter(tmp_path, collector.url):
            work("a")
            time.sleep(0.1)
            begun = time.monotonic()
            raise KeyboardInterrupt
    assert time.monotonic() - begun < 1.5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_leaves_the_exporter_to_its_parent(tmp_path: Path, collector: LoopbackCollector) -> None:
    with record(tmp_path), OtlpExporter(tmp_path, collector.url) as exporter:
        child = multiprocessing.get_context("fork").Process(target=_leave, args=(exporter,))
        child.start()
        child.join(10)
        assert child.exitcode == 0
        work("after")
    assert sorted(names_of(collector)) == ["after", "in the child"]


def _leave(exporter: OtlpExporter) -> None:
    work("in the child")
    exporter.__exit__(None, None, None)


def test_a_folder_that_cannot_be_read_is_one_warning(tmp_path: Path, collector: LoopbackCollector) -> None:
    (tmp_path / "spans").write_text("a file where a folder should be")
    with hearing() as heard, OtlpExporter(tmp_path, collector.url):
        pass
    assert len(heard) == 1
    assert "do not reach the collector" in str(heard[0].message)


def test_spans_of_a_later_version_are_one_warning(tmp_path: Path, collector: LoopbackCollector) -> None:
    with hearing() as heard, OtlpExporter(tmp_path, collector.url):
        (tmp_path / "spans").mkdir()
        (tmp_path / "spans" / "1-1.jsonl").write_text('{"schema": 999}\n')
    assert len(heard) == 1
    assert "upgrade llm_brain" in str(heard[0].message)


def test_a_wrong_address_is_an_error_before_the_run_begins(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError):
        OtlpExporter(tmp_path, "localhost")


def test_the_process_ends_while_a_collector_keeps_it_waiting(tmp_path: Path) -> None:
    program = """
import socket, sys
from llm_brain.tracing import record, span
from llm_brain.tracing.otlp import OtlpExporter
deaf = socket.create_server(("127.0.0.1", 0))
with record(sys.argv[1]), OtlpExporter(sys.argv[1], f"http://127.0.0.1:{deaf.getsockname()[1]}", patience=0.2), span("a"):
    pass
"""
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, capture_output=True, text=True, timeout=30)
    assert time.monotonic() - begun < 10.0
    assert done.stderr.count("TracingWarning") == 1
