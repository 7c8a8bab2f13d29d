"""One retry loop with one deadline: how often it asks, how long it waits, and what it tells in the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_brain.backends import Reply, Usage
from llm_brain.backends.hosted.limits import Endpoint, Limits
from llm_brain.backends.hosted.pieces import Waiting
from llm_brain.backends.hosted.retrying import AdaptedError, Call
from llm_brain.backends.portal import portal
from llm_brain.errors import BackendError
from llm_brain.tracing import names, read_spans, record, span

BUSY = {"kind": "server", "retryable": True, "status": 503}


def call(endpoint: Endpoint | None = None, *, retries: int = 2, timeout: float = 5.0, spent: float = 0.0) -> Call:
    given = endpoint or Endpoint(Limits())
    return Call(given, retries=retries, timeout=timeout, spent=spent, tokens=0, hide=lambda error: error)


def asking(*outcomes: Any) -> tuple[Callable[[], Any], list[float]]:
    """Make something to ask that gives these outcomes, the last one again and again, and notes when it was asked."""
    asked: list[float] = []

    async def ask() -> Reply:
        asked.append(time.monotonic())
        outcome = outcomes[min(len(asked), len(outcomes)) - 1]
        if isinstance(outcome, dict):
            raise BackendError("busy", **outcome)
        if isinstance(outcome, Exception):
            raise outcome
        if isinstance(outcome, float):
            await asyncio.sleep(outcome)
        return Reply("hello", "stop", "m", Usage(5, 1))

    return ask, asked


def fault(ask: Any, **options: Any) -> BackendError:
    with pytest.raises(BackendError) as caught:
        asyncio.run(call(**options).answer(ask))
    return caught.value


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 4), st.integers(0, 6))
def test_a_call_is_at_most_one_request_and_its_retries(retries: int, failures: int) -> None:
    ask, asked = asking(*[BUSY | {"retry_after": 0.0}] * failures, None)
    if failures > retries:
        error = fault(ask, retries=retries)
        assert (error.kind, len(error.attempts)) == ("server", retries + 1)
    else:
        assert len(asyncio.run(call(retries=retries).answer(ask)).failed) == failures
    assert len(asked) == min(failures, retries) + 1


def test_what_will_not_pass_is_asked_once() -> None:
    ask, asked = asking({"kind": "auth", "status": 401})
    error = fault(ask)
    assert (len(asked), error.kind, error.attempts[0].status) == (1, "auth", 401)


def test_tokens_of_failed_attempts_are_added_to_those_of_the_answer() -> None:
    ask, _ = asking(BUSY | {"usage": Usage(7, 0), "retry_after": 0.0}, None)
    reply = asyncio.run(call().answer(ask))
    assert reply.usage == Usage(12, 1)
    assert reply.latency is not None


def test_an_error_tells_the_tokens_and_the_time_of_every_attempt() -> None:
    ask, _ = asking(BUSY | {"usage": Usage(7, 0), "retry_after": 0.0})
    error = fault(ask)
    assert error.usage == Usage(21, 0)
    assert [(attempt.kind, attempt.status) for attempt in error.attempts] == [("server", 503)] * 3
    assert all(attempt.duration >= 0 for attempt in error.attempts)


def test_the_deadline_is_on_all_attempts_together() -> None:
    ask, asked = asking(BUSY, 10.0)
    begun = time.monotonic()
    error = fault(ask, timeout=0.5)
    assert (error.kind, len(asked)) == ("timeout", 2)
    assert [attempt.kind for attempt in error.attempts] == ["server", "timeout"]
    assert error.attempts[-1].perhaps_billed
    assert time.monotonic() - begun < 1.5


def test_what_earlier_replies_took_is_no_longer_left() -> None:
    ask, asked = asking(10.0)
    begun = time.monotonic()
    error = fault(ask, timeout=5.0, spent=4.7)
    assert (error.kind, len(asked)) == ("timeout", 1)
    assert time.monotonic() - begun < 1.3
    error = fault(ask, timeout=5.0, spent=5.0)
    assert (error.kind, len(asked)) == ("timeout", 1)  # nothing is sent


def test_all_retries_find_their_time_before_a_short_deadline() -> None:
    ask, asked = asking(BUSY)
    assert fault(ask, timeout=0.6).kind == "server"
    assert len(asked) == 3


def test_a_wish_to_wait_is_kept() -> None:
    ask, asked = asking({"kind": "rate_limit", "retryable": True, "status": 429, "retry_after": 0.3}, None)
    asyncio.run(call().answer(ask))
    assert asked[1] - asked[0] >= 0.3


def test_a_wish_to_wait_that_is_beyond_the_deadline_ends_the_call_at_once() -> None:
    endpoint = Endpoint(Limits())
    ask, asked = asking({"kind": "rate_limit", "retryable": True, "status": 429, "retry_after": 60.0})
    begun = time.monotonic()
    first = fault(ask, endpoint=endpoint)
    second = fault(ask, endpoint=endpoint)
    assert time.monotonic() - begun < 2.0
    assert len(asked) == 1  # who comes after knows it, and sends nothing
    assert (first.retry_after, first.kind, second.kind) == (60.0, "rate_limit", "rate_limit")
    assert second.retry_after == pytest.approx(60.0, abs=2.0)
    assert second.attempts == ()


def test_what_was_adapted_is_asked_again_at_once_and_counts() -> None:
    adapted = AdaptedError("no temperature", kind="bad_request", retryable=True, status=400)
    ask, asked = asking(adapted, None)
    assert asyncio.run(call(retries=1).answer(ask)).failed[0].status == 400
    assert asked[1] - asked[0] < 0.2
    ask, asked = asking(adapted)
    error = fault(ask, retries=1)
    assert (type(error), error.retryable, len(asked)) == (BackendError, False, 2)


def test_waiting_for_the_first_turn_does_not_count() -> None:
    endpoint = Endpoint(Limits(in_flight=1))

    async def main() -> int:
        asks = [asking(0.2)[0] for _ in range(4)]
        return len(await asyncio.gather(*(call(endpoint, timeout=0.5).answer(ask) for ask in asks)))

    assert asyncio.run(main()) == 4


def streaming(*attempts: list[Any]) -> tuple[Callable[[], AsyncGenerator[str | Reply, None]], list[int]]:
    """Make a stream that gives these pieces, a list an attempt; an error in it is raised, a number slept."""
    asked: list[int] = []

    async def ask() -> AsyncGenerator[str | Reply, None]:
        asked.append(len(asked))
        text = ""
        for piece in attempts[min(len(asked), len(attempts)) - 1]:
            if isinstance(piece, Exception):
                raise piece
            if isinstance(piece, float):
                await asyncio.sleep(piece)
                continue
            text += piece
            yield piece
        yield Reply(text, "stop", "m")

    return ask, asked


def pieces_of(ask: Any, *, pause: float = 0.0, **options: Any) -> tuple[list[str], Reply | BackendError]:
    async def main() -> tuple[list[str], Reply | BackendError]:
        given: list[str] = []
        try:
            async with aclosing(call(**options).stream(ask)) as pieces:
                async for piece in pieces:
                    await asyncio.sleep(pause)
                    if isinstance(piece, Reply):
                        return given, piece
                    given.append(piece)
        except BackendError as error:
            return given, error
        raise AssertionError

    return asyncio.run(main())


CUT = BackendError("cut", kind="incomplete", retryable=True, retry_after=0.0)


def test_a_stream_that_breaks_off_goes_on_where_the_next_one_says_the_same() -> None:
    ask, asked = streaming(["Hel", "lo w", CUT], ["He", "llo ", "wor", "ld"])
    given, reply = pieces_of(ask)
    assert (given, len(asked)) == (["Hel", "lo w", "or", "ld"], 2)
    assert isinstance(reply, Reply)
    assert (reply.text, len(reply.failed)) == ("Hello world", 1)


@pytest.mark.parametrize("second", [["Good", "bye"], ["Hel"], ["Hex"]])
def test_a_stream_that_breaks_off_is_never_put_together_from_two_replies(second: list[str]) -> None:
    ask, _ = streaming(["Hel", "lo w", CUT], second)
    given, error = pieces_of(ask)
    assert given == ["Hel", "lo w"]
    assert isinstance(error, BackendError)
    assert (error.kind, error.raw) == ("incomplete", "Hello w")


def test_a_stream_that_broke_off_before_its_first_piece_is_asked_for_again() -> None:
    ask, asked = streaming([CUT], ["Hello"])
    assert pieces_of(ask)[0] == ["Hello"]
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [(["Hel", 9.0], "incomplete"), ([0.3, "Hel", 9.0], "incomplete"), (["s", 0.1] * 20, "timeout"), ([9.0], "timeout")],
    ids=["stalled", "stalled late", "slow", "silent"],
)
def test_a_stream_that_stalls_is_told_from_one_that_is_slow(pieces: list[Any], kind: str) -> None:
    given, error = pieces_of(streaming(pieces)[0], timeout=0.5)
    assert isinstance(error, BackendError)
    assert (error.kind, error.raw) == (kind, "".join(given) or None)


def test_the_time_of_who_reads_a_stream_does_not_count() -> None:
    given, reply = pieces_of(streaming(["a", "b", "c"])[0], pause=0.2, timeout=0.4)
    assert (given, type(reply)) == (["a", "b", "c"], Reply)


async def endless() -> AsyncGenerator[str | Reply, None]:
    """Always have the next piece at once, so that no timer ever has its turn."""
    for _ in range(10_000_000):
        yield "ab"


def read_in_a_thread() -> None:
    for _ in portal().iterate(call(timeout=0.5).stream(endless)):
        pass


def read_awaited() -> None:
    async def main() -> None:
        async with aclosing(call(timeout=0.5).stream(endless)) as pieces:
            async for _ in pieces:
                pass

    asyncio.run(main())


@pytest.mark.parametrize("read", [read_in_a_thread, read_awaited])
def test_a_stream_that_is_quick_and_endless_ends_at_the_deadline(read: Callable[[], None]) -> None:
    begun = time.monotonic()
    with pytest.raises(BackendError) as caught:
        read()
    assert caught.value.kind == "timeout"
    assert (caught.value.raw or "").startswith("abab")
    assert 0.45 <= time.monotonic() - begun < 1.5


def test_others_have_their_turn_while_a_stream_comes_without_a_pause() -> None:
    async def main() -> float:
        async def look() -> float:
            longest, last = 0.0, time.monotonic()
            while last < ends:
                await asyncio.sleep(0.001)
                longest, last = max(longest, time.monotonic() - last), time.monotonic()
            return longest

        ends = time.monotonic() + 0.4
        looking = asyncio.create_task(look())
        with pytest.raises(BackendError):
            async for _ in call(timeout=0.5).stream(endless):
                pass
        return await looking

    assert asyncio.run(main()) < 0.3


def test_the_time_of_a_reader_who_holds_up_the_loop_does_not_count() -> None:
    async def main() -> list[str | Reply]:
        given = []
        async for piece in call(timeout=0.4).stream(streaming(["a", 0.05, "b", 0.05, "c"])[0]):
            given.append(piece)
            time.sleep(0.3)  # noqa: ASYNC251
        return given

    *given, reply = asyncio.run(main())
    assert (given, type(reply)) == (["a", "b", "c"], Reply)


def test_pieces_that_wait_in_great_numbers_are_put_together() -> None:
    waiting = Waiting()
    for _ in range(50_000):
        waiting.put("ab")
    waiting.put(Reply("ab" * 50_000, "stop", "m"))
    assert waiting.next() == "ab" * 50_000
    assert isinstance(waiting.next(), Reply)
    assert waiting.next() is None


def attempts(folder: Path) -> list[tuple[str, Any, Any, Any]]:
    """Tell status, number, HTTP status and error of each attempt in the trace."""
    spans = [span for span in read_spans(folder) if span.kind == names.ATTEMPT_KIND]
    wanted = (names.ATTEMPT, names.HTTP_STATUS, names.ERROR_TYPE)
    return [(span.status, *(span.attributes.get(name) for name in wanted)) for span in spans]


def test_each_request_of_a_call_that_needed_several_is_in_the_trace(tmp_path: Path) -> None:
    ask, _ = asking(*[BUSY | {"retry_after": 0.0}] * 2, None)
    with record(tmp_path), span("call") as around:
        asyncio.run(call().answer(ask))
    assert attempts(tmp_path) == [("error", 1, 503, "server"), ("error", 2, 503, "server"), ("ok", 3, None, None)]
    assert {one.parent_id for one in read_spans(tmp_path) if one.name == "attempt"} == {around.span_id}


@pytest.mark.parametrize("outcome", [None, {"kind": "auth", "status": 401}])
def test_the_only_request_of_a_call_is_no_span_of_its_own(outcome: Any, tmp_path: Path) -> None:
    ask, asked = asking(outcome)
    with record(tmp_path), suppress(BackendError):
        asyncio.run(call().answer(ask))
    assert (attempts(tmp_path), len(asked)) == ([], 1)


def test_a_call_that_is_given_up_ends_its_last_request_in_the_trace(tmp_path: Path) -> None:
    ask, asked = asking(BUSY | {"retry_after": 0.0}, 9.0)

    async def main() -> None:
        task = asyncio.create_task(call().answer(ask))
        await asyncio.wait([task], timeout=0.3)
        assert len(asked) == 2
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    with record(tmp_path):
        asyncio.run(main())
    assert attempts(tmp_path) == [("error", 1, 503, "server"), ("error", 2, None, None)]


def test_the_requests_of_a_stream_are_in_the_trace_also_where_its_reader_stops(tmp_path: Path) -> None:
    with record(tmp_path / "whole"):
        pieces_of(streaming(["Hel", CUT], ["Hello"])[0])
    assert [(status, number) for status, number, *_ in attempts(tmp_path / "whole")] == [("error", 1), ("ok", 2)]

    async def main() -> None:
        async with aclosing(call().stream(streaming([CUT], ["Hel", "lo"])[0])) as pieces:
            async for _ in pieces:
                break

    with record(tmp_path / "stopped"):
        asyncio.run(main())
    assert [(status, number) for status, number, *_ in attempts(tmp_path / "stopped")] == [("error", 1), ("ok", 2)]
