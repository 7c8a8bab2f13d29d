"""What a span becomes on the way to a collector: the same ids, parents and times, and names that collectors know."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from llm_brain.tracing import SpanRecord, keep_secret, names
from llm_brain.tracing.otlp_attributes import otlp_attributes, otlp_value
from llm_brain.tracing.otlp_spans import otlp_request, otlp_span
from tests.tracing.loopback_collector import json_value, values

TRACE, SPAN, PARENT = "0a" * 16, "0b" * 8, "0c" * 8
MESSAGES = [{"role": "user", "parts": [{"type": "text", "content": "café?"}]}]


def record_of(attributes: dict[str, Any] | None = None, **more: Any) -> SpanRecord:
    told = {"trace_id": TRACE, "span_id": SPAN, "parent_id": PARENT, "name": "chat m", "start_ns": 10, "end_ns": 20}
    return SpanRecord(**{**told, "status": "ok", "attributes": attributes or {}, **more})


def test_ids_parent_name_and_times_are_those_of_the_file() -> None:
    span = otlp_span(record_of())
    assert (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN, PARENT)
    assert (span.name, span.start_time_unix_nano, span.end_time_unix_nano) == ("chat m", 10, 20)
    assert otlp_span(record_of(parent_id=None)).parent_span_id == b""


def test_a_call_is_a_client_and_other_work_is_internal() -> None:
    assert otlp_span(record_of({names.KIND: names.CALL_KIND})).kind == Span.SPAN_KIND_CLIENT
    assert otlp_span(record_of({names.KIND: names.STEP_KIND})).kind == Span.SPAN_KIND_INTERNAL
    assert otlp_span(record_of()).kind == Span.SPAN_KIND_INTERNAL


def test_what_failed_has_the_status_the_type_and_an_event() -> None:
    error = {"type": "llm_brain.errors.BackendError", "message": "slow down"}
    span = otlp_span(record_of(status="error", error=error))
    assert (span.status.code, span.status.message) == (Status.STATUS_CODE_ERROR, "slow down")
    (event,) = span.events
    assert (event.name, event.time_unix_nano) == ("exception", 20)
    assert {pair.key: pair.value.string_value for pair in event.attributes} == {
        "exception.type": error["type"],
        "exception.message": "slow down",
    }
    assert values(span)["error.type"] == error["type"]


def test_without_contents_the_type_of_an_error_is_all_that_is_told() -> None:
    span = otlp_span(record_of(status="error", error={"type": "KeyError", "message": ""}))
    assert span.status.message == "KeyError"
    assert [pair.key for pair in span.events[0].attributes] == ["exception.type"]


def test_an_error_type_of_the_conventions_is_kept() -> None:
    told = otlp_attributes(record_of({names.ERROR_TYPE: "rate_limit"}, status="error", error={"type": "X", "message": ""}))
    assert told["error.type"] == "rate_limit"


def test_what_went_well_leaves_the_status_unset_as_opentelemetry_wants_it() -> None:
    span = otlp_span(record_of())
    assert (span.status.code, list(span.events)) == (Status.STATUS_CODE_UNSET, [])


def test_messages_are_json_text_and_lists_of_one_type_stay_lists() -> None:
    span = otlp_span(record_of({names.INPUT_MESSAGES: MESSAGES, names.RESPONSE_FINISH_REASONS: ["stop"], "mixed": [1, "a"]}))
    assert json_value(span, names.INPUT_MESSAGES) == MESSAGES
    assert "café" in values(span)[names.INPUT_MESSAGES]
    assert values(span)[names.RESPONSE_FINISH_REASONS] == ["stop"]
    assert json_value(span, "mixed") == [1, "a"]


def test_numbers_keep_their_types_and_what_is_none_is_left_out() -> None:
    told = {"i": 12, "f": 0.5, "t": True, "n": None, "huge": 2**80, "flags": [True, False], "list": [1, 2], "both": [1, 2.5]}
    got = values(otlp_span(record_of(told)))
    assert got == {"i": 12, "f": 0.5, "t": True, "huge": str(2**80), "flags": [True, False], "list": [1, 2], "both": "[1,2.5]"}
    assert [type(got[name]) for name in ("i", "f", "t")] == [int, float, bool]


def json_values(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
    )


@given(st.dictionaries(st.text(st.characters(), max_size=8), json_values(st.text(st.characters())), max_size=6))
def test_whatever_stands_in_a_file_can_be_sent(attributes: dict[str, Any]) -> None:
    span = otlp_span(record_of(attributes, name="\ud800 name"))
    assert Span.FromString(span.SerializeToString()) == span
    assert len(values(span)) <= len(attributes)


@given(json_values(st.text()))
def test_deep_values_are_read_back_from_their_text(value: Any) -> None:
    assert json.loads(str(otlp_value({"v": value}))) == {"v": value}


def test_a_function_and_a_retrieval_get_the_words_that_mlflow_and_phoenix_read() -> None:
    said = {names.KIND: names.FUNCTION_KIND, names.ARGUMENTS: {"message": "It broke."}, names.VALUE: "unhappy"}
    told = otlp_attributes(record_of(said))
    assert told["openinference.span.kind"] == "CHAIN"
    assert json.loads(str(told["input.value"])) == {"message": "It broke."}
    assert (told["output.value"], told["output.mime_type"]) == ('"unhappy"', "application/json")
    assert otlp_attributes(record_of({names.KIND: names.RETRIEVAL_KIND}))["openinference.span.kind"] == "RETRIEVER"
    assert told.items() >= {names.VALUE: "unhappy", names.KIND: "function"}.items()


def test_a_call_is_told_in_the_genai_conventions_alone() -> None:
    told = otlp_attributes(record_of({names.KIND: names.CALL_KIND, names.OPERATION_NAME: "chat", names.OUTPUT_MESSAGES: []}))
    assert not [name for name in told if name.startswith(("openinference", "input.", "output.", "llm."))]


def test_what_the_cache_answered_is_not_added_to_what_was_used() -> None:
    used = {names.INPUT_TOKENS: 12, names.OUTPUT_TOKENS: 3, names.REQUEST_MODEL: "m"}
    cached = otlp_attributes(record_of({**used, names.CACHED: True}))
    assert cached == {
        "llm_brain.cached_usage.input_tokens": 12,
        "llm_brain.cached_usage.output_tokens": 3,
        names.REQUEST_MODEL: "m",
        names.CACHED: True,
    }
    assert otlp_attributes(record_of({**used, names.CACHED: False}))[names.INPUT_TOKENS] == 12


def test_a_key_that_only_this_process_knows_is_cut_out_and_json_stays_json() -> None:
    keep_secret('quo"ted-and-long')
    said = {names.INPUT_MESSAGES: [{"content": 'my key is quo"ted-and-long'}], "plain": 'quo"ted-and-long'}
    span = otlp_span(record_of(said, name='quo"ted-and-long'))
    assert json_value(span, names.INPUT_MESSAGES) == [{"content": "my key is [redacted]"}]
    assert (values(span)["plain"], span.name) == ("[redacted]", "[redacted]")


@pytest.mark.parametrize("wrong", [{"trace_id": "xyz"}, {"span_id": "0b"}, {"trace_id": "00" * 16}, {"start_ns": -1}])
def test_what_is_no_span_of_opentelemetrys_is_a_value_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        otlp_span(record_of(**wrong))


def test_the_request_names_the_program_the_run_the_scope_and_the_conventions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "openinference.project.name=my%20project,service.name=other")
    (part,) = otlp_request([otlp_span(record_of())], "monday").resource_spans
    assert {pair.key: pair.value.string_value for pair in part.resource.attributes} == {
        "service.name": "other",
        "openinference.project.name": "my project",
        "llm_brain.run": "monday",
    }
    assert part.schema_url == part.scope_spans[0].schema_url == names.SCHEMA_URL
    assert part.scope_spans[0].scope.name == "llm_brain"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    (part,) = otlp_request([], "monday").resource_spans
    assert part.resource.attributes[0].value.string_value == "mine"


def test_our_names_are_those_of_the_conventions() -> None:
    conventions = pytest.importorskip("opentelemetry.semconv._incubating.attributes.gen_ai_attributes")
    schemas = pytest.importorskip("opentelemetry.semconv.schemas").Schemas
    known = {value for name, value in vars(conventions).items() if name.startswith("GEN_AI_")}
    ours = {value for name, value in vars(names).items() if isinstance(value, str) and value.startswith("gen_ai.")}
    assert ours <= known
    assert names.SCHEMA_URL in {one.value for one in schemas}
