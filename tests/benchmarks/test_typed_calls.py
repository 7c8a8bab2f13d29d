"""The benchmark of typed calls: its server answers in everyone's form, its checks can fail, and its page tells what was seen."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.reports import PAGES, RESULTS, fill
from benchmarks.typed_calls.measure import Bench
from benchmarks.typed_calls.processes import Server, serving, working
from benchmarks.typed_calls.report import summarised, tables
from benchmarks.typed_calls.rows import OURS, ROWS, Row
from benchmarks.typed_calls.ticket import EXPECTED, Ticket, messages
from benchmarks.typed_calls.worker import assert_right

QUESTION = {"model": "model", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def row(name: str) -> Row:
    return Row(name, name, "import os", (), shares=OURS)


def post(url: str, body: dict[str, Any]) -> str:
    request = urllib.request.Request(f"{url}/chat/completions", json.dumps(body).encode())
    with urllib.request.urlopen(request) as reply:
        text: str = reply.read().decode()
    return text


def said(server: Server, name: str, **asked: Any) -> dict[str, Any]:
    reply: dict[str, Any] = json.loads(post(server.url(row(name)), {**QUESTION, **asked}))["choices"][0]["message"]
    return reply


def test_a_tool_is_called_by_the_name_that_was_asked_for(server: Server) -> None:
    tools = [{"type": "function", "function": {"name": "final_result", "parameters": {}}}]
    function = said(server, "tool", tools=tools)["tool_calls"][0]["function"]
    assert function["name"] == "final_result"
    assert Ticket.model_validate_json(function["arguments"]) == EXPECTED


def test_a_schema_is_answered_with_json(server: Server) -> None:
    asked = {"type": "json_schema", "json_schema": {"name": "Ticket", "schema": {}}}
    assert Ticket.model_validate_json(said(server, "schema", response_format=asked)["content"]) == EXPECTED


def test_marked_fields_are_answered_with_the_last_field_before_the_end(server: Server) -> None:
    form = "[[ ## message ## ]]\n{message}\n\n[[ ## ticket ## ]]\n{ticket}\n\n[[ ## completed ## ]]"
    text = said(server, "marked", messages=[{"role": "system", "content": form}])["content"]
    assert text.startswith("[[ ## ticket ## ]]\n{")
    assert text.endswith("[[ ## completed ## ]]")


def test_a_stream_is_answered_as_events(server: Server) -> None:
    events = post(server.url(row("streamed")), {**QUESTION, "stream": True}).split("\n\n")
    assert all(event.startswith("data: ") for event in events[:-1])
    assert events[-2] == "data: [DONE]"


def test_every_request_is_counted_for_its_row(server: Server) -> None:
    for _ in range(3):
        said(server, "counted")
    assert server.requests()["counted"] == 3


def test_another_page_is_not_found(server: Server) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(server.url(row("lost")) + "/responses")


def test_a_wrong_value_fails() -> None:
    assert_right(EXPECTED)
    with pytest.raises(AssertionError, match="question"):
        assert_right(EXPECTED.model_copy(update={"category": "question"}))


def test_a_row_that_fails_says_why(server: Server) -> None:
    with working(row("nobody"), server.url(row("nobody"))) as worker, pytest.raises(SystemExit, match="nobody failed"):
        worker.obey(do="check")


def test_no_two_messages_are_alike() -> None:
    assert len(set(messages(200))) == 200


def test_our_row_gives_the_ticket_and_asks_the_server_for_each_call() -> None:
    ours = next(row for row in ROWS if row.name == OURS)
    with Bench([ours], calls=5) as bench:
        assert bench.check(ours)["pydantic"]
        bench.start(ours)
        bench.round(lambda _: None)
    assert all(value > 0 for values in bench.results[OURS].values() for value in values)


def test_every_peer_has_exact_versions() -> None:
    for path in {row.environment.requirements for row in ROWS if row.environment}:
        assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in path.read_text(encoding="utf-8").split()), path


def test_a_multiple_is_the_median_of_the_rounds_own_multiples() -> None:
    one = {"sequential_cpu_microseconds": [10.0, 40.0, 90.0], "in_flight_cpu_microseconds": [1.0, 1.0, 1.0]}
    other = {"sequential_cpu_microseconds": [10.0, 20.0, 30.0], "in_flight_cpu_microseconds": [2.0, 4.0, 2.0]}
    made = summarised({"one": one, "openai": other})["one"]
    assert made["median"]["sequential_cpu_microseconds"] == 40
    assert made["times_openai"] == {"sequential_cpu_microseconds": 2.0, "in_flight_cpu_microseconds": 0.5}


def test_the_page_tells_what_was_measured() -> None:
    page = (PAGES / "typed-calls.md").read_text(encoding="utf-8")
    record = json.loads((RESULTS / "typed_calls.json").read_text(encoding="utf-8"))
    assert record["rows"].keys() == {row.name for row in ROWS}
    assert tables(record)["results"] in page
    assert fill(page, tables(record)) == page
