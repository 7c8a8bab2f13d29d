"""The benchmark of the embedded model: its page tells what was measured, and sixteen calls at once are six times as fast."""

from __future__ import annotations

import json

from benchmarks.local_model.report import results, summarised
from benchmarks.reports import PAGES, RESULTS, fill


def turn(seconds: float, tokens: float) -> dict[str, float]:
    return {"seconds": seconds, "cpu_seconds": seconds, "tokens": tokens}


def test_ways_are_compared_by_calls_or_by_tokens_within_each_round() -> None:
    slow, quick = [turn(4.0, 8.0), turn(8.0, 8.0)], [turn(1.0, 1.0), turn(2.0, 1.0)]
    made = summarised({"typed calls": {"slow": slow, "quick": quick}, "free text": {"slow": slow, "quick": quick}}, calls=4)
    assert made["typed calls"]["quick"]["times_as_fast"] == 4.0
    assert made["free text"]["quick"]["times_as_fast"] == 0.5
    assert made["typed calls"]["slow"]["calls_a_second"] == 0.75


def test_the_page_tells_what_was_measured() -> None:
    page = (PAGES / "local-model.md").read_text(encoding="utf-8")
    record = json.loads((RESULTS / "local_model.json").read_text(encoding="utf-8"))
    assert fill(page, {"results": results(record)}) == page
    assert all(made["times_as_fast"] >= 6 for way, made in record["groups"]["typed calls"].items() if "16" in way)
