"""Which points of which curves a run's spans stand for."""

from collections.abc import Iterable
from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm_brain.tracing import SpanRecord, names
from llm_brain.tracing.wandb_curves import CallTotals, Curves, is_kept

ids = (f"{number:016x}" for number in count(1))


def made(kind: str | None, parent: str | None = None, span_id: str | None = None, **attributes: Any) -> SpanRecord:
    told = {f"llm_brain.{name.replace('__', '.')}": value for name, value in attributes.items()}
    kinds = {} if kind is None else {names.KIND: kind}
    return SpanRecord("t", span_id or next(ids), parent, "a name", 0, 10**9, "ok", {**kinds, **told})


def rows_of(spans: Iterable[SpanRecord]) -> list[dict[str, Any]]:
    curves = Curves()
    return [dict(row.values) for one in spans for row in curves.rows(one)]


def training(parent: str, first: int = 0, epochs: int = 2, steps: int = 3) -> list[SpanRecord]:
    """The spans of a training inside the span `parent`, in the order in which they end."""
    spans, step = [], first
    for _ in range(epochs):
        epoch, began = next(ids), step
        for _ in range(steps):
            spans.append(made("step", epoch, step=step, metric__loss=1.0))
            step += 1
        spans.append(made("validation", epoch, step=step, score=0.5))
        spans.append(made("epoch", parent, epoch, step=began, metric__loss=1.0))
    return spans


def names_of(rows: Iterable[dict[str, Any]]) -> set[str]:
    return {name for row in rows for name in row}


def test_metrics_stand_at_their_step_under_the_kind_of_their_span() -> None:
    [row] = rows_of([made("epoch", step=30, metric__loss=0.4, metric__reward=0.7, unrelated=1)])
    assert row == {"epoch/loss": 0.4, "epoch/reward": 0.7, "step": 30}


def test_metrics_of_the_users_own_spans_stand_under_their_name() -> None:
    assert rows_of([made(None, step=1, metric__speed=2)]) == [{"a name/speed": 2, "step": 1}]


def test_what_has_no_step_is_counted_and_a_trial_stands_at_its_number() -> None:
    evaluations = [made("evaluation", score=score) for score in (0.1, 0.9)]
    assert rows_of([*evaluations, made("trial", trial=7, score=0.5)]) == [
        {"evaluation/score": 0.1, "evaluation/number": 1},
        {"evaluation/score": 0.9, "evaluation/number": 2},
        {"trial/score": 0.5, "trial/number": 7},
    ]


def test_a_confusion_matrix_is_no_curve_and_the_last_one_is_kept() -> None:
    curves = Curves()
    for step, counts in enumerate(([[1, 0], [0, 1]], [[2, 0], [1, 3]])):
        told = made("validation", step=step, metric__mood={"labels": ["a", "b"], "counts": counts})
        assert list(curves.rows(told)) == []
    assert curves.confusions["validation/mood"].counts == [[2, 0], [1, 3]]


def test_a_mapping_that_is_no_square_of_counts_is_a_metric_like_others() -> None:
    told = {"labels": ["a", "b"], "counts": [[1], [2]]}
    assert rows_of([made("step", step=1, metric__odd=told)]) == [{"step/odd": told, "step": 1}]


def test_two_trainings_of_a_run_do_not_run_into_each_other() -> None:
    rows = rows_of([*training("first"), *training("second")])
    plain = {"step/loss", "validation/score", "epoch/loss"}
    assert names_of(rows) == {"step", *plain, *(f"training 2/{name}" for name in plain)}
    for name in names_of(rows) - {"step"}:
        steps = [row["step"] for row in rows if name in row]
        assert steps == sorted(set(steps))


def test_a_training_that_was_resumed_goes_on_in_its_curves() -> None:
    rows = rows_of([*training("before the crash", epochs=1), *training("after it", first=3)])
    assert names_of(rows) == {"step", "step/loss", "validation/score", "epoch/loss"}


def test_a_training_that_tells_its_trial_is_named_by_it() -> None:
    assert rows_of([made("epoch", step=0, trial=3, metric__loss=1.0)]) == [{"trial 3/epoch/loss": 1.0, "step": 0}]


def test_calls_add_up_and_what_came_from_the_cache_was_not_paid_for() -> None:
    totals = CallTotals()
    for cached, status in ((False, "ok"), (True, "ok"), (False, "error")):
        told = {names.KIND: "call", names.CACHED: cached, names.INPUT_TOKENS: 10, names.OUTPUT_TOKENS: 2, names.COST: 0.25}
        totals.add(SpanRecord("t", "s", None, "chat", 0, 2 * 10**9, status, told))  # type: ignore[arg-type]
    assert totals.row().values == {
        "calls/number": 3,
        "calls/failed": 1,
        "calls/cached": 1,
        "calls/input_tokens": 20,
        "calls/output_tokens": 4,
        "calls/cost": 0.75,
        "calls/seconds": 2.0,
    }


def test_where_no_cost_is_known_none_is_shown() -> None:
    [row] = rows_of([made("call")])
    assert "calls/cost" not in row


def test_a_run_of_any_length_has_a_bounded_number_of_points() -> None:
    assert sum(is_kept(number, 3) for number in range(1, 1_000_001)) == 999 + 3 * 900 + 1


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.lists(
        st.builds(
            SpanRecord,
            trace_id=st.text(max_size=2),
            span_id=st.text(max_size=2),
            parent_id=st.none() | st.text(max_size=2),
            name=st.text(max_size=3),
            start_ns=st.integers(0, 10**19),
            end_ns=st.integers(0, 10**19),
            status=st.sampled_from(["ok", "error"]),
            attributes=st.dictionaries(
                st.sampled_from([names.KIND, names.STEP, names.SCORE, names.TRIAL, names.COST, "llm_brain.metric.x"]), junk
            ),
        ),
        max_size=10,
    )
)
def test_no_span_breaks_the_curves_and_every_row_has_its_axis(spans: list[SpanRecord]) -> None:
    curves = Curves()
    for one in spans:
        for row in curves.rows(one):
            assert row.axis in row.values
