"""A reply that comes as events: its text is exact however it is cut, and a broken one is never taken for a whole one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
import traceback
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.backends import Message, OpenAIBackend, Reply, Request, Usage
from llm_brain.backends.hosted.events import read_events
from llm_brain.backends.openai.stream import StreamedReply
from llm_brain.errors import BackendError

KEY = "Zq7-Kd0_pW9xLm4T"
HELLO = Request((Message("user", "Hello?"),))
STOP = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
USAGE = {"model": "served", "choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 3}}
DONE = b"data: [DONE]\n\n"


def said(text: object, finish: str | None = None) -> dict[str, Any]:
    return {"model": "served", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


def event(body: object, end: bytes = b"\n") -> bytes:
    return b"data: " + json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass") + end * 2


def sending(*parts: bytes, then: str = "end", pause: float = 0.0) -> Callable[[Any], None]:
    """Play a stream of these parts, each in a packet of its own, and then end it, cut it, reset it, or hang."""

    def play(wire: Any) -> None:
        wire.begin_events()
        for part in parts:
            wire.chunk(part)
            time.sleep(pause)
        if then == "end":
            wire.chunk(b"")
            return
        time.sleep(0.02)  # what was sent arrives before a reset
        if then == "hang":
            wire.hung_up()
        (wire.reset if then == "reset" else wire.close)()

    return play


def backend(wires: Any, **options: Any) -> OpenAIBackend:
    return OpenAIBackend("m-1", **{"base_url": wires.url, "api_key": KEY, "timeout": 5.0, "retries": 0, **options})


def blocking(model: OpenAIBackend) -> tuple[list[str], Reply]:
    *pieces, reply = model.stream(HELLO)
    assert isinstance(reply, Reply)
    return [piece for piece in pieces if isinstance(piece, str)], reply


def awaited(model: OpenAIBackend) -> tuple[list[str], Reply]:
    async def main() -> list[str | Reply]:
        async with aclosing(model.astream(HELLO)) as given:
            return [piece async for piece in given]

    *pieces, reply = asyncio.run(main())
    assert isinstance(reply, Reply)
    return [piece for piece in pieces if isinstance(piece, str)], reply


def fault(wires: Any, **options: Any) -> BackendError:
    """Stream, expect one typed error, and see that nothing of the client or the key clings to it."""
    with pytest.raises(BackendError) as caught:
        list(backend(wires, **options).stream(HELLO))
    error = caught.value
    assert type(error) is BackendError
    assert error.__cause__ is None
    assert error.__context__ is None
    assert KEY not in "".join(traceback.format_exception(error)) + repr(vars(error))
    return error


ways = pytest.mark.parametrize("stream", [blocking, awaited])


@ways
def test_pieces_come_as_they_are_sent_and_at_the_end_the_whole_reply(wires: Any, stream: Any) -> None:
    wires.play = sending(event(said("")), event(said("Hel")), event(said("lo!")), event(STOP), event(USAGE), DONE)
    assert stream(backend(wires)) == (["Hel", "lo!"], Reply("Hello!", "stop", "served", Usage(12, 3)))
    (wire,) = wires.wires
    assert wire.body["stream"] is True
    assert wire.body["stream_options"] == {"include_usage": True}
    assert wire.headers["authorization"] == f"Bearer {KEY}"


def test_a_piece_is_given_before_the_next_one_is_sent(wires: Any) -> None:
    go_on = threading.Event()

    def play(wire: Any) -> None:
        wire.begin_events()
        wire.chunk(event(said("Hel")))
        if go_on.wait(5):
            wire.chunk(event(said("lo!", "stop")))
        wire.chunk(b"")

    wires.play = play
    stream = backend(wires).stream(HELLO)
    assert next(stream) == "Hel"
    go_on.set()
    assert next(stream) == "lo!"
    stream.close()


@pytest.mark.parametrize(
    "parts",
    [
        [event(said("é")), event(said("😀", "stop"))],
        [event(said("é"), b"\r\n"), event(said("😀", "stop"), b"\r\n")],
        [b"\xef\xbb\xbf", event(said("é😀", "stop")), DONE],
        [b": comment\n\n:\n", event(said("é")), b"event: ping\nid: 7\nretry: 10\n\n", event(said("😀", "stop")), DONE],
        [event(said(None)), event(said("é")), event({"choices": [{"delta": None}]}), event({}), event(said("😀", "stop"))],
        [b'data: {"choices": [{"delta":\ndata: {"content": "\xc3\xa9\xf0\x9f\x98\x80"},\ndata: "finish_reason": "stop"}]}\n\n'],
        [event(said("é")).replace(b"data: ", b"data:"), event(said("😀", "stop")).rstrip(b"\n")],
        [event(said("é")), b"data:\n\n", event(said("😀", "stop")), b"data: [DONE] \n\n"],
        [event(said("é", "")), event(said("😀", "stop")), event(said("")), event({"choices": None}), DONE],
        [
            b'data: {"choices": [{"delta": {"content": "\\u00e9\\ud83d"}}]}\n\n',
            b'data: {"choices": [{"delta": {"content": "\\ude00"}, "finish_reason": "stop"}]}\n\n',
        ],
    ],
    ids=["plain", "crlf", "mark", "comments", "nulls", "lines", "bare", "empty", "late", "halves"],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
@ways
def test_the_text_is_exact_however_events_are_written_and_cut(wires: Any, stream: Any, parts: list[bytes], size: int) -> None:
    whole = b"".join(parts)
    wires.play = sending(*(whole[start : start + size] for start in range(0, len(whole), size)))
    pieces, reply = stream(backend(wires))
    assert "".join(pieces) == reply.text == "é😀"
    assert reply.finish_reason == "stop"


@given(data=st.data(), texts=st.lists(st.text(max_size=6), min_size=1, max_size=6), end=st.sampled_from([b"\n", b"\r\n"]))
def test_however_bytes_are_split_the_text_is_the_same(data: st.DataObject, texts: list[str], end: bytes) -> None:
    whole = b"".join([*(event(said(text), end) for text in ("<", *texts)), event(STOP, end), DONE])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    parts = [whole[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True)]

    async def lines() -> AsyncGenerator[bytes, None]:
        rest = b""
        for part in parts:
            *full, rest = (rest + part).split(b"\n")
            for line in full:
                yield line.removesuffix(b"\r")

    async def main() -> tuple[str, Reply | BackendError]:
        streamed = StreamedReply("m", "here", lambda message, _: message["content"])
        pieces = [streamed.take(one) async for one in read_events(lines())]
        return "".join(pieces), streamed.end()

    pieces, reply = asyncio.run(main())
    assert isinstance(reply, Reply)
    assert pieces == reply.text == "<" + "".join(texts)


@pytest.mark.parametrize("end", [[event(STOP)], [event(STOP), DONE], [event(STOP), event(USAGE)], [event(USAGE), event(STOP)]])
def test_a_finish_reason_ends_a_reply_with_and_without_a_closing_event(wires: Any, end: list[bytes]) -> None:
    wires.play = sending(event(said("Hello!")), *end)
    reply = blocking(backend(wires))[1]
    assert (reply.text, reply.finish_reason) == ("Hello!", "stop")
    assert reply.usage == (Usage(12, 3) if event(USAGE) in end else None)


@pytest.mark.parametrize("then", ["cut", "reset", "hang"])
def test_what_goes_wrong_after_the_finish_reason_costs_no_answer(wires: Any, then: str) -> None:
    wires.play = sending(event(said("Hello!", "stop")), then=then)
    assert blocking(backend(wires, timeout=0.5))[1].text == "Hello!"


def test_a_stream_that_stays_open_after_its_closing_event_is_not_waited_for(wires: Any) -> None:
    wires.play = sending(event(said("Hello!", "stop")), DONE, then="hang")
    begun = time.monotonic()
    assert blocking(backend(wires))[1].text == "Hello!"
    assert time.monotonic() - begun < 2


def test_streams_share_a_connection_one_after_the_other(wires: Any) -> None:
    wires.play = sending(event(said("Hello!", "stop")), DONE, pause=0.01)
    model = backend(wires)
    for _ in range(3):
        assert blocking(model)[1].text == "Hello!"
    assert (len(wires.wires), len(wires.connections)) == (3, 1)


@pytest.mark.parametrize(
    ("parts", "then", "kind", "raw"),
    [
        ([event(said("Hel"))], "end", "incomplete", "Hel"),
        ([event(said("Hel")), DONE], "end", "incomplete", "Hel"),
        ([event(said("Hel"))], "cut", "incomplete", "Hel"),
        ([event(said("Hel")), b'data: {"choices": [{"del'], "cut", "incomplete", "Hel"),
        ([event(said("Hel")), b'data: {"choices": [{"del'], "end", "incomplete", "Hel"),
        ([event(said("Hel"))], "reset", "incomplete", "Hel"),
        ([event(said("Hel"))], "hang", "incomplete", "Hel"),
        ([event(said("Hel")), event({"error": {"message": "oops"}})], "end", "incomplete", "Hel"),
        ([event(said("Hel")), event({"error": {"message": "slow down", "code": 429}}), DONE], "end", "incomplete", "Hel"),
        ([event(said("Hel")), b"data: <html>\n\n"], "end", "incomplete", "Hel"),
        ([event(said("Hel")), b"data: \xff\n\n"], "end", "incomplete", "Hel"),
        ([event({"error": {"message": "slow down", "code": 429}})], "end", "rate_limit", None),
        ([event({"error": "broken"})], "end", "server", None),
        ([event(said(""))], "cut", "protocol", None),
        ([], "cut", "protocol", None),
        ([], "hang", "timeout", None),
        ([], "end", "incomplete", None),
        ([DONE], "end", "incomplete", None),
        ([b"<!DOCTYPE html>\n<html>\n502</html>"], "end", "protocol", None),
        ([b"data: [1]\n\n"], "end", "protocol", None),
        ([b"data: " + b"[" * 200_000 + b"\n\n"], "end", "protocol", None),
        ([event(STOP), DONE], "end", "empty", None),
        ([event(said(None, "length"))], "end", "length", None),
    ],
)
def test_a_reply_that_breaks_off_is_an_error_that_holds_what_had_come(
    wires: Any, parts: list[bytes], then: str, kind: str, raw: str | None
) -> None:
    wires.play = sending(*parts, then=then)
    error = fault(wires, timeout=0.6)
    assert (error.kind, error.raw) == (kind, raw)
    assert error.retryable == (kind != "length")
    assert len(wires.wires) == 1


def test_a_stream_that_was_still_speaking_when_its_time_was_up_is_a_timeout(wires: Any) -> None:
    wires.play = sending(*[event(said("so "))] * 100, pause=0.02)
    begun = time.monotonic()
    error = fault(wires, timeout=0.5)
    assert (error.kind, error.retryable) == ("timeout", True)
    assert (error.raw or "").startswith("so so ")
    assert time.monotonic() - begun < 1.5


def test_pieces_that_came_before_a_break_were_given(wires: Any) -> None:
    wires.play = sending(event(said("Hel")), then="cut")
    stream = backend(wires).stream(HELLO)
    assert next(stream) == "Hel"
    with pytest.raises(BackendError):
        next(stream)
    assert list(stream) == []


def test_a_refusal_that_comes_in_pieces_keeps_its_words(wires: Any) -> None:
    parts = [event({"choices": [{"delta": {"refusal": word}}]}) for word in ("I ", "cannot.")]
    wires.play = sending(*parts, event(STOP), DONE)
    error = fault(wires)
    assert (error.kind, error.raw, error.retryable) == ("refusal", "I cannot.", False)


def test_a_content_filter_in_the_middle_is_an_error(wires: Any) -> None:
    wires.play = sending(event(said("Half a")), event(said(None, "content_filter")), DONE)
    error = fault(wires)
    assert (error.kind, error.raw) == ("content_filter", "Half a")


def test_a_reply_cut_by_the_limit_says_so(wires: Any) -> None:
    wires.play = sending(event(said("Once upon a")), event(said(None, "length")), DONE)
    assert blocking(backend(wires))[1].finish_reason == "length"


@pytest.mark.parametrize("indent", [None, 2])
@ways
def test_a_server_that_does_not_stream_is_read_as_a_whole(wires: Any, stream: Any, indent: int | None) -> None:
    message = {"role": "assistant", "content": "Hello!"}
    body = {**USAGE, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    wires.play = lambda wire: wire.reply(b"\n" + json.dumps(body, indent=indent).encode())
    assert stream(backend(wires)) == (["Hello!"], Reply("Hello!", "stop", "served", Usage(12, 3)))


def test_an_error_of_a_server_that_does_not_stream_is_told(wires: Any) -> None:
    wires.play = lambda wire: wire.reply({"error": {"message": "slow down", "code": 429}})
    assert fault(wires).kind == "rate_limit"


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "bad_request"), (401, "auth"), (404, "not_found"), (429, "rate_limit"), (503, "server")]
)
def test_a_refused_stream_is_the_error_of_its_status(wires: Any, status: int, kind: str) -> None:
    wires.play = lambda wire: wire.reply({"error": {"message": f"no, {KEY}"}}, status)
    assert fault(wires).kind == kind
    assert len(wires.wires) == 1


def test_a_redirect_is_not_followed(wires: Any) -> None:
    wires.play = lambda wire: wire.reply(b"", 307, location=f"{wires.url}/elsewhere")
    assert fault(wires).kind == "protocol"
    assert len(wires.wires) == 1


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_does_not_know_stream_options_is_asked_once_more_and_remembered(wires: Any, status: int) -> None:
    def play(wire: Any) -> None:
        if "stream_options" in wire.body:
            wire.reply({"error": {"message": "Unrecognized request argument supplied: stream_options"}}, status)
        else:
            sending(event(said("Hello!", "stop")), DONE)(wire)

    wires.play = play
    model = backend(wires, retries=2)
    for _ in range(3):
        assert blocking(model)[1].text == "Hello!"
    assert ["stream_options" in wire.body for wire in wires.wires] == [True, False, False, False]


def test_a_server_that_refuses_stream_options_whatever_is_asked_is_not_asked_for_ever(wires: Any) -> None:
    wires.play = lambda wire: wire.reply({"error": {"message": "stream_options"}}, 400)
    with pytest.raises(BackendError, match="stream_options"):
        list(backend(wires, retries=2).stream(HELLO))
    assert len(wires.wires) == 2


def test_streams_that_find_out_together_that_stream_options_are_unknown_are_all_answered(wires: Any) -> None:
    meeting = threading.Barrier(4, timeout=10)

    def play(wire: Any) -> None:
        if "stream_options" in wire.body:
            meeting.wait()
            wire.reply({"error": {"message": "stream_options?"}}, 400)
        else:
            sending(event(said("Hello!", "stop")), DONE)(wire)

    wires.play = play
    model = backend(wires, retries=2)

    async def one() -> list[str | Reply]:
        return [piece async for piece in model.astream(HELLO)]

    async def main() -> list[list[str | Reply]]:
        return await asyncio.gather(*(one() for _ in range(4)))

    assert [answer[0] for answer in asyncio.run(main())] == ["Hello!"] * 4


@ways
def test_a_key_that_the_server_sends_back_in_pieces_is_cut_out(wires: Any, stream: Any) -> None:
    parts = [f"is {KEY[:3]}", KEY[3:9], f"{KEY[9:]}, {KEY}; Zq", "7-"]
    wires.play = sending(*(event(said(part)) for part in parts), event(STOP), DONE)
    pieces, reply = stream(backend(wires))
    assert "".join(pieces) == reply.text == "is [redacted], [redacted]; Zq7-"


def test_a_key_inside_a_broken_reply_is_cut_out(wires: Any) -> None:
    wires.play = sending(event(said(f"Your key is {KEY}")), then="cut")
    assert fault(wires).raw == "Your key is [redacted]"


def test_a_word_that_stands_for_no_key_is_left_in_a_reply(wires: Any) -> None:
    wires.play = sending(event(said("The box is EM")), event(said("PTY.", "stop")), DONE)
    assert blocking(backend(wires, api_key="EMPTY"))[0] == ["The box is EM", "PTY."]


def test_a_caller_who_leaves_closes_the_connection(wires: Any) -> None:
    left = threading.Semaphore(0)

    def play(wire: Any) -> None:
        wire.begin_events()
        wire.chunk(event(said("Hel")))
        if wire.hung_up():
            left.release()
        wire.close()

    wires.play = play
    model = backend(wires)
    with closing(model.stream(HELLO)) as stream:
        assert next(stream) == "Hel"
    assert left.acquire(timeout=5)

    async def main() -> None:
        async with aclosing(model.astream(HELLO)) as pieces:
            assert await anext(pieces) == "Hel"
        assert await asyncio.to_thread(left.acquire, timeout=5)

    asyncio.run(main())


def test_a_stream_is_refused_for_a_text_to_be_continued(wires: Any) -> None:
    with pytest.raises(BackendError) as caught:
        list(backend(wires).stream(Request((Message("user", "Once"),), form="completion")))
    assert caught.value.kind == "bad_request"
    assert not wires.wires


def test_an_endless_text_is_refused(wires: Any) -> None:
    part = event(said("x" * 400_000))
    wires.play = sending(*[part] * 20)
    assert fault(wires).kind == "too_large"


@given(
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["choices", "delta", "message", "content", "error", "usage", "finish_reason", "refusal"]),
                inner,
                max_size=3,
            )
        ),
        max_leaves=8,
    )
)
def test_whatever_an_event_holds_it_is_text_or_a_typed_error(body: object) -> None:
    streamed = StreamedReply("m", "here", lambda message, _: message["content"])
    with contextlib.suppress(BackendError):
        assert isinstance(streamed.take(json.dumps(body).encode()), str)
    assert isinstance(streamed.end(), Reply | BackendError)
