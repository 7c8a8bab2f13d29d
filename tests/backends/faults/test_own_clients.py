"""A client of the `openai` package that the user hands in: the same promises hold on that way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from llm_brain.backends import OpenAIBackend
from llm_brain.backends.portal import portal
from llm_brain.errors import BackendError
from tests.backends.faults.playing import HELLO, KEY
from tests.backends.faults.promises import check_raised
from tests.servers import acts
from tests.servers.dialects import MODEL, OPENAI
from tests.servers.faulty import FaultyServer, Stage

kinds = pytest.mark.parametrize("is_async", [False, True], ids=["blocking", "async"])


@contextmanager
def handed_in(stage: Stage, *, is_async: bool, **options: Any) -> Iterator[OpenAIBackend]:
    from openai import AsyncOpenAI, OpenAI

    client = (AsyncOpenAI if is_async else OpenAI)(api_key=KEY, base_url=f"{stage.url}/v1", max_retries=5)
    try:
        yield OpenAIBackend(MODEL, client=client, **{"timeout": 10.0, "retries": 1, **options})
    finally:
        closing: Any = client.close()
        if closing is not None:
            portal().run(closing)


def fault(stage: Stage, *, is_async: bool, streamed: bool = False, **options: Any) -> BackendError:
    with handed_in(stage, is_async=is_async, **options) as model, pytest.raises(BackendError) as caught:
        list(model.stream(HELLO)) if streamed else model.chat_completion(HELLO)
    check_raised(caught.value)
    assert KEY not in str(caught.value) + repr(vars(caught.value))
    return caught.value


@kinds
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(server: FaultyServer, status: int, *, is_async: bool) -> None:
    elsewhere = server.stage(OPENAI.says("I am somebody else."))
    stage = server.stage(acts.redirects(f"{elsewhere.url}/v1/chat/completions", status))
    assert fault(stage, is_async=is_async).status == status
    assert (len(stage.requests), elsewhere.connections) == (1, 0)


@kinds
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("act", [acts.bomb(), acts.endless(b" " * 2**18), acts.huge()], ids=["bomb", "endless", "huge"])
def test_what_is_too_large_is_refused(server: FaultyServer, act: Any, *, is_async: bool, streamed: bool) -> None:
    stage = server.stage(act)
    assert fault(stage, is_async=is_async, streamed=streamed).kind == "too_large"
    assert len(stage.requests) == 1


@kinds
def test_the_clients_own_retries_are_not_made(server: FaultyServer, *, is_async: bool) -> None:
    stage = server.stage(OPENAI.fails(503))
    error = fault(stage, is_async=is_async)
    assert (error.kind, len(error.attempts), len(stage.requests)) == ("server", 2, 2)


@kinds
def test_what_had_come_of_a_broken_stream_is_kept(server: FaultyServer, *, is_async: bool) -> None:
    stage = server.stage(acts.streams(*OPENAI.events("Once upon", " a ti", end=None, closed=False), then="close"))
    error = fault(stage, is_async=is_async, streamed=True)
    assert (error.kind, error.raw, error.attempts[0].perhaps_billed) == ("incomplete", "Once upon a ti", True)


@kinds
def test_a_connection_that_is_lost_may_have_to_be_paid_for(server: FaultyServer, *, is_async: bool) -> None:
    stage = server.stage(acts.resets)
    error = fault(stage, is_async=is_async)
    assert error.kind == "connection"
    assert [attempt.perhaps_billed for attempt in error.attempts] == [True, True]


@kinds
def test_the_deadline_is_on_the_whole_call(server: FaultyServer, *, is_async: bool) -> None:
    stage = server.stage(acts.drips(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 99, pause=0.05))
    begun = time.monotonic()
    with handed_in(stage, is_async=is_async, timeout=0.6) as model:
        begun = time.monotonic()
        with pytest.raises(BackendError) as caught:
            model.chat_completion(HELLO)
        took = time.monotonic() - begun
    assert caught.value.kind == "timeout"
    assert took <= 0.6 + 1.0
