"""The benchmark of recording: its checks can fail, and its page tells what was measured."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.reports import PAGES, RESULTS, fill
from benchmarks.tracing.call import Call
from benchmarks.tracing.measure import Bench, read_through, write_run
from benchmarks.tracing.processors import children_seconds
from benchmarks.tracing.report import COLUMNS, summarised, tables
from benchmarks.tracing.rows import ROWS
from llm_brain.tracing import read_spans


def test_a_call_has_the_size_that_the_page_tells() -> None:
    call = Call(7)
    assert len(call.attributes) == 14
    assert [len(said["parts"][0]["content"]) for said in call.prompt + call.reply] == [500, 500, 300]
    assert call.prompt != Call(8).prompt


def test_the_rows_that_need_no_environment_are_measured() -> None:
    with Bench([row for row in ROWS if row.environment is None], 20) as bench:
        for _ in range(2):
            bench.round()
    rows = summarised(bench.results)
    assert set(rows) == {"llm_brain", "by_hand"}
    assert all(row["median"][column] > 0 for row in rows.values() for column in COLUMNS)


def test_a_span_that_was_lost_ends_the_run() -> None:
    with Bench([row for row in ROWS if row.name == "by_hand"], 5) as bench:
        bench.round()
        bench.asked += 1
        with pytest.raises(AssertionError, match="has recorded 15 calls of 16"):
            bench.round()


def test_a_run_is_as_long_as_it_is_told_to_be_and_read_through(tmp_path: Path) -> None:
    assert write_run(tmp_path, 3_000) > 3_000 * 1_500
    assert sum(1 for _ in read_spans(tmp_path)) == 3_000
    told = read_through(2_000)
    assert told["spans"] == 2_000
    assert told["read_bytes"] <= told["percentile_bytes"] < 20e6


@pytest.mark.skipif(sys.platform != "linux", reason="it is read from /proc")
def test_the_processors_time_of_processes_that_were_begun_is_seen() -> None:
    before = children_seconds()
    busy = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ntime.sleep(30)"
    with subprocess.Popen([sys.executable, "-c", busy], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.05)
        assert children_seconds() - before >= 0.25
        process.kill()


@pytest.fixture
def record() -> Any:
    return json.loads((RESULTS / "tracing.json").read_text(encoding="utf-8"))


def test_the_page_tells_what_was_measured(record: Any) -> None:
    page = (PAGES / "tracing.md").read_text(encoding="utf-8")
    assert fill(page, tables(record)) == page
    assert all(text in page for text in tables(record).values())


def test_medians_and_multiples_are_those_of_the_rounds(record: Any) -> None:
    again = summarised({name: row["rounds"] for name, row in record["rows"].items()})
    assert {name: row["median"] for name, row in again.items()} == {name: row["median"] for name, row in record["rows"].items()}
    assert set(again["llm_brain"]["times_llm_brain"].values()) == {1.0}


def test_a_span_costs_at_most_thirty_microseconds_and_a_million_are_read_in_little_memory(record: Any) -> None:
    assert record["rows"]["llm_brain"]["median"]["cpu_microseconds"] <= 30
    assert [told["spans"] for told in record["reader"]] == [100_000, 1_000_000]
    assert max(told["peak_bytes"] for told in record["reader"]) < 100e6


def test_every_row_says_what_it_is() -> None:
    for row in ROWS:
        assert (row.folder / "recorder.py").read_text(encoding="utf-8").startswith('"""')
        assert row.environment is None or row.environment.requirements.is_file()
