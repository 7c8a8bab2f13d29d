"""What takes too long, and what is too large: a call ends by its deadline, and takes little memory whatever is sent."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from llm_brain.backends import Reply, Request
from llm_brain.backends.hosted.http import LARGEST_REPLY
from llm_brain.errors import BackendError
from tests.backends.faults.playing import HELLO, Case, Mode, Played, ask, every, model_of, play_all
from tests.backends.faults.promises import check_always
from tests.servers import acts
from tests.servers.dialects import ANTHROPIC, DIALECTS, OPENAI, Dialect, named
from tests.servers.faulty import Act, FaultyServer

dialects = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
pairs = pytest.mark.parametrize(("dialect", "mode"), [(OPENAI, "json"), (ANTHROPIC, "streamed")], ids=["openai", "anthropic"])
COMMENT = b": " + b" " * 65533 + b"\n"
DATA = (b"data: " + b"x" * 500 + b"\n") * 100
REFUSAL = OPENAI.chunk({"refusal": "x" * 2**16})
D = 2.0
"""Forty calls begin at once: on a busy machine each needs some time to arrive before its deadline."""
QUICK = 0.8


def whole(dialect: Dialect) -> bytes:
    return json.dumps(dialect.body("x" * 500)).encode()


def slow_body(dialect: Dialect) -> Act:
    content = whole(dialect)
    return acts.drips(OK + b"Content-Length: %d\r\n\r\n" % len(content) + content, pause=0.05)


def endless_words(dialect: Dialect) -> Act:
    begun = b"".join(dialect.events("word ", end=None, closed=False)[:4])
    word = OPENAI.chunk({"content": "word "}) if dialect is OPENAI else _delta("word ")
    return acts.streams(begun, *[word] * 400, pause=0.05)


def endless_filler(dialect: Dialect) -> Act:
    return acts.streams(*[dialect.filler()] * 400, pause=0.05)


def _delta(text: str) -> bytes:
    return named("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def slow(name: str, act: Callable[[Dialect], Act], **more: Any) -> Case:
    return Case(name, act, "timeout", 1, deadline=D, **more)


SLOW = [
    slow("silent", lambda _: acts.hangs),
    slow("silent-in-head", lambda _: acts.sends(b"HTTP/1.1 200 OK\r\nConte", "hang")),
    slow("silent-after-head", lambda _: acts.sends(OK + b"Content-Length: 99\r\n\r\n", "hang")),
    slow("silent-in-body", lambda dialect: acts.sends(OK + b"Content-Length: 9999\r\n\r\n" + whole(dialect)[:100], "hang")),
    slow("silent-before-the-last-chunk", lambda _: acts.streams(b": hello\n\n", then="hang")),
    slow("slow-head", lambda _: acts.drips(OK * 9, pause=0.05)),
    slow("slow-body", slow_body),
    slow("slow-error", lambda _: acts.drips(b"HTTP/1.1 500 No\r\nContent-Length: 999\r\n\r\n" + b"x" * 999, pause=0.05)),
    slow("slow-stream", endless_words, modes=("streamed",)),
    slow("slow-filler", endless_filler, modes=("streamed",)),
    slow("hints-for-ever", lambda _: acts.drips(b"HTTP/1.1 102 Processing\r\n\r\n" * 40, pause=0.1, size=29)),
]


@pytest.fixture(scope="module")
def late(server: FaultyServer, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play_all(server, SLOW, tmp_path_factory.mktemp("late"))


@pytest.mark.parametrize("name", every(SLOW))
def test_the_deadline_is_on_the_whole_call(late: Played, name: str) -> None:
    outcome = late.of(name)
    check_always(outcome)
    fault = outcome.fault
    assert (fault.kind, fault.retryable, len(outcome.requests)) == ("timeout", True, 1)
    assert D - 0.05 <= outcome.seconds <= D + 1.5
    assert fault.attempts[0].perhaps_billed
    assert outcome.pieces == []


@pairs
def test_attempts_share_one_deadline(server: FaultyServer, tmp_path: Path, dialect: Dialect, mode: Any) -> None:
    stage = server.stage(acts.later(dialect.fails(503), 0.2), acts.later(dialect.fails(503), 0.1), acts.hangs)
    outcome = ask(stage, dialect, mode, tmp_path, deadline=1.2)
    check_always(outcome)
    assert outcome.fault.kind == "timeout"
    assert [attempt.kind for attempt in outcome.fault.attempts] == ["server", "server", "timeout"]
    assert 1.1 <= outcome.seconds <= 2.2


@dialects
def test_a_connection_whose_answer_came_too_late_answers_nobody_else(server: FaultyServer, dialect: Dialect) -> None:
    stage = server.stage(acts.later(dialect.says("too late"), 0.6), dialect.says("in time"))
    model = model_of(dialect, stage.url, timeout=0.3)
    with pytest.raises(BackendError) as caught:
        model.chat_completion(HELLO)
    assert caught.value.kind == "timeout"
    assert [model.chat_completion(HELLO).text for _ in range(3)] == ["in time"] * 3


@dialects
def test_who_reads_a_stream_slowly_is_given_it_whole(server: FaultyServer, dialect: Dialect) -> None:
    stage = server.stage(dialect.says("Hello!"))
    given = []
    for piece in model_of(dialect, stage.url, timeout=0.6).stream(HELLO):
        given.append(piece)
        time.sleep(0.25)
    assert isinstance(given[-1], Reply)
    assert given[-1].text == "Hello!"


def huge_piece(dialect: Dialect) -> Act:
    """One event that is longer than any reply may be."""
    text = "x" * (LARGEST_REPLY + 2**20)
    return acts.streams(*dialect.events(text))


def huge_text(dialect: Dialect) -> Act:
    """Many events, whose text is longer than any reply may be."""
    return acts.streams(*dialect.events(*["x" * 2**16] * 80))


def too_large(name: str, act: Callable[[Dialect], Act], **more: Any) -> Case:
    return Case(name, act, "too_large", 1, deadline=20.0, **more)


@dialects
@pytest.mark.parametrize("is_awaited", [False, True])
def test_an_endless_stream_that_is_quick_ends_at_the_deadline(server: FaultyServer, dialect: Dialect, is_awaited: bool) -> None:
    word = OPENAI.chunk({"content": "ab"}) if dialect is OPENAI else _delta("ab")
    model = model_of(dialect, server.stage(acts.endless(word * 500, content_type="text/event-stream")).url, timeout=QUICK)

    async def main() -> None:
        async for _ in model.astream(HELLO):
            pass

    begun = time.monotonic()
    with pytest.raises(BackendError) as caught:
        asyncio.run(main()) if is_awaited else list(model.stream(HELLO))
    assert caught.value.kind == "timeout"
    assert QUICK - 0.05 <= time.monotonic() - begun <= QUICK + 1.5


def test_a_body_of_brackets_holds_up_no_other_call(server: FaultyServer) -> None:
    body = b'{"content": [{"type": "tool_use", "input": ' + b"[" * (LARGEST_REPLY - 100)
    asking = model_of(ANTHROPIC, server.stage(acts.answers(body)).url, timeout=20.0, retries=0)
    waiting = model_of(OPENAI, server.stage(acts.hangs).url, timeout=0.3, retries=0)

    async def timed(call: Awaitable[Reply]) -> tuple[str, float]:
        begun = time.monotonic()
        with pytest.raises(BackendError) as caught:
            await call
        return caught.value.kind, time.monotonic() - begun

    async def main() -> tuple[tuple[str, float], tuple[str, float]]:
        asked = Request(HELLO.messages, schema={"type": "array"})
        return await asyncio.gather(timed(asking.achat_completion(asked)), timed(waiting.achat_completion(HELLO)))

    (kind, _), (silent, seconds) = asyncio.run(main())
    assert (kind, silent) == ("protocol", "timeout")
    assert seconds < 1.3


JSON: tuple[Mode, ...] = ("json",)
STREAMED: tuple[Mode, ...] = ("streamed",)
LARGE = [
    too_large("gzip-bomb", lambda _: acts.bomb()),
    too_large("deflate-bomb", lambda _: acts.bomb(encoding="deflate"), modes=JSON),
    too_large("text-bomb", lambda _: acts.bomb(piece=b'{"choices": [{"message": {"content": "'), modes=JSON),
    too_large("bomb-as-error", lambda _: acts.bomb(status=500), modes=JSON),
    too_large("stream-bomb", lambda _: acts.bomb(128, piece=COMMENT, content_type="text/event-stream"), modes=STREAMED),
    too_large("huge", lambda _: acts.huge(), modes=JSON),
    too_large("endless", lambda _: acts.endless(b" " * 65536), modes=JSON),
    too_large("endless-line", lambda _: acts.endless(b"x" * 65536, content_type="text/event-stream"), modes=STREAMED),
    too_large("endless-comments", lambda _: acts.endless(COMMENT, content_type="text/event-stream"), modes=STREAMED),
    too_large("huge-event", huge_piece, modes=STREAMED),
    too_large("huge-text", huge_text, modes=STREAMED),
    too_large("endless-event", lambda _: acts.endless(DATA, content_type="text/event-stream"), modes=STREAMED),
    too_large("event-bomb", lambda _: acts.bomb(128, piece=DATA, content_type="text/event-stream"), modes=STREAMED),
    too_large("huge-lines", lambda _: acts.endless(b"x" * 200 + b"\n", content_type="text/event-stream"), modes=STREAMED),
    too_large("endless-refusal", lambda _: acts.streams(*[REFUSAL] * 80), modes=STREAMED, dialects=[OPENAI]),
]


@pytest.fixture(scope="module")
def large(server: FaultyServer, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play_all(server, LARGE, tmp_path_factory.mktemp("large"))


@pytest.mark.parametrize("name", every(LARGE))
def test_what_is_too_large_is_refused(large: Played, name: str) -> None:
    outcome = large.of(name)
    check_always(outcome)
    assert (outcome.fault.kind, outcome.fault.retryable, len(outcome.requests)) == ("too_large", False, 1)


@pairs
def test_endless_headers_are_refused(server: FaultyServer, tmp_path: Path, dialect: Dialect, mode: Any) -> None:
    outcome = ask(server.stage(acts.endless_head()), dialect, mode, tmp_path, deadline=0.8)
    check_always(outcome)
    assert outcome.fault.kind in ("protocol", "connection", "timeout", "too_large")


@dialects
def test_the_longest_reply_that_is_allowed_is_read(server: FaultyServer, dialect: Dialect) -> None:
    text = "x" * (LARGEST_REPLY - 4096)
    stage = server.stage(dialect.either(acts.answers(dialect.body(text)), acts.streams(*dialect.events(text[:9], text[9:]))))
    model = model_of(dialect, stage.url, timeout=20.0)
    assert model.chat_completion(HELLO).text == text
    *_, reply = model.stream(HELLO)
    assert isinstance(reply, Reply)
    assert reply.text == text


MEASURED = """
import json, resource, sys, tracemalloc
from tests.backends.faults.playing import HELLO, model_of
from tests.servers.dialects import DIALECTS
url, name = sys.argv[1:]
(dialect,) = [one for one in DIALECTS if one.name == name]
model = model_of(dialect, url, timeout=30.0)
asks = [lambda: model.chat_completion(HELLO), lambda: list(model.stream(HELLO))]
for ask in asks:
    ask()  # everything is imported, and the connection is there
for ask in asks * 2:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    try:
        ask()
    except Exception as error:
        kind = error.kind
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(json.dumps([kind, peak, 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)]))
"""


@dialects
@pytest.mark.parametrize("piece", [b" " * 65536, DATA], ids=["bytes", "events"])
def test_memory_grows_by_less_than_twice_the_limit(server: FaultyServer, dialect: Dialect, piece: bytes) -> None:
    bomb, endless = acts.bomb(piece=piece), acts.endless(piece.replace(b" ", b"x") if piece is not DATA else DATA)
    stage = server.stage(dialect.says(), dialect.says(), bomb, bomb, endless)
    command = [sys.executable, "-c", MEASURED, stage.url, dialect.name]
    asked = subprocess.run(command, capture_output=True, text=True, check=True)
    told = [json.loads(line) for line in asked.stdout.splitlines()]
    assert [kind for kind, _, _ in told] == ["too_large"] * 4
    assert max(peak for _, peak, _ in told) < 2 * LARGEST_REPLY
    assert max(grown for _, _, grown in told) < 2 * LARGEST_REPLY + 4 * 2**20  # what an allocator takes besides
