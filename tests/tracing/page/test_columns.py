"""The page's table: a row a span, parents as rows, and rows for the parents that are in no file."""

import json
import math
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm_brain.tracing import names
from llm_brain.tracing.page.columns import UNFINISHED, Columns
from llm_brain.tracing.reader import SpanRecord
from llm_brain.tracing.redaction import keep_secret

IDS = st.sampled_from(["a", "b", "c", "d", ""])


def a_span(own: str, parent: str | None, trace: str = "t", start: int = 0, end: int = 1_000, **told: Any) -> SpanRecord:
    return SpanRecord(trace, own, parent, f"span {own}", start, end, "ok", told)


def table_of(*spans: SpanRecord) -> Mapping[str, Any]:
    columns = Columns()
    for one in spans:
        columns.add(one)
    return columns.table()


def words(table: Mapping[str, Any], column: str) -> list[str | None]:
    return [None if code < 0 else table["words"][column][code] for code in table[column]]


def test_a_parent_is_the_row_that_it_is_in_whatever_comes_first() -> None:
    assert table_of(a_span("step", "train"), a_span("train", None), a_span("late", "train"))["parent"] == [1, -1, 1]


def test_a_span_of_another_trace_is_no_parent() -> None:
    table = table_of(a_span("a", None, trace="one"), a_span("b", "a", trace="two"))
    assert table["parent"] == [-1, 2, -1]
    assert words(table, "kind")[2] == UNFINISHED


def test_a_missing_parent_stands_below_its_traces_root_and_lasts_as_long_as_its_children() -> None:
    table = table_of(
        a_span("x", "gone", start=2_000, end=5_000), a_span("y", "gone", start=4_000, end=9_000), a_span("root", None)
    )
    assert table["recorded"] == 3
    assert table["parent"] == [3, 3, -1, 2]
    assert (table["start"][3], table["duration"][3], table["id"][3]) == (2, 7, "gone")
    assert words(table, "name")[3] == UNFINISHED


def test_of_a_killed_process_several_missing_parents_share_one_root() -> None:
    table = table_of(a_span("x", "step 1"), a_span("y", "step 2"))
    assert table["parent"] == [2, 3, 4, 4, -1]
    assert words(table, "kind") == ["", "", *[UNFINISHED] * 3]


def test_a_lone_missing_parent_is_a_root() -> None:
    assert table_of(a_span("x", "gone"))["parent"] == [1, -1]


def test_a_kind_stands_as_its_word_and_the_users_own_work_has_none() -> None:
    assert words(table_of(a_span("a", None, **{names.KIND: "step"}), a_span("b", None)), "kind") == ["step", ""]


def test_what_is_no_number_is_none() -> None:
    for value in ("12<script>", True, math.nan, math.inf, 10**400, None, [1]):
        assert table_of(a_span("a", None, **{names.INPUT_TOKENS: value, names.COST: value}))["input"] == [None]


def test_a_key_that_this_process_knows_is_cut_out_of_names() -> None:
    keep_secret("somebodys-secret-name")
    table = table_of(
        SpanRecord("t", "s", None, "chat somebodys-secret-name", 0, 1, "ok", {names.FUNCTION: "somebodys-secret-name"})
    )
    assert (table["words"]["name"], table["words"]["function"]) == (["chat [redacted]"], ["[redacted]"])


def test_metrics_stand_with_their_rows() -> None:
    metrics = {f"{names.METRIC}.loss": 0.5, f"{names.METRIC}.note": "low"}
    assert table_of(a_span("a", None), a_span("b", None, **metrics))["metrics"] == {"loss": {"row": [1], "value": [0.5]}}


@given(st.lists(st.tuples(IDS, IDS | st.none(), st.integers(), st.integers(), st.text()), max_size=12))
def test_any_spans_make_a_table_of_equal_columns_that_json_takes(spans: list[tuple[str, str | None, int, int, str]]) -> None:
    table = table_of(*(a_span(own, parent, trace, start, end) for own, parent, start, end, trace in spans))
    rows = len(table["id"])
    assert all(
        len(table[column]) == rows for column in ("parent", "start", "duration", "kind", "function", "cost", "cached", "trial")
    )
    assert all(-1 <= parent < rows for parent in table["parent"])
    json.dumps(table, allow_nan=False)
