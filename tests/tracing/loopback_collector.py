"""A collector on a loopback socket: it decodes what it is sent, and answers as it is told to."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span


@dataclass
class Told:
    """One request: where it went, with what, and the spans in it."""

    path: str
    headers: Mapping[str, str]
    size: int
    parts: list[ResourceSpans]

    @property
    def spans(self) -> list[Span]:
        return [span for part in self.parts for scope in part.scope_spans for span in scope.spans]


@dataclass
class Say:
    """An answer: its status, its words, after so many seconds."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass
class LoopbackCollector:
    """What it was told; `says` are its next answers, and afterwards it takes everything.

    Attributes:
        most: Larger requests than of so many spans are answered with 413.
        unfit: Requests with a span of this name are answered with 400.
        always: What every request is answered with, if anything.
        asked: How many requests there were.
    """

    url: str
    told: list[Told] = field(default_factory=list)
    says: deque[Say] = field(default_factory=deque)
    most: int = 100_000
    unfit: str = ""
    always: Say | None = None
    asked: int = 0

    @property
    def taken(self) -> list[Span]:
        return [span for request in self.told for span in request.spans]

    def answer(self, request: Told) -> Say:
        self.asked += 1
        if self.says or self.always:
            say = self.always or self.says.popleft()
        elif len(request.spans) > self.most:
            say = Say(413)
        elif self.unfit in {span.name for span in request.spans}:
            say = Say(400, b"there is a span that does not fit")
        else:
            say = took_all()
        if say.status == 200:
            self.told.append(request)
        return say

    def wait_for(self, spans: int, *, seconds: float = 10.0) -> list[Span]:
        until = time.monotonic() + seconds
        while len(self.taken) < spans and time.monotonic() < until:
            time.sleep(0.01)
        return self.taken


def took_all() -> Say:
    return Say(200, ExportTraceServiceResponse().SerializeToString(), {"Content-Type": "application/x-protobuf"})


def took_all_but(rejected: int, reason: str) -> Say:
    told = ExportTracePartialSuccess(rejected_spans=rejected, error_message=reason)
    body = ExportTraceServiceResponse(partial_success=told).SerializeToString()
    return Say(200, body, {"Content-Type": "application/x-protobuf"})


def values(span: Span) -> dict[str, Any]:
    return {pair.key: value(pair.value) for pair in span.attributes}


def value(told: AnyValue) -> Any:
    form = told.WhichOneof("value")
    if form == "array_value":
        return [value(item) for item in told.array_value.values]
    return getattr(told, form) if form else None


def json_value(span: Span, name: str) -> Any:
    return json.loads(values(span)[name])


@contextmanager
def collecting(port: int = 0) -> Iterator[LoopbackCollector]:
    """Run a collector, at a port of its own unless one is named."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            raw = gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body
            request = ExportTraceServiceRequest.FromString(raw)
            headers = {name.lower(): text for name, text in self.headers.items()}
            say = collector.answer(Told(self.path, headers, len(body), list(request.resource_spans)))
            time.sleep(say.seconds)
            self.send_response(say.status)
            for name, text in say.headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(say.body)))
            self.end_headers()
            self.wfile.write(say.body)

        do_GET = do_POST  # noqa: N815 - its caller names it

        def log_message(self, *_: object) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            return

    with Server(("127.0.0.1", port), Handler) as server:
        collector = LoopbackCollector(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
