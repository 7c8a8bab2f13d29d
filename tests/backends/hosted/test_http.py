"""HTTP to one server: what goes up, what may come down, how much and for how long, and by which way."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import gzip
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
import weakref
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from llm_brain.backends import Message, OpenAIBackend, Request
from llm_brain.backends.hosted.http import LARGEST_REPLY, HttpServer, StatusError
from llm_brain.backends.portal import portal
from llm_brain.errors import BackendError

HELLO = Request((Message("user", "Hello?"),))
PASSWORD = "hunter-22-pelican"


def http(wires: Any, **headers: str) -> HttpServer:
    return HttpServer(wires.url, headers)


def post(server: HttpServer, body: dict[str, Any] | None = None) -> tuple[int, bytes]:
    async def main() -> tuple[int, bytes]:
        return (await server.post("/path", body or {}))[:2]

    return asyncio.run(main())


def lines(server: HttpServer) -> list[bytes]:
    async def main() -> list[bytes]:
        async with aclosing(server.lines("/path", {})) as given:
            return [line async for line in given]

    return asyncio.run(main())


def fault(ask: Callable[[HttpServer], object], server: HttpServer) -> BackendError:
    with pytest.raises(BackendError) as caught:
        ask(server)
    return caught.value


def completion(text: str) -> dict[str, Any]:
    return {"model": "m", "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}


def test_a_body_goes_up_as_json_and_the_answer_comes_down_as_it_is(wires: Any) -> None:
    wires.play = lambda wire: wire.reply(b"\xff anything", 418)
    assert post(http(wires, X_Extra="1"), {"text": "é \u2028 \0", "n": 1.5}) == (418, b"\xff anything")
    (wire,) = wires.wires
    assert wire.path == "/v1/path"
    assert wire.body == {"text": "é \u2028 \0", "n": 1.5}
    assert (wire.headers["content-type"], wire.headers["x_extra"]) == ("application/json", "1")


def test_connections_are_kept_within_a_loop(wires: Any) -> None:
    server = http(wires)

    async def main() -> None:
        for _ in range(5):
            await server.post("/path", {})

    asyncio.run(main())
    assert (len(wires.wires), len(wires.connections)) == (5, 1)


def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again(wires: Any) -> None:
    wires.play = lambda wire: (wire.reply({}), wire.close())
    server = http(wires)

    async def main() -> None:
        for _ in range(3):
            assert (await server.post("/path", {}))[0] == 200
            await asyncio.sleep(0.05)

    asyncio.run(main())


def test_each_event_loop_has_connections_of_its_own_and_closes_them_when_it_ends(wires: Any) -> None:
    ended = threading.Semaphore(0)

    def play(wire: Any) -> None:
        wire.reply({})
        if wire.hung_up():
            ended.release()
        wire.close()

    wires.play = play
    server = http(wires)
    for _ in range(3):
        assert post(server) == (200, b"{}")
        assert ended.acquire(timeout=5)
    assert portal().run(server.post("/path", {}))[:2] == (200, b"{}")
    portal().run(server.close())
    assert ended.acquire(timeout=5)


def test_an_event_loop_that_has_ended_is_not_kept_in_memory(wires: Any) -> None:
    server = http(wires)
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def main() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await server.post("/path", {})

    for _ in range(3):
        asyncio.run(main())
    gc.collect()
    assert [loop() for loop in loops] == [None] * 3


def test_a_server_that_is_forgotten_closes_its_connections(wires: Any) -> None:
    left = threading.Event()

    def play(wire: Any) -> None:
        wire.reply({})
        if wire.hung_up():
            left.set()
        wire.close()

    wires.play = play
    server = http(wires)
    portal().run(server.post("/path", {}))
    del server
    gc.collect()
    assert left.wait(5)


def test_two_hundred_requests_are_in_flight_on_one_loop(wires: Any) -> None:
    meeting = threading.Barrier(200, timeout=30)

    def play(wire: Any) -> None:
        meeting.wait()
        wire.reply(wire.body)

    wires.play = play
    server = http(wires)

    async def main() -> list[tuple[int, bytes]]:
        return [answer[:2] for answer in await asyncio.gather(*(server.post("/path", {"n": n}) for n in range(200)))]

    assert asyncio.run(main()) == [(200, json.dumps({"n": n}).encode()) for n in range(200)]


def test_two_hundred_threads_share_the_portals_loop(wires: Any) -> None:
    meeting = threading.Barrier(200, timeout=30)

    def play(wire: Any) -> None:
        meeting.wait()
        wire.reply(completion(wire.body["messages"][0]["content"]))

    wires.play = play
    model = OpenAIBackend("m", base_url=wires.url, retries=0)
    with ThreadPoolExecutor(200) as pool:
        asked = [Request((Message("user", f"n{n}"),)) for n in range(200)]
        assert [reply.text for reply in pool.map(model.chat_completion, asked)] == [f"n{n}" for n in range(200)]


def bomb(size: int, wrap: int = 31) -> bytes:
    packer = zlib.compressobj(9, wbits=wrap)
    return b"".join(packer.compress(b" " * 2**20) for _ in range(size // 2**20)) + packer.flush()


@pytest.mark.parametrize("ask", [post, lines])
@pytest.mark.parametrize(("encoding", "wrap"), [("gzip", 31), ("deflate", 15)])
def test_a_gzip_bomb_is_refused_in_little_memory(wires: Any, ask: Any, encoding: str, wrap: int) -> None:
    packed = bomb(256 * 2**20, wrap)
    wires.play = lambda wire: wire.reply(packed, content_encoding=encoding)
    ask_once_to_import_everything(wires)
    tracemalloc.start()
    error = fault(ask, http(wires))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (error.kind, error.retryable) == ("too_large", False)
    assert peak < 2 * LARGEST_REPLY + 2**20


def ask_once_to_import_everything(wires: Any) -> None:
    playing, wires.play = wires.play, lambda wire: wire.reply(gzip.compress(b"{}"), content_encoding="gzip")
    assert post(http(wires)) == (200, b"{}")
    wires.play = playing


@pytest.mark.parametrize("ask", [post, lines])
@pytest.mark.parametrize("piece", [b" " * 65536, (b":" + b" " * 999 + b"\n") * 65])
def test_an_endless_reply_is_refused_and_its_connection_closed(wires: Any, ask: Any, piece: bytes) -> None:
    refused = threading.Event()

    def play(wire: Any) -> None:
        wire.head(transfer_encoding="chunked")
        try:
            while True:
                wire.connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        except OSError:
            refused.set()
            wire.close()

    wires.play = play
    assert fault(ask, http(wires)).kind == "too_large"
    assert refused.wait(5)


def test_the_longest_reply_that_is_allowed_is_read(wires: Any) -> None:
    wires.play = lambda wire: wire.reply(b"x" * LARGEST_REPLY)
    assert len(post(http(wires))[1]) == LARGEST_REPLY
    wires.play = lambda wire: wire.reply(b"x" * (LARGEST_REPLY + 1))
    assert fault(post, http(wires)).kind == "too_large"


def completed(model: OpenAIBackend) -> object:
    return model.chat_completion(HELLO)


def streamed(model: OpenAIBackend) -> object:
    return list(model.stream(HELLO))


@pytest.mark.parametrize("ask", [completed, streamed])
def test_the_time_limit_is_on_the_whole_of_a_slow_answer(wires: Any, ask: Any) -> None:
    def play(wire: Any) -> None:
        wire.begin_events()
        while not wire.hung_up(0.05):
            wire.chunk(b": patience\n")
        wire.close()

    wires.play = play
    begun = time.monotonic()
    with pytest.raises(BackendError) as caught:
        ask(OpenAIBackend("m", base_url=wires.url, timeout=0.5))
    assert (caught.value.kind, caught.value.retryable) == ("timeout", True)
    assert 0.4 < time.monotonic() - begun < 1.5


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
def test_silence_at_any_point_is_a_timeout(wires: Any, head: bytes) -> None:
    def play(wire: Any) -> None:
        wire.send(head)
        wire.hung_up()
        wire.close()

    wires.play = play
    with pytest.raises(BackendError) as caught:
        OpenAIBackend("m", base_url=wires.url, timeout=0.3).chat_completion(HELLO)
    assert caught.value.kind == "timeout"


@pytest.mark.parametrize(
    ("sent", "kinds"),
    [
        (b"", {"connection"}),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", {"protocol", "connection"}),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal", {"protocol", "connection"}),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n", {"protocol"}),
        (b"SSH-2.0-OpenSSH_9.6\r\n", {"protocol"}),
        (b"\0\1\2\3" * 99, {"protocol"}),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"x" * 100_000 + b"\r\n\r\n", {"protocol"}),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\njunk", {"protocol"}),
    ],
)
@pytest.mark.parametrize("reset", [False, True])
def test_what_is_not_a_whole_answer_is_a_typed_error(wires: Any, sent: bytes, kinds: set[str], *, reset: bool) -> None:
    def play(wire: Any) -> None:
        wire.send(sent)
        time.sleep(0.02)
        (wire.reset if reset else wire.close)()

    wires.play = play
    error = fault(post, http(wires))
    assert error.kind in kinds | ({"connection"} if reset else set())
    assert error.retryable
    assert len(str(error)) < 1000


def test_a_packed_reply_that_is_cut_is_a_typed_error(wires: Any) -> None:
    wires.play = lambda wire: wire.reply(gzip.compress(json.dumps(completion("Hello!")).encode())[:60], content_encoding="gzip")
    with pytest.raises(BackendError) as caught:
        OpenAIBackend("m", base_url=wires.url, retries=0).chat_completion(HELLO)
    assert (caught.value.kind, caught.value.retryable) == ("protocol", True)


def test_lines_that_are_no_success_are_an_error_with_what_came(wires: Any) -> None:
    wires.play = lambda wire: wire.reply(b"busy\nvery", 503)
    with pytest.raises(StatusError) as caught:
        lines(http(wires))
    assert caught.value.answer[:2] == (503, b"busy\nvery")


def test_lines_come_as_soon_as_they_are_whole(wires: Any) -> None:
    go_on = threading.Event()

    def play(wire: Any) -> None:
        wire.begin_events()
        wire.chunk(b"one\r\ntwo\nth")
        go_on.wait(5)
        wire.chunk(b"ree\r")
        wire.chunk(b"\n\nfour")
        wire.chunk(b"")

    wires.play = play
    server = http(wires)

    async def main() -> list[bytes]:
        given = server.lines("/path", {})
        first = [await anext(given), await anext(given)]
        go_on.set()
        return [*first, *[line async for line in given]]

    assert asyncio.run(main()) == [b"one", b"two", b"three", b"", b"four"]


def test_lines_that_are_left_close_the_connection(wires: Any) -> None:
    left = threading.Event()

    def play(wire: Any) -> None:
        wire.begin_events()
        wire.chunk(b"one\n")
        if wire.hung_up():
            left.set()
        wire.close()

    wires.play = play
    server = http(wires)

    async def main() -> None:
        async with aclosing(server.lines("/path", {})) as given:
            assert await anext(given) == b"one"
        assert await asyncio.to_thread(left.wait, 5)

    asyncio.run(main())


def test_cookies_are_not_kept(wires: Any) -> None:
    wires.play = lambda wire: wire.reply({}, set_cookie="who=you")
    server = http(wires)

    async def main() -> None:
        for _ in range(2):
            await server.post("/path", {})

    asyncio.run(main())
    assert "cookie" not in wires.wires[1].headers


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is nothing here to make a certificate with")
def test_a_certificate_that_nobody_vouches_for_is_a_final_error(tmp_path: Path) -> None:
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    made_for = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run([*make, *made_for], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    received: list[bytes] = []

    def serve(listening: socket.socket) -> None:
        with listening.accept()[0] as connection, contextlib.suppress(OSError):
            with context.wrap_socket(connection, server_side=True) as encrypted:
                received.append(encrypted.recv(1000))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        error = fault(post, HttpServer(f"https://127.0.0.1:{listening.getsockname()[1]}/v1", {}))
        thread.join()
    assert (error.kind, error.retryable) == ("connection", False)
    assert not any(received)


def test_a_server_that_speaks_no_tls_is_a_typed_error() -> None:
    def serve(listening: socket.socket) -> None:
        with listening.accept()[0] as connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        error = fault(post, HttpServer(f"https://127.0.0.1:{listening.getsockname()[1]}/v1", {}))
        thread.join()
    assert error.kind == "connection"


def test_a_proxy_from_the_environment_carries_the_request(wires: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("http_proxy", f"http://user:{PASSWORD}@127.0.0.1:{wires.port}")
    wires.play = lambda wire: wire.reply(completion("by proxy"))
    assert OpenAIBackend("m", base_url="http://models.example/v1").chat_completion(HELLO).text == "by proxy"
    (wire,) = wires.wires
    assert wire.path == "http://models.example/v1/chat/completions"
    assert base64.b64decode(wire.headers["proxy-authorization"].split()[1]) == f"user:{PASSWORD}".encode()


@pytest.mark.parametrize("named", ["models.example", ".example", "*", "models.example:8000"])
def test_a_host_that_is_named_as_an_exception_is_asked_without_the_proxy(
    wires: Any, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("http_proxy", wires.url)
    monkeypatch.setenv("no_proxy", named)
    monkeypatch.setenv("NO_PROXY", named)
    error = fault(post, HttpServer("http://models.example:8000/v1", {}))
    assert error.kind in ("connection", "timeout")
    assert not wires.wires


def test_a_proxy_that_refuses_is_a_typed_error_without_its_password(wires: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("https_proxy", f"http://user:{PASSWORD}@127.0.0.1:{wires.port}")
    wires.play = lambda wire: wire.reply(b"", 407)
    error = fault(post, HttpServer("https://models.example/v1", {}))
    assert error.kind in ("connection", "protocol")
    assert PASSWORD not in repr(error)
    assert wires.wires[0].path == "models.example:443"


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "nonsense", "http://[::1"])
def test_a_proxy_that_cannot_be_used_is_a_typed_error(wires: Any, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("http_proxy", proxy)
    assert fault(post, http(wires)).kind in ("connection", "bad_request")
    assert not wires.wires


def test_user_and_password_of_an_address_are_a_header_and_shown_nowhere(wires: Any) -> None:
    encoded = base64.b64encode(f"us er:{PASSWORD}".encode()).decode()
    wires.play = lambda wire: wire.reply({"error": {"message": f"{wire.headers} {PASSWORD}"}}, 401)
    url = wires.url.replace("//", f"//us%20er:{PASSWORD}@")
    model = OpenAIBackend("m", base_url=url, retries=0)
    with pytest.raises(BackendError) as caught:
        model.chat_completion(HELLO)
    assert wires.wires[0].headers["authorization"] == f"Basic {encoded}"
    assert "@" not in wires.wires[0].headers["host"]
    shown = repr(caught.value) + repr(vars(caught.value)) + repr(model) + model.identity + model.base_url
    assert PASSWORD not in shown
    assert encoded not in shown
