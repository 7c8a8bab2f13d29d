"""The benchmark of caches: its checks can fail, and its page tells what was measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cache.measure import Bench
from benchmarks.cache.question import Question, answer
from benchmarks.cache.report import COLUMNS, summarised, tables
from benchmarks.cache.rows import ROWS
from benchmarks.cache.worker import asked
from benchmarks.reports import PAGES, RESULTS, fill


class Cache:
    """Keeps answers in memory; `spoil` says how it gets them wrong."""

    def __init__(self, spoil: Callable[[str], str | None] = lambda text: text) -> None:
        self.kept: dict[int, str] = {}
        self.asked = 0
        self.spoil = spoil

    def prepared(self, question: Question) -> Question:
        return question

    def ask(self, question: Question) -> str:
        if question.number not in self.kept:
            self.asked += 1
            text = answer(question.messages[-1][1])
            kept = self.spoil(text)
            if kept is not None:
                self.kept[question.number] = kept
            return text
        return self.kept[question.number]


def test_a_cache_that_is_right_is_measured() -> None:
    cache = Cache()
    for new, threads in ((True, 1), (False, 1), (False, 4)):
        measured = asked(cache, range(20), new=new, threads=threads)
        assert measured["failures"] == 0
        assert min(measured["cpu_microseconds"], measured["wall_microseconds"]) > 0
    assert cache.asked == 20


def test_a_wrong_answer_ends_the_run() -> None:
    cache = Cache(lambda text: text.replace("bug", "question"))
    asked(cache, range(3), new=True, threads=1)
    with pytest.raises(AssertionError):
        asked(cache, range(3), new=False, threads=1)


def test_an_answer_that_was_lost_ends_the_run() -> None:
    cache = Cache(lambda text: None if "000002" in text else text)
    asked(cache, range(3), new=True, threads=1)
    with pytest.raises(AssertionError, match="1 calls"):
        asked(cache, range(3), new=False, threads=1)


def test_an_answer_that_was_there_before_ends_the_run() -> None:
    cache = Cache()
    asked(cache, range(3), new=True, threads=1)
    with pytest.raises(AssertionError, match="0 calls"):
        asked(cache, range(3), new=True, threads=1)


def test_a_cache_that_fails_ends_the_run_unless_it_is_insisted() -> None:
    class Failing(Cache):
        tries = 0

        def ask(self, question: Question) -> str:
            self.tries += 1
            if self.tries % 2:
                message = "database is locked"
                raise OSError(message)
            return super().ask(question)

    assert asked(Failing(), range(3), new=True, insist=True)["failures"] == 3
    with pytest.raises(OSError, match="locked"):
        asked(Failing(), range(3), new=True)


def test_questions_differ_and_have_two_thousand_characters() -> None:
    first, second = Question(1), Question(2)
    assert first.as_json() != second.as_json()
    assert abs(sum(len(text) for _, text in first.messages) - 2000) < 50


def test_the_rows_that_need_no_environment_are_measured_by_two_processes() -> None:
    rows = [row for row in ROWS if not row.has_environment]
    with Bench(rows, 20) as bench:
        for _ in range(2):
            bench.round()
    record = summarised(bench.results)
    assert set(record) == {"llm_brain", "by_hand"}
    assert all(row["median"][column] > 0 for row in record.values() for column in COLUMNS)
    assert [row["failures"] for row in record.values()] == [0, 0]
    assert set(COLUMNS) < set(record["llm_brain"]["median"])


@pytest.fixture
def record() -> Any:
    return json.loads((RESULTS / "cache.json").read_text(encoding="utf-8"))


def test_the_page_tells_what_was_measured(record: Any) -> None:
    page = (PAGES / "cache.md").read_text(encoding="utf-8")
    assert fill(page, tables(record)) == page
    assert all(text in page for text in tables(record).values())


def test_medians_and_multiples_are_those_of_the_rounds(record: Any) -> None:
    rounds = {name: row["rounds"] for name, row in record["rows"].items()}
    again = summarised(rounds)
    assert {name: row["median"] for name, row in again.items()} == {name: row["median"] for name, row in record["rows"].items()}
    assert all(row["times_diskcache"]["hit_cpu_microseconds"] == 1 for name, row in again.items() if name == "diskcache")


def test_every_row_says_what_it_is() -> None:
    for row in ROWS:
        assert (Path(row.folder) / "cache.py").read_text(encoding="utf-8").startswith('"""')
        assert (Path(row.folder) / "requirements.txt").is_file() == row.has_environment
