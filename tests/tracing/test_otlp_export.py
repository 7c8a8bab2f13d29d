"""Sending a finished run: every span arrives once, faults of the collector are waited out or said, keys stay secret."""

from __future__ import annotations

import json
import logging
import pickle
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from llm_brain.errors import ArgumentError, CollectorError, DataError, LLMBrainError, MissingDependencyError
from llm_brain.tracing import names, read_spans, record, span
from llm_brain.tracing import otlp as module
from llm_brain.tracing import otlp_batches as batches
from llm_brain.tracing.otlp import export_run
from llm_brain.tracing.otlp_batches import Exported
from tests.tracing.loopback_collector import LoopbackCollector, Say, collecting, took_all_but, values

KEY = "a-key-that-nobody-may-see"


@pytest.fixture(autouse=True)
def directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of seven spans: a function around two calls, and four steps."""
    folder = tmp_path / "run"
    with record(folder):
        with span("mood", {names.KIND: names.FUNCTION_KIND}):
            for number in range(2):
                with span("chat m", {names.KIND: names.CALL_KIND, names.REQUEST_MODEL: "m", names.INPUT_TOKENS: 10 + number}):
                    pass
        for number in range(4):
            with span(f"step {number}"):
                pass
    return folder


@pytest.fixture
def collector() -> Any:
    with collecting() as one:
        yield one


def test_every_span_arrives_with_its_ids_parents_and_times(run: Path, collector: LoopbackCollector) -> None:
    assert export_run(run, collector.url) == Exported(sent=7)
    told = {(s.trace_id.hex(), s.span_id.hex(), s.parent_span_id.hex(), s.name, s.start_time_unix_nano) for s in collector.taken}
    assert told == {(s.trace_id, s.span_id, s.parent_id or "", s.name, s.start_ns) for s in read_spans(run)}
    assert sum(values(s).get(names.INPUT_TOKENS, 0) for s in collector.taken) == 21


def test_the_request_is_what_otlp_says(run: Path, collector: LoopbackCollector) -> None:
    export_run(run, collector.url, {"X-Mlflow-Experiment-Id": "7"})
    (request,) = collector.told
    assert request.path == "/v1/traces"
    assert request.headers.items() >= {
        "content-type": "application/x-protobuf", "content-encoding": "gzip", "x-mlflow-experiment-id": "7",
    }.items()  # fmt: skip
    (part,) = request.parts
    assert {pair.key: pair.value.string_value for pair in part.resource.attributes} == {
        "service.name": "llm_brain",
        "llm_brain.run": "run",
    }


@pytest.mark.parametrize(("path", "asked"), [("/", "/v1/traces"), ("/api/otel/v1/traces", "/api/otel/v1/traces"), ("/in", "/in")])
def test_an_address_with_a_path_is_taken_as_it_is(run: Path, collector: LoopbackCollector, path: str, asked: str) -> None:
    export_run(run, collector.url + path)
    assert collector.told[0].path == asked


def test_many_spans_go_in_batches_and_progress_is_told(
    run: Path, collector: LoopbackCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MAX_SPANS", 3)
    told: list[int] = []
    export_run(run, collector.url, on_progress=told.append)
    assert [len(request.spans) for request in collector.told] == [3, 3, 1]
    assert told == [3, 6, 7]


def test_a_batch_is_bounded_in_bytes(tmp_path: Path, collector: LoopbackCollector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MAX_BYTES", 50_000)
    with record(tmp_path):
        for _ in range(10):
            with span("large") as s:
                s.content("text", "x" * 20_000)
    assert export_run(tmp_path, collector.url).sent == 10
    assert [len(request.spans) for request in collector.told] == [2] * 5


def test_a_busy_collector_is_asked_again(run: Path, collector: LoopbackCollector) -> None:
    collector.says += [Say(503), Say(429, headers={"Retry-After": "0"})]
    assert export_run(run, collector.url) == Exported(sent=7)


def test_the_wish_to_be_asked_later_is_kept(run: Path, collector: LoopbackCollector) -> None:
    collector.says.append(Say(429, headers={"Retry-After": "1"}))
    begun = time.monotonic()
    export_run(run, collector.url)
    assert 1.0 <= time.monotonic() - begun < 5.0


def test_a_wish_beyond_the_deadline_is_an_error_at_once(run: Path, collector: LoopbackCollector) -> None:
    collector.says += [Say(503, headers={"Retry-After": "9999"})] * 9
    begun = time.monotonic()
    with pytest.raises(CollectorError, match="503") as caught:
        export_run(run, collector.url)
    assert time.monotonic() - begun < 2.0
    assert (caught.value.retryable, caught.value.status) == (True, 503)


def test_a_collector_that_stays_busy_is_an_error_at_the_deadline(
    run: Path, collector: LoopbackCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 1.5)
    collector.says += [Say(503)] * 9
    with pytest.raises(CollectorError, match="asked until the deadline"):
        export_run(run, collector.url)


def test_a_collector_that_is_not_there_is_an_error_that_says_so(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(CollectorError, match=r"127\.0\.0\.1:\d+/v1/traces does not answer: .*refused") as caught:
        export_run(run, f"http://127.0.0.1:{port}")
    assert isinstance(caught.value, LLMBrainError)
    assert (caught.value.retryable, caught.value.sent) == (True, 0)


def test_a_collector_that_never_answers_is_an_error(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        with pytest.raises(CollectorError, match="does not answer: timed out"):
            export_run(run, f"http://127.0.0.1:{deaf.getsockname()[1]}")


@pytest.mark.parametrize(
    ("status", "hint"), [(401, "key"), (403, "key"), (404, "/v1/traces"), (405, "/v1/traces"), (400, "log"), (500, "log")]
)
def test_a_refusal_is_an_error_with_the_collectors_words(run: Path, collector: LoopbackCollector, status: int, hint: str) -> None:
    collector.says.append(Say(status, b'{"detail": "No such experiment"}'))
    with pytest.raises(CollectorError, match=f"answered {status}.*No such experiment.*{hint}") as caught:
        export_run(run, collector.url)
    assert (caught.value.retryable, caught.value.status) == (False, status)


def test_an_error_in_the_middle_tells_how_much_had_arrived(
    run: Path, collector: LoopbackCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MAX_SPANS", 3)
    with pytest.raises(CollectorError) as caught:
        export_run(run, collector.url, on_progress=lambda _: collector.says.append(Say(500)))
    assert caught.value.sent == 3
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.sent, again.status) == (str(caught.value), 3, 500)


def test_rejected_spans_are_counted_with_the_reason(run: Path, collector: LoopbackCollector) -> None:
    collector.says.append(took_all_but(2, "two are too old"))
    assert export_run(run, collector.url) == Exported(sent=5, rejected=2, reason="two are too old")


def test_what_is_too_large_goes_in_parts(run: Path, collector: LoopbackCollector) -> None:
    collector.most = 2
    assert export_run(run, collector.url) == Exported(sent=7)
    assert len({s.span_id for s in collector.taken}) == len(collector.taken) == 7


def test_a_span_that_is_too_large_alone_is_counted(run: Path, collector: LoopbackCollector) -> None:
    collector.most = 0
    exported = export_run(run, collector.url)
    assert (exported.sent, exported.rejected) == (0, 7)
    assert "413" in exported.reason


def test_one_span_that_does_not_fit_costs_no_other(
    run: Path, collector: LoopbackCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MAX_SPANS", 3)
    collector.unfit = "step 2"
    exported = export_run(run, collector.url)
    assert (exported.sent, exported.rejected) == (6, 1)
    assert "does not fit" in exported.reason


def test_finding_the_span_that_does_not_fit_takes_few_requests(
    tmp_path: Path, collector: LoopbackCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MAX_SPANS", 200)
    with record(tmp_path):
        for number in range(400):
            with span(f"step {number}"):
                pass
    collector.unfit = "step 303"
    assert export_run(tmp_path, collector.url).sent == 399
    assert collector.asked < 40


def test_a_line_of_a_stranger_with_other_ids_is_counted(run: Path, collector: LoopbackCollector) -> None:
    path = next((run / "spans").iterdir())
    told = json.loads(path.read_bytes().splitlines()[0])
    path.write_bytes(path.read_bytes() + json.dumps({**told, "trace_id": "not hexadecimal"}).encode() + b"\n")
    exported = export_run(run, collector.url)
    assert (exported.sent, exported.rejected) == (7, 1)


def test_a_redirect_is_not_followed(run: Path, collector: LoopbackCollector) -> None:
    with collecting() as elsewhere:
        for status in (301, 302, 303, 307, 308):
            collector.says.append(Say(status, headers={"Location": f"{elsewhere.url}/v1/traces"}))
            with pytest.raises(CollectorError, match=f"{status}: redirects are not followed"):
                export_run(run, collector.url, {"Authorization": f"Bearer {KEY}"})
        assert elsewhere.told == []


def test_keys_are_sent_and_written_nowhere(run: Path, collector: LoopbackCollector, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    headers = {"Authorization": f"Bearer {KEY}", "X-Api-Key": KEY}
    export_run(run, collector.url, headers)
    assert collector.told[0].headers["authorization"] == f"Bearer {KEY}"
    collector.says.append(Say(401, f"no such key: {KEY}".encode()))
    with pytest.raises(CollectorError, match="no such key") as caught:
        export_run(run, collector.url, headers)
    assert KEY not in repr(caught.value) + repr(vars(caught.value)) + caplog.text
    assert not [path for path in run.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


def test_a_password_in_the_address_logs_in_and_is_not_shown(
    run: Path, collector: LoopbackCollector, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = collector.url.replace("http://", "http://me:pass%2Fword-of-mine@")
    export_run(run, url)
    assert collector.told[0].headers["authorization"] == "Basic bWU6cGFzcy93b3JkLW9mLW1pbmU="
    collector.says.append(Say(500, b"the password pass/word-of-mine is too short"))
    with pytest.raises(CollectorError, match="is too short") as caught:
        export_run(run, url)
    assert "word-of-mine" not in str(caught.value) + caplog.text


def test_a_password_for_this_host_that_lies_in_the_home_folder_is_not_sent(
    run: Path, collector: LoopbackCollector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    export_run(run, collector.url)
    assert "authorization" not in collector.told[0].headers


def test_headers_may_come_from_opentelemetrys_own_variables(
    run: Path, collector: LoopbackCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"authorization=Bearer%20{KEY},x-project-name=mine")
    export_run(run, collector.url)
    assert collector.told[0].headers.items() >= {"authorization": f"Bearer {KEY}", "x-project-name": "mine"}.items()
    export_run(run, collector.url, {"X-Other": "1"})
    assert "authorization" not in collector.told[1].headers


@pytest.mark.parametrize("url", ["", "localhost:4318", "ftp://localhost", "http://", "http://localhost:port", "http://[::1"])
def test_what_is_no_address_is_said_before_anything_is_sent(run: Path, url: str) -> None:
    with pytest.raises(ArgumentError, match=r"http://localhost:4318"):
        export_run(run, url)


def test_a_query_which_would_be_logged_belongs_into_a_header(run: Path) -> None:
    with pytest.raises(ArgumentError, match="header") as caught:
        export_run(run, f"http://localhost:4318/?key={KEY}")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("headers", [{"X-Key": f"{KEY}\nX-Other: 1"}, {"X Key": KEY}, {"X-Key": f" {KEY}"}, {"X-Key": f"{KEY}é"}])
def test_what_is_no_header_is_said_without_its_value(run: Path, headers: dict[str, str]) -> None:
    with pytest.raises(ArgumentError) as caught:
        export_run(run, "http://localhost:4318", headers)
    assert KEY not in str(caught.value)


def test_a_run_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        export_run(tmp_path / "nothing", "http://localhost:4318")


def test_answers_that_nobody_understands_count_as_taken(run: Path, collector: LoopbackCollector) -> None:
    for body, form in ((b"", ""), (b"{}", "application/json"), (b"\xff\xff", "application/x-protobuf"), (b"x" * 200_000, "")):
        collector.says.append(Say(200, body, {"Content-Type": form}))
        assert export_run(run, collector.url).sent == 7


def test_what_a_log_shows_of_an_answer_is_short_and_visible(run: Path, collector: LoopbackCollector) -> None:
    collector.says.append(Say(500, b"\x1b[31mred\r\n" + b"y" * 90_000))
    with pytest.raises(CollectorError) as caught:
        export_run(run, collector.url)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("module", ["opentelemetry.proto.collector.trace.v1.trace_service_pb2", "requests"])
def test_without_the_extra_the_error_says_how_to_install_it(run: Path, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'llm_brain\[otlp\]'"):
        export_run(run, "http://localhost:4318")


def test_importing_the_package_loads_nothing_of_opentelemetry() -> None:
    program = "import sys, llm_brain, llm_brain.tracing.otlp; print({name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert "llm_brain" in loaded
    assert "opentelemetry" not in loaded
    assert "requests" not in loaded
