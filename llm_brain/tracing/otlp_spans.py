"""Spans in OpenTelemetry's wire format (OTLP), with the ids, parents and times that they have in the file.

    SpanRecord -> opentelemetry.proto Span -> a request: one resource, one scope, many spans -> bytes

The messages are OpenTelemetry's own generated classes. Its SDK is not used: that makes spans of what happens now and sends
them itself, and here they have happened already.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from llm_brain.errors import missing_dependency
from llm_brain.tracing import names
from llm_brain.tracing.otlp_attributes import Value, otlp_attributes, otlp_value
from llm_brain.tracing.reader import SpanRecord

if TYPE_CHECKING:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

SERVICE: Final = "llm_brain"
"""What the program is called in a collector, unless `OTEL_SERVICE_NAME` says otherwise."""
RUN: Final = "llm_brain.run"
_NEEDED: Final = {"opentelemetry-proto": "opentelemetry.proto.collector.trace.v1.trace_service_pb2", "requests": "requests"}
_TRACE_ID_BYTES: Final = 16
_SPAN_ID_BYTES: Final = 8


def require_otlp() -> None:
    """Make sure that OpenTelemetry's messages are installed.

    Raises:
        MissingDependencyError: They are not.

    Example:
        >>> require_otlp()
    """
    for package, module in (
        ("opentelemetry-proto", "opentelemetry.proto.collector.trace.v1.trace_service_pb2"),
        ("requests",) * 2,
    ):
        try:
            import_module(module)
        except ImportError as error:
            missing = missing_dependency(package, extra="otlp")
            raise missing from error


def otlp_span(one: SpanRecord) -> Span:
    """Turn a span into OpenTelemetry's message. What failed gets the status and an `exception` event.

    Raises:
        ValueError: An id is not hexadecimal of OpenTelemetry's length, or a time is none: a stranger wrote the line.

    Example:
        >>> failed = {"type": "TimeoutError", "message": "no answer"}
        >>> one = SpanRecord("0a" * 16, "0b" * 8, None, "chat", 1, 2, "error", {}, failed)
        >>> told = otlp_span(one)
        >>> told.span_id.hex(), told.status.message, told.events[0].name
        ('0b0b0b0b0b0b0b0b', 'no answer', 'exception')
    """
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    asks = one.kind in {names.CALL_KIND, names.ATTEMPT_KIND}
    span = Span(
        trace_id=_identifier(one.trace_id, _TRACE_ID_BYTES),
        span_id=_identifier(one.span_id, _SPAN_ID_BYTES),
        parent_span_id=b"" if one.parent_id is None else _identifier(one.parent_id, _SPAN_ID_BYTES),
        name=str(otlp_value(one.name)),
        kind=Span.SPAN_KIND_CLIENT if asks else Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=one.start_ns,
        end_time_unix_nano=one.end_ns,
        attributes=_pairs(otlp_attributes(one)),
    )
    if one.status == "error":
        _tell_error(span, one)
    return span


def otlp_request(spans: Sequence[Span], run: str) -> ExportTraceServiceRequest:
    """Put spans into one request: under a resource, which names the program and the run, and a scope, which names us.

    The resource's further attributes are those of OpenTelemetry's own variable `OTEL_RESOURCE_ATTRIBUTES`.

    Args:
        spans: What to send.
        run: The name of the run.

    Example:
        >>> request = otlp_request([], "monday")
        >>> request.resource_spans[0].scope_spans[0].scope.name
        'llm_brain'
    """
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

    told = {"service.name": SERVICE, **pairs_of_variable("OTEL_RESOURCE_ATTRIBUTES"), RUN: run}
    if service := os.environ.get("OTEL_SERVICE_NAME"):
        told["service.name"] = service
    scope = InstrumentationScope(name=SERVICE, version=_version())
    return ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                resource=Resource(attributes=_pairs({name: str(otlp_value(value)) for name, value in told.items()})),
                scope_spans=[ScopeSpans(scope=scope, spans=spans, schema_url=names.SCHEMA_URL)],
                schema_url=names.SCHEMA_URL,
            )
        ]
    )


def pairs_of_variable(variable: str) -> dict[str, str]:
    """Read an environment variable of OpenTelemetry's that holds `name=value,name=value`, quoted as in a URL.

    Example:
        >>> os.environ["OTEL_RESOURCE_ATTRIBUTES"] = "team=blue,place=the%20lab"
        >>> pairs_of_variable("OTEL_RESOURCE_ATTRIBUTES")
        {'team': 'blue', 'place': 'the lab'}
        >>> del os.environ["OTEL_RESOURCE_ATTRIBUTES"]
    """
    pairs = (pair.partition("=") for pair in os.environ.get(variable, "").split(","))
    return {unquote(name).strip(): unquote(value).strip() for name, equals, value in pairs if equals and name.strip()}


def _tell_error(span: Span, one: SpanRecord) -> None:
    from opentelemetry.proto.trace.v1.trace_pb2 import Status

    error = one.error or {}
    kind, message = str(error.get("type", "error")), str(error.get("message", ""))
    told = {"exception.type": kind} | ({"exception.message": message} if message else {})
    span.status.code = Status.STATUS_CODE_ERROR
    span.status.message = str(otlp_value(message or kind))
    span.events.add(
        name="exception",
        time_unix_nano=one.end_ns,
        attributes=_pairs({name: str(otlp_value(text)) for name, text in told.items()}),
    )


def _pairs(attributes: Mapping[str, Value]) -> list[KeyValue]:
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

    return [KeyValue(key=name, value=_any(value)) for name, value in attributes.items()]


def _any(value: Value) -> AnyValue:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue

    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(array_value=ArrayValue(values=[_any(item) for item in value]))


def _identifier(hexadecimal: str, size: int) -> bytes:
    identifier = bytes.fromhex(hexadecimal)
    if len(identifier) != size or not any(identifier):
        message = f"{hexadecimal!r} is not an id of {size} bytes"
        raise ValueError(message)
    return identifier


def _version() -> str:
    try:
        return metadata.version(SERVICE)
    except metadata.PackageNotFoundError:
        return ""
