"""The server of faults itself: what it plays is what goes over the wire, and what it counts is what came."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.servers import acts
from tests.servers.dialects import ANTHROPIC, DIALECTS, OPENAI, Dialect, friendly
from tests.servers.faulty import FaultyServer, Stage, unused_port

GET_NOTHING = b"POST /v1/x HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as serving:
        yield serving


def ask(stage: Stage, path: str = "/v1/x", body: object = None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", stage.port, timeout=5)
    try:
        connection.request("POST", path, json.dumps(body or {}), headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


def raw(stage: Stage, sent: bytes = GET_NOTHING) -> bytes:
    """Return every byte that comes until the server closes the connection."""
    got = b""
    with socket.create_connection(("127.0.0.1", stage.port), timeout=5) as plug:
        plug.sendall(sent)
        while piece := plug.recv(65536):
            got += piece
    return got


def test_a_scenario_is_played_an_act_a_request_and_the_last_one_again_and_again(server: FaultyServer) -> None:
    stage = server.stage(OPENAI.fails(503), OPENAI.fails(429, retry_after=2), acts.answers({"fine": True}))
    answered = [ask(stage) for _ in range(4)]
    assert [status for status, _, _ in answered] == [503, 429, 200, 200]
    assert answered[1][2]["retry-after"] == "2"
    assert json.loads(answered[3][1]) == {"fine": True}


def test_each_request_is_written_down_as_it_came(server: FaultyServer) -> None:
    stage = server.stage(friendly)
    begun = time.monotonic()
    ask(stage, "/v1/chat/completions", {"stream": True, "text": "é"}, Authorization="Bearer x")
    (seen,) = stage.requests
    assert (seen.method, seen.path, seen.body["text"], seen.is_streamed) == ("POST", "/v1/chat/completions", "é", True)
    assert seen.headers["authorization"] == "Bearer x"
    assert begun <= seen.time <= time.monotonic()


def test_requests_over_one_connection_are_told_from_those_over_several(server: FaultyServer) -> None:
    stage = server.stage(friendly)
    connection = http.client.HTTPConnection("127.0.0.1", stage.port, timeout=5)
    for _ in range(3):
        connection.request("POST", "/v1/chat/completions", "{}")
        connection.getresponse().read()
    connection.close()
    ask(stage, "/v1/chat/completions")
    assert ([seen.connection for seen in stage.requests], stage.connections) == ([0, 0, 0, 1], 2)


def test_stages_do_not_see_each_others_requests(server: FaultyServer) -> None:
    one, other = server.stage(friendly), server.stage(friendly)
    ask(one, "/v1/models")
    assert (len(one.requests), len(other.requests)) == (1, 0)


def test_a_stage_listens_where_it_is_told_to(server: FaultyServer) -> None:
    port = unused_port()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    assert ask(server.stage(friendly, port=port), "/v1/models")[0] == 200


def test_the_most_requests_within_a_window_are_counted(server: FaultyServer) -> None:
    stage = server.stage(friendly)
    for pause in (0.0, 0.0, 0.3, 0.0):
        time.sleep(pause)
        ask(stage, "/v1/models")
    for number, seen in enumerate(stage.requests):
        seen.time = [0.0, 0.1, 0.5, 0.55][number]
    assert [stage.most_within(seconds) for seconds in (0.05, 0.2, 0.46, 9.0)] == [1, 2, 3, 4]
    assert stage.pauses() == pytest.approx([0.1, 0.4, 0.05])


def test_those_in_flight_at_once_are_counted(server: FaultyServer) -> None:
    stage = server.stage(acts.later(acts.answers({}), 0.2))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: ask(stage), range(4)))
    assert 2 <= stage.most_in_flight <= 4
    assert stage.in_flight == 0


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_dialect_says_a_text_whole_and_in_pieces(server: FaultyServer, dialect: Dialect) -> None:
    stage = server.stage(dialect.says("Hello, 世界!"))
    whole = json.loads(ask(stage)[1])
    text = whole["choices"][0]["message"]["content"] if dialect is OPENAI else whole["content"][0]["text"]
    assert text == "Hello, 世界!"
    status, content, headers = ask(stage, body={"stream": True})
    assert (status, headers["content-type"]) == (200, "text/event-stream")
    events = [json.loads(line[5:]) for line in content.splitlines() if line.startswith(b"data: {")]
    if dialect is OPENAI:
        pieces = [event["choices"][0]["delta"].get("content", "") for event in events if event["choices"]]
    else:
        pieces = [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
    assert "".join(pieces) == "Hello, 世界!"
    assert content.endswith(dialect.ending.encode())


def test_a_field_is_replaced_or_left_out() -> None:
    body = OPENAI.body(usage=..., model="another")
    assert ("usage" in body, body["model"]) == (False, "another")
    assert b'"usage"' not in b"".join([*OPENAI.events("a", usage=...), *ANTHROPIC.events("a", usage=...)])


@pytest.mark.parametrize(
    ("act", "got"),
    [
        (acts.sends(b"SSH-2.0-x\r\n"), b"SSH-2.0-x\r\n"),
        (acts.hangs_up, b""),
        (acts.cut(b'{"a": 1}', server="x"), b'\r\n\r\n{"a"'),
        (acts.streams(b"data: a\n\n", b"data: b\n\n", then="close"), b"9\r\ndata: b\n\n\r\n"),
        (acts.after_hints(acts.sends(b"HTTP/1.1 204 Done\r\n\r\n")), b"x\r\n\r\nHTTP/1.1 204 Done\r\n\r\n"[1:]),
    ],
    ids=["bytes", "nothing", "cut", "events", "hints"],
)
def test_what_breaks_on_the_way_breaks_where_it_should(server: FaultyServer, act: Any, got: bytes) -> None:
    assert raw(server.stage(act)).endswith(got)


@pytest.mark.parametrize("act", [acts.resets, acts.sends(b"HTTP/1.1 200 OK\r\n", "reset"), acts.streams(b"x", then="reset")])
def test_a_reset_is_one(server: FaultyServer, act: Any) -> None:
    with pytest.raises(ConnectionResetError):
        raw(server.stage(act))


def test_silence_and_slowness_last_until_the_client_goes(server: FaultyServer) -> None:
    stage = server.stage(acts.hangs, acts.drips(b"HTTP/1.1 200 OK", pause=0.02))
    for expected in (0, 2):
        with socket.create_connection(("127.0.0.1", stage.port), timeout=0.4) as plug:
            plug.sendall(GET_NOTHING)
            got = b""
            with pytest.raises(TimeoutError):
                while True:
                    got += plug.recv(1)
            assert len(got) >= expected


def test_a_bomb_is_small_and_unpacks_to_what_was_promised(server: FaultyServer) -> None:
    content, headers = ask(server.stage(acts.bomb(16)))[1:]
    assert headers["content-encoding"] == "gzip"
    assert len(content) < 2**17
    assert gzip.decompress(content) == b" " * 16 * 2**20


def test_what_is_endless_ends_when_the_client_goes(server: FaultyServer) -> None:
    stage = server.stage(acts.endless(b" " * 65536), acts.endless_head())
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", stage.port), timeout=5) as plug:
            plug.sendall(GET_NOTHING)
            assert len(plug.recv(2**20)) > 0
    until = time.monotonic() + 5
    while stage.in_flight and time.monotonic() < until:
        time.sleep(0.01)
    assert stage.in_flight == 0


def test_a_date_is_never_earlier_than_asked_for() -> None:
    from email.utils import parsedate_to_datetime

    for seconds in (0.1, 0.9, 5.5):
        before = time.time()
        late = parsedate_to_datetime(acts.in_seconds(seconds)).timestamp() - before - seconds
        assert -0.01 <= late <= 1.1
