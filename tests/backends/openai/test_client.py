"""A client of the `openai` package as the way to a server: its sign-in is used, its retries and exceptions are not."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest

from llm_brain.backends import Message, OpenAIBackend, Reply, Request, Usage
from llm_brain.backends.portal import portal
from llm_brain.errors import BackendError

KEY = "Zq7-Kd0_pW9xLm4T"
HELLO = Request((Message("user", "Hello?"),))


def completion(text: object = "Hello!") -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"model": "served", "choices": [choice], "usage": {"prompt_tokens": 12, "completion_tokens": 3}}


def plain(wires: Any, **options: Any) -> Any:
    return openai.OpenAI(**{"api_key": KEY, "base_url": wires.url, "timeout": 5.0, **options})


def awaiting(wires: Any, **options: Any) -> Any:
    return openai.AsyncOpenAI(**{"api_key": KEY, "base_url": wires.url, "timeout": 5.0, **options})


def azure(wires: Any, **options: Any) -> Any:
    endpoint = wires.url.removesuffix("/v1")
    return openai.AzureOpenAI(
        **{"api_key": KEY, "azure_endpoint": endpoint, "api_version": "2024-10-21", "timeout": 5.0, **options}
    )


def awaiting_azure(wires: Any, **options: Any) -> Any:
    endpoint = wires.url.removesuffix("/v1")
    return openai.AsyncAzureOpenAI(
        **{"api_key": KEY, "azure_endpoint": endpoint, "api_version": "2024-10-21", "timeout": 5.0, **options}
    )


clients = pytest.mark.parametrize("make", [plain, awaiting, azure, awaiting_azure])


@contextmanager
def backend(make: Callable[..., Any], wires: Any, **options: Any) -> Iterator[OpenAIBackend]:
    client = make(wires, **options)
    try:
        yield OpenAIBackend("m-1", retries=0, client=client)
    finally:
        if isinstance(client, openai.AsyncOpenAI):
            portal().run(client.close())
        else:
            client.close()


def fault(make: Callable[..., Any], wires: Any, **options: Any) -> BackendError:
    with backend(make, wires, **options) as model, pytest.raises(BackendError) as caught:
        model.chat_completion(HELLO)
    error = caught.value
    assert type(error) is BackendError
    assert error.__cause__ is None
    assert error.__context__ is None
    assert KEY not in "".join(traceback.format_exception(error)) + repr(vars(error)) + repr(model) + model.identity
    return error


@clients
def test_a_good_reply_is_read(make: Any, wires: Any) -> None:
    wires.play = lambda wire: wire.reply(completion())
    with backend(make, wires) as model:
        assert model.chat_completion(HELLO) == Reply("Hello!", "stop", "served", Usage(12, 3))
        assert model.choose_from_options(HELLO, ["bye", "hello"]).option == "hello"
    wire = wires.wires[0]
    assert wire.body["model"] == "m-1"
    assert wire.body["messages"] == [{"role": "user", "content": "Hello?"}]
    assert KEY in wire.headers.get("authorization", "") + wire.headers.get("api-key", "")


@pytest.mark.parametrize("make", [azure, awaiting_azure])
def test_azure_is_asked_at_the_deployment_with_its_own_header(make: Any, wires: Any) -> None:
    wires.play = lambda wire: wire.reply(completion())
    with backend(make, wires) as model:
        model.chat_completion(HELLO)
    assert wires.wires[0].path == "/openai/deployments/m-1/chat/completions?api-version=2024-10-21"
    assert wires.wires[0].headers["api-key"] == KEY


@clients
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "bad_request"),
        (401, "auth"),
        (404, "not_found"),
        (408, "server"),
        (409, "server"),
        (429, "rate_limit"),
        (503, "server"),
    ],
)
def test_a_status_is_one_typed_error_after_one_request(make: Any, wires: Any, status: int, kind: str) -> None:
    wires.play = lambda wire: wire.reply({"error": {"message": f"no, {KEY}"}}, status, retry_after="0")
    assert fault(make, wires, max_retries=5).kind == kind
    assert len(wires.wires) == 1


@clients
def test_a_spent_quota_is_told_from_a_rate_limit(make: Any, wires: Any) -> None:
    wires.play = lambda wire: wire.reply({"error": {"message": "spent", "code": "insufficient_quota"}}, 429)
    assert fault(make, wires).kind == "quota"
    assert len(wires.wires) == 1


@clients
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>502", "protocol"),
        (b"", "protocol"),
        (b'{"choices": [', "protocol"),
        ([], "protocol"),
        ({"choices": []}, "empty"),
        (completion(None), "empty"),
        ({"error": {"message": "busy", "code": 503}}, "server"),
    ],
)
def test_what_is_no_reply_is_a_typed_error(make: Any, wires: Any, body: object, kind: str) -> None:
    wires.play = lambda wire: wire.reply(body)
    assert fault(make, wires).kind == kind


@clients
def test_a_reply_that_hangs_is_a_timeout_after_one_request(make: Any, wires: Any) -> None:
    def play(wire: Any) -> None:
        wire.hung_up()
        wire.close()

    wires.play = play
    begun = time.monotonic()
    error = fault(make, wires, timeout=0.3, max_retries=5)
    assert (error.kind, error.retryable) == ("timeout", True)
    assert time.monotonic() - begun < 3
    assert len(wires.wires) == 1


@clients
@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf"])
def test_a_connection_that_breaks_is_a_typed_error_after_one_request(make: Any, wires: Any, sent: bytes) -> None:
    def play(wire: Any) -> None:
        wire.send(sent)
        wire.close()

    wires.play = play
    error = fault(make, wires, max_retries=5)
    assert (error.kind, error.retryable) == ("connection", True)
    assert len(wires.wires) == 1


@clients
def test_a_damaged_packed_reply_is_a_typed_error(make: Any, wires: Any) -> None:
    wires.play = lambda wire: wire.reply(b"junk", content_encoding="gzip")
    error = fault(make, wires)
    assert (error.kind, error.retryable) == ("protocol", True)


@clients
def test_a_stream_comes_in_one_go_and_is_whole(make: Any, wires: Any) -> None:
    def play(wire: Any) -> None:
        wire.begin_events()
        for word in ("Hel", "lo!"):
            wire.chunk(b"data: " + json.dumps({"choices": [{"delta": {"content": word}}]}).encode() + b"\r\n\r\n")
        wire.chunk(b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n')
        wire.chunk(b"")

    wires.play = play
    with backend(make, wires) as model:
        *pieces, reply = model.stream(HELLO)
    assert "".join(map(str, pieces)) == "Hello!"
    assert isinstance(reply, Reply)
    assert (reply.text, reply.finish_reason) == ("Hello!", "stop")


@clients
def test_a_refused_stream_is_the_error_of_its_status(make: Any, wires: Any) -> None:
    wires.play = lambda wire: wire.reply({"error": {"message": "no"}}, 401)
    with backend(make, wires) as model, pytest.raises(BackendError) as caught:
        list(model.stream(HELLO))
    assert caught.value.kind == "auth"
    assert len(wires.wires) == 1


@clients
def test_one_backend_serves_threads_and_event_loops_one_after_the_other(make: Any, wires: Any) -> None:
    wires.play = lambda wire: wire.reply(completion())
    with backend(make, wires) as model:
        for _ in range(2):
            assert model.chat_completion(HELLO).text == "Hello!"
            assert asyncio.run(model.achat_completion(HELLO)).text == "Hello!"


@clients
def test_calls_of_one_loop_wait_side_by_side(make: Any, wires: Any) -> None:
    meeting = threading.Barrier(8, timeout=10)

    def play(wire: Any) -> None:
        meeting.wait()
        wire.reply(completion())

    wires.play = play
    with backend(make, wires) as model:

        async def main() -> list[Reply]:
            return await asyncio.gather(*(model.achat_completion(HELLO) for _ in range(8)))

        assert [reply.text for reply in asyncio.run(main())] == ["Hello!"] * 8


def test_an_awaited_call_that_is_cancelled_is_cancelled_at_the_server(wires: Any) -> None:
    left = threading.Event()

    def play(wire: Any) -> None:
        if wire.hung_up():
            left.set()
        wire.close()

    wires.play = play
    with backend(awaiting, wires) as model:

        async def main() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(model.achat_completion(HELLO), 0.3)

        asyncio.run(main())
        assert left.wait(5)


def test_a_closed_backend_leaves_the_users_client_open(wires: Any) -> None:
    wires.play = lambda wire: wire.reply(completion())
    client = plain(wires)
    model = OpenAIBackend("m-1", retries=0, client=client)
    model.close()
    assert model.chat_completion(HELLO).text == "Hello!"
    assert not client.is_closed()
    client.close()


def test_the_users_client_keeps_its_own_rules(wires: Any) -> None:
    client = plain(wires, max_retries=5, default_headers={"X-Team": "owls"})
    wires.play = lambda wire: wire.reply(completion())
    OpenAIBackend("m-1", retries=0, client=client).chat_completion(HELLO)
    assert client.max_retries == 5
    assert wires.wires[0].headers["x-team"] == "owls"
    client.close()


def test_an_address_with_a_password_shows_none(wires: Any) -> None:
    wires.play = lambda wire: wire.reply({"error": {"message": "no hunter-22-pelican"}}, 401)
    url = wires.url.replace("//", "//user:hunter-22-pelican@")
    error = fault(plain, wires, base_url=url)
    assert "pelican" not in str(error)
