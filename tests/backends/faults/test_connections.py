"""What breaks on the way: no connection, or one that is lost, and bytes that are no whole answer."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_brain.attempts import FaultKind
from llm_brain.errors import BackendError
from tests.backends.faults.playing import HELLO, RETRIES, Case, Played, ask, every, model_of, play_all
from tests.backends.faults.promises import check_always
from tests.servers import acts
from tests.servers.dialects import ANTHROPIC, DIALECTS, OPENAI, Dialect
from tests.servers.faulty import Act, FaultyServer, Stage, Wire, unused_port

dialects = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
pairs = pytest.mark.parametrize(("dialect", "mode"), [(OPENAI, "json"), (ANTHROPIC, "streamed")], ids=["openai", "anthropic"])
modes = pytest.mark.parametrize("mode", ["json", "streamed"])
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
LOST: set[FaultKind] = {"connection", "protocol", "incomplete"}


def sends(data: bytes, then: str = "close") -> Callable[[Dialect], Act]:
    return lambda _: acts.sends(data, then)


def whole(dialect: Dialect) -> bytes:
    return json.dumps(dialect.body()).encode()


def packed(dialect: Dialect) -> bytes:
    """Bytes that do not pack well, so that a cut falls into the middle of the text."""
    return gzip.compress(json.dumps(dialect.body("".join(map(chr, range(200, 9000, 7))))).encode())


BROKEN = [
    Case("hung-up", lambda _: acts.hangs_up, LOST),
    Case("reset", lambda _: acts.resets, LOST),
    Case("reset-in-head", sends(b"HTTP/1.1 200 OK\r\nConte", "reset"), LOST),
    Case("reset-after-head", sends(OK + b"Content-Length: 99\r\n\r\n", "reset"), LOST),
    Case("reset-in-body", sends(OK + b'Content-Length: 99\r\n\r\n{"id": ', "reset"), LOST),
    Case("short-head", sends(b"HTTP/1.1 200 OK\r\nConte"), LOST),
    Case("short-body", lambda dialect: acts.cut(whole(dialect)), LOST),
    Case("no-body", sends(OK + b"Content-Length: 99\r\n\r\n"), LOST),
    Case("short-chunk", sends(OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{"), LOST),
    Case("chunk-without-end", sends(OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"), LOST),
    Case("chunk-of-no-size", sends(OK + b"Transfer-Encoding: chunked\r\n\r\nhello\r\n"), LOST),
    Case("chunk-of-negative-size", sends(OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n"), LOST),
    Case("cut-gzip", lambda dialect: acts.answers(packed(dialect)[:-900], content_encoding="gzip"), LOST),
    Case("cut-gzip-and-hung-up", lambda dialect: acts.cut(packed(dialect), content_encoding="gzip"), LOST),
    Case("wrong-checksum", lambda dialect: acts.answers(packed(dialect)[:-8] + bytes(8), content_encoding="gzip"), LOST),
    Case("no-gzip", lambda dialect: acts.answers(whole(dialect), content_encoding="gzip"), LOST),
    Case("no-deflate", lambda dialect: acts.answers(b"\x99" + whole(dialect), content_encoding="deflate"), LOST),
    Case("unknown-packing", lambda dialect: acts.answers(gzip.compress(whole(dialect)), content_encoding="zpaq"), LOST),
    Case("twice-packed", lambda dialect: acts.answers(gzip.compress(whole(dialect)), content_encoding="gzip, gzip"), LOST),
    Case("ssh", sends(b"SSH-2.0-OpenSSH_9.6\r\n"), LOST),
    Case("smtp", sends(b"220 mail.example.org ESMTP ready\r\n"), LOST),
    Case("binary", sends(bytes(range(256)) * 9), LOST),
    Case("json-only", lambda dialect: acts.sends(whole(dialect)), LOST),
    Case("html-only", sends(acts.PAGE), LOST),
    Case("http-0.9", sends(b"<html>hello</html>\n"), LOST),
    Case("http-9.9", sends(b"HTTP/9.9 200 OK\r\n\r\n"), LOST),
    Case("no-status", sends(b"HTTP/1.1 \r\n\r\n"), LOST),
    Case("status-in-words", sends(b"HTTP/1.1 fine OK\r\n\r\n"), LOST),
    Case("status-0", sends(b"HTTP/1.1 000 Nothing\r\nContent-Length: 0\r\n\r\n"), LOST),
    Case("header-without-colon", sends(b"HTTP/1.1 200 OK\r\nwhat is this\r\n\r\n"), LOST),
    Case("header-with-nul", sends(b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n"), LOST),
    Case("long-header", sends(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"), LOST),
    Case("length-in-words", sends(b"HTTP/1.1 200 OK\r\nContent-Length: much\r\n\r\n{}"), LOST),
    Case("negative-length", sends(b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}"), LOST),
    Case("two-lengths", sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} "), LOST),
    Case("length-and-chunks", sends(OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), LOST),
    Case("upgrade", sends(b"HTTP/1.1 101 Other\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n\x81\x05hello"), LOST),
]


@pytest.fixture(scope="module")
def broken(server: FaultyServer, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play_all(server, BROKEN, tmp_path_factory.mktemp("broken"))


@pytest.fixture(scope="module")
def mended(server: FaultyServer, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play_all(server, BROKEN, tmp_path_factory.mktemp("mended"), then_well=True)


@pytest.mark.parametrize("name", every(BROKEN))
def test_what_is_lost_on_the_way_is_asked_for_again_and_may_have_to_be_paid_for(broken: Played, name: str) -> None:
    case, _, mode = every(BROKEN)[name]
    outcome = broken.of(name)
    check_always(outcome)
    fault = outcome.fault
    assert fault.kind in case.allowed(mode)
    assert (fault.retryable, len(outcome.requests)) == (True, 1 + RETRIES)
    assert [attempt.perhaps_billed for attempt in fault.attempts] == [True] * 3


@pytest.mark.parametrize("name", every(BROKEN))
def test_what_is_lost_once_costs_no_answer(mended: Played, name: str) -> None:
    case, _, mode = every(BROKEN)[name]
    outcome = mended.of(name)
    check_always(outcome)
    assert outcome.answer.text == "Hello!"
    (failed,) = outcome.answer.failed
    assert failed.kind in case.allowed(mode)
    assert failed.perhaps_billed


@pairs
def test_where_nobody_listens_connecting_is_tried_again(tmp_path: Path, dialect: Dialect, mode: Any) -> None:
    nobody = Stage(f"http://127.0.0.1:{unused_port()}")
    outcome = ask(nobody, dialect, mode, tmp_path, deadline=1.2)
    fault = outcome.fault
    assert (fault.kind, fault.retryable, fault.status) == ("connection", True, None)
    assert [(attempt.kind, attempt.perhaps_billed) for attempt in fault.attempts] == [("connection", False)] * 3
    assert outcome.seconds <= outcome.deadline + 1
    assert nobody.url in str(fault)
    assert not outcome.is_cached


@dialects
def test_a_server_that_comes_up_meanwhile_is_reached(server: FaultyServer, dialect: Dialect) -> None:
    port = unused_port()

    def come_up() -> None:
        time.sleep(0.15)
        server.stage(dialect.says(), port=port)

    coming = threading.Thread(target=come_up)
    coming.start()
    reply = model_of(dialect, f"http://127.0.0.1:{port}", timeout=10.0).chat_completion(HELLO)
    coming.join()
    assert reply.text == "Hello!"
    assert {attempt.kind for attempt in reply.failed} == {"connection"}


@pairs
def test_a_name_that_nobody_knows_is_a_connection_that_fails(tmp_path: Path, dialect: Dialect, mode: Any) -> None:
    outcome = ask(Stage("http://nobody.invalid:1"), dialect, mode, tmp_path, deadline=1.0)
    assert outcome.fault.kind in ("connection", "timeout")
    assert outcome.seconds <= outcome.deadline + 1
    assert all(not attempt.perhaps_billed for attempt in outcome.fault.attempts if attempt.kind == "connection")


@pytest.fixture(scope="module")
def unvouched(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A certificate that is signed by nobody but itself."""
    folder = tmp_path_factory.mktemp("tls")
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=here -days 2"
    subprocess.run([*made.split(), "-keyout", f"{folder}/key", "-out", f"{folder}/cert"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    return context


@dialects
@modes
def test_a_certificate_that_nobody_vouches_for_is_final(
    server: FaultyServer, unvouched: ssl.SSLContext, tmp_path: Path, dialect: Dialect, mode: Any
) -> None:
    stage = server.stage(dialect.says(), tls=unvouched)
    outcome = ask(stage, dialect, mode, tmp_path)
    fault = outcome.fault
    assert (fault.kind, fault.retryable, len(fault.attempts)) == ("connection", False, 1)
    assert "certificate" in str(fault).lower()
    assert outcome.requests == []


def test_a_server_without_tls_is_not_spoken_to_without_it(server: FaultyServer, tmp_path: Path) -> None:
    stage = server.stage(OPENAI.says())
    plain = Stage(stage.url.replace("http:", "https:"))
    outcome = ask(plain, OPENAI, "json", tmp_path, deadline=0.5)
    assert outcome.fault.kind in LOST | {"timeout"}
    assert stage.requests == []


@dialects
@pytest.mark.parametrize("pause", [0.0, 0.05])
def test_an_answer_that_nobody_asked_for_is_nobodys(server: FaultyServer, dialect: Dialect, pause: float) -> None:
    second = json.dumps(dialect.body("I was not asked.")).encode()

    async def act(wire: Wire) -> None:
        extra = OK + b"Content-Length: %d\r\n\r\n" % len(second) + second
        first = OK + b"Content-Length: %d\r\n\r\n" % len(whole(dialect)) + whole(dialect)
        await wire.send(first + (b"" if pause else extra))
        await asyncio.sleep(pause)
        await wire.send(extra if pause else b"")

    model = model_of(dialect, server.stage(act, act, dialect.says()).url, timeout=10.0)
    for _ in range(4):
        assert model.chat_completion(HELLO).text == "Hello!"
        time.sleep(2 * pause)


@dialects
def test_a_server_that_takes_no_more_connections_holds_up_no_call(dialect: Dialect) -> None:
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        begun = time.monotonic()
        with pytest.raises(BackendError) as caught:
            model_of(dialect, f"http://127.0.0.1:{full.getsockname()[1]}", timeout=0.5).chat_completion(HELLO)
        assert caught.value.kind == "timeout"
        assert time.monotonic() - begun < 1.5
