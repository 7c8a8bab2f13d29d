"""A trace that goes on elsewhere: in a child process, below a request's header, below a span of OpenTelemetry's."""

import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.tracing import SpanRecord, TracingWarning, current_traceparent, read_spans, record, span
from llm_brain.tracing.identity import Place, new_span_id, new_trace_id, read_traceparent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"

CHILD = """
import sys
from llm_brain.tracing import record, span
with record(sys.argv[1]), span("child"), span("grandchild"):
    pass
"""

WITH_OPENTELEMETRY = """
import sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from llm_brain.tracing import current_traceparent, record, span

trace.set_tracer_provider(TracerProvider())
theirs = trace.get_tracer("web")
with record(sys.argv[1]):
    with span("before"):
        pass
    with theirs.start_as_current_span("request") as request:
        context = request.get_span_context()
        print(f"{context.trace_id:032x} {context.span_id:016x} {current_traceparent()}")
        with span("inside"), span("deeper"):
            pass
    with span("after"):
        pass
with theirs.start_as_current_span("request"), record(sys.argv[1], parent=sys.argv[2]), span("given"):
    pass
"""


def recorded(folder: Path) -> dict[str, SpanRecord]:
    return {one.name: one for one in read_spans(folder)}


def run(program: str, *arguments: str, **variables: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "TRACEPARENT"}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[2]), **variables}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout


def test_a_process_that_is_begun_inside_a_span_goes_on_with_its_trace(tmp_path: Path) -> None:
    with record(tmp_path), span("parent"):
        run(CHILD, str(tmp_path), TRACEPARENT=current_traceparent() or "")
    spans = recorded(tmp_path)
    assert spans["child"].parent_id == spans["parent"].span_id
    assert spans["grandchild"].parent_id == spans["child"].span_id
    assert {one.trace_id for one in spans.values()} == {spans["parent"].trace_id}


def test_a_pool_of_processes_works_below_the_span_that_it_is_told(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with record(tmp_path), span("outer") as outer, ProcessPoolExecutor(2, mp_context=context) as pool:
        for future in [pool.submit(_work, tmp_path, current_traceparent(), number) for number in range(4)]:
            future.result(60)
    spans = recorded(tmp_path)
    assert {spans[f"work {number}"].parent_id for number in range(4)} == {outer.span_id}
    assert len({one.span_id for one in spans.values()}) == 5


def _work(folder: Path, parent: str | None, number: int) -> None:
    with record(folder, parent=parent), span(f"work {number}"):
        pass


def test_what_is_given_goes_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEPARENT", f"00-{'1' * 32}-{'2' * 16}-01")
    with record(tmp_path), span("inherited"):
        pass
    with record(tmp_path, parent=PARENT), span("given"), span("inner"):
        pass
    spans = recorded(tmp_path)
    assert (spans["inherited"].trace_id, spans["inherited"].parent_id) == ("1" * 32, "2" * 16)
    assert (spans["given"].trace_id, spans["given"].parent_id) == (TRACE, SPAN)
    assert spans["inner"].parent_id == spans["given"].span_id


def test_a_parent_that_cannot_be_read_is_told_and_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEPARENT", "nonsense")  # of others, so nothing is said of it
    with pytest.warns(TracingWarning, match="'yesterday' is no traceparent"), record(tmp_path, parent="yesterday"), span("work"):
        pass
    assert recorded(tmp_path)["work"].parent_id is None


def test_the_current_traceparent_is_the_innermost_span_or_what_the_run_was_given(tmp_path: Path) -> None:
    assert current_traceparent() is None
    with record(tmp_path):
        assert current_traceparent() is None
        with span("work") as here:
            assert current_traceparent() == f"00-{here.trace_id}-{here.span_id}-01"
    with record(tmp_path, parent=PARENT):
        assert current_traceparent() == PARENT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        PARENT[:-1],
        PARENT.upper(),
        f"ff{PARENT[2:]}",
        f"{PARENT}-more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-0g",
    ],
)
def test_what_is_no_traceparent_is_none(text: str) -> None:
    assert read_traceparent(text) is None


def test_a_later_version_may_say_more() -> None:
    assert read_traceparent(f" 01{PARENT[2:]}-more\n") == Place(TRACE, SPAN)


@given(st.text(max_size=80))
def test_any_text_can_be_tried(text: str) -> None:
    assert read_traceparent(text) is None


def test_what_is_written_is_read_back() -> None:
    places = [Place(new_trace_id(), new_span_id()) for _ in range(1000)]
    assert [read_traceparent(place.traceparent) for place in places] == places
    assert len({place.span_id for place in places}) == 1000


def test_forked_processes_draw_ids_of_their_own(tmp_path: Path) -> None:
    with record(tmp_path), span("outer"):
        children = [multiprocessing.get_context("fork").Process(target=_draw) for _ in range(4)]
        for child in children:
            child.start()
        _draw()
        for child in children:
            child.join(20)
    spans = list(read_spans(tmp_path))
    assert len({one.span_id for one in spans}) == len(spans) == 1 + 5 * 50


def _draw() -> None:
    for number in range(50):
        with span(f"drawn {number}"):
            pass


def test_a_span_joins_the_trace_that_opentelemetry_has_begun(tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.sdk.trace")
    trace_id, span_id, parent = run(WITH_OPENTELEMETRY, str(tmp_path), PARENT).split()
    spans = recorded(tmp_path)
    assert (spans["inside"].trace_id, spans["inside"].parent_id) == (trace_id, span_id)
    assert parent == f"00-{trace_id}-{span_id}-01"
    assert spans["deeper"].parent_id == spans["inside"].span_id
    assert spans["before"].parent_id is spans["after"].parent_id is None
    assert (spans["given"].trace_id, spans["given"].parent_id) == (TRACE, SPAN)


def test_opentelemetry_is_not_imported_by_recording(tmp_path: Path) -> None:
    program = CHILD + "print('opentelemetry' in sys.modules)"
    assert run(program, str(tmp_path)) == "False\n"
