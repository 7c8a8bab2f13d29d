"""The same run in two collectors that know nothing of each other: all spans, their tree, the model and the tokens."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import pytest

from llm_brain import llm_strategy
from llm_brain.backends import CachedBackend, LanguageBackend, Reply, Request, Usage
from llm_brain.errors import ReplyError
from llm_brain.tracing import SpanRecord, names, read_spans, record, span
from llm_brain.tracing.otlp import OtlpExporter, export_run
from llm_brain.tracing.otlp_batches import Exported
from tests.collectors_real.running import RealCollector
from tests.interface.models import Scripted

pytestmark = pytest.mark.slow


def answer(request: Request) -> Any:
    """Answer as a served model would, with the tokens that this took."""
    asked = str(request.messages)
    mood = "unhappy" if "does not fit" in asked else "perhaps"
    text = mood if "mood(" in asked else "many" if "count(" in asked else "It broke."
    return Reply(text, "stop", "served-model", Usage(100, 7))


def ask(model: LanguageBackend) -> None:
    """Ask once in words, once for a choice that needs a repair, and once for what never fits."""

    @llm_strategy(model)
    def shorten(text: str) -> str:
        """Shorten a text."""
        raise NotImplementedError

    @llm_strategy(model)
    def mood(text: str) -> Literal["happy", "unhappy"]:
        """Tell the mood of a text."""
        raise NotImplementedError

    @llm_strategy(model)
    def count(text: str) -> int:
        """Count the words."""
        raise NotImplementedError

    shorten("It cracked in a week.")
    mood("It cracked in a week.")
    with pytest.raises(ReplyError):
        count("It cracked in a week.")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with one trace: a user's span around three functions, the first of them asked again out of a cache."""
    folder = tmp_path / "run"
    with closing(CachedBackend(Scripted(answer), tmp_path / "answers.sqlite")) as model:
        with record(folder), span("my work"):
            ask(model)
            ask(model)
    return folder


def spans_of(run: Path) -> tuple[str, dict[str, SpanRecord]]:
    spans = {one.span_id: one for one in read_spans(run)}
    (trace,) = {one.trace_id for one in spans.values()}
    return trace, spans


def test_every_span_is_there_with_its_name_and_its_parent(run: Path, collector: RealCollector) -> None:
    trace, spans = spans_of(run)
    assert export_run(run, collector.url, collector.headers) == Exported(sent=len(spans))
    shown = collector.wait_for(trace, len(spans))
    assert {(one.span_id, one.parent_id, one.name) for one in shown} == {
        (one.span_id, one.parent_id, one.name) for one in spans.values()
    }


def test_model_and_tokens_are_recognised_and_what_the_cache_answered_is_not_added_up(run: Path, collector: RealCollector) -> None:
    trace, spans = spans_of(run)
    export_run(run, collector.url, collector.headers)
    shown = {one.span_id: one for one in collector.wait_for(trace, len(spans))}
    calls = [one for one in spans.values() if one.is_call]
    paid = [one for one in calls if not one.attributes.get(names.CACHED)]
    assert 0 < len(paid) < len(calls)
    for one in calls:
        there = shown[one.span_id]
        assert there.model in {"scripted", "served-model"}
        assert there.tokens == ((100, 7) if one in paid else None)
        assert there.kind in {"CHAT_MODEL", "LLM"}
    assert collector.tokens(trace) == (100 * len(paid), 7 * len(paid))


def test_functions_replies_and_failures_are_shown_as_such(run: Path, collector: RealCollector) -> None:
    trace, spans = spans_of(run)
    export_run(run, collector.url, collector.headers)
    shown = {one.span_id: one for one in collector.wait_for(trace, len(spans))}
    for one in spans.values():
        there = shown[one.span_id]
        assert there.failed == (one.status == "error")
        assert list(there.exceptions) == ([one.error["type"]] if one.error else [])
        if one.kind == names.FUNCTION_KIND:
            assert there.kind == "CHAIN"
            assert there.output == one.attributes.get(names.VALUE)
        if one.is_call and names.OUTPUT_MESSAGES in one.attributes:
            (said,) = one.attributes[names.OUTPUT_MESSAGES]
            assert said["parts"][0]["content"] in str(there.output)


def test_a_run_that_is_sent_twice_is_there_once(run: Path, collector: RealCollector) -> None:
    trace, spans = spans_of(run)
    for _ in range(2):
        assert export_run(run, collector.url, collector.headers).sent == len(spans)
    collector.wait_for(trace, len(spans))
    time.sleep(2.0)  # Phoenix answers before it stores
    assert len(collector.spans(trace)) == len(spans)


def test_a_run_arrives_while_it_goes_on(tmp_path: Path, collector: RealCollector) -> None:
    with record(tmp_path), OtlpExporter(tmp_path, collector.url, collector.headers, patience=30.0), span("train") as outer:
        for _ in range(300):
            with span("step"):
                pass
        early = collector.wait_for(outer.trace_id, 300)
        assert {one.name for one in early} == {"step"}
    shown = collector.wait_for(outer.trace_id, 301)
    assert [one.parent_id for one in shown].count(outer.span_id) == 300
    assert [one.parent_id for one in shown if one.name == "train"] == [None]


def test_spans_stand_below_those_of_a_trace_that_the_program_had_begun(tmp_path: Path, collector: RealCollector) -> None:
    trace = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    http = pytest.importorskip("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    theirs = http.OTLPSpanExporter(f"{collector.url}/v1/traces", headers=dict(collector.headers))
    provider = trace.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(theirs))
    with provider.get_tracer("their program").start_as_current_span("their request") as request:
        with record(tmp_path), span("our work"):
            pass
    provider.shutdown()
    export_run(tmp_path, collector.url, collector.headers)
    context = request.get_span_context()
    shown = {one.name: one for one in collector.wait_for(f"{context.trace_id:032x}", 2)}
    assert shown["our work"].parent_id == shown["their request"].span_id == f"{context.span_id:016x}"
