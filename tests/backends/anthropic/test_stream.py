"""A reply of Anthropic's that comes as events: its text is exact, and a broken one is never taken for a whole one."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.backends import Reply, Usage
from llm_brain.backends.anthropic.stream import StreamedMessage
from llm_brain.errors import BackendError

START: dict[str, Any] = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "served",
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 10, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 0, "output_tokens": 1},
    },
}
PING = {"type": "ping"}
STOP = {"type": "message_stop"}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def block(kind: str, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": {"type": kind, **fields}}


def tool(index: int = 0, **given: Any) -> dict[str, Any]:
    return block("tool_use", index, id=f"toolu_{index}", name="reply", input=given)


def words(text: object, index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}}


def part(json_text: object, index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": "input_json_delta", "partial_json": json_text}}


def thought(index: int = 0) -> list[dict[str, Any]]:
    thinking = {"type": "thinking_delta", "thinking": "Hmm."}, {"type": "signature_delta", "signature": "EqQBCgIYAhIM"}
    deltas = [{"type": "content_block_delta", "index": index, "delta": delta} for delta in thinking]
    return [block("thinking", index, thinking="", signature=""), *deltas, closing(index)]


def closing(index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def stopping(reason: object = "end_turn", written: object = 3, **delta: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason, **delta}, "usage": {"output_tokens": written}}


def read(*events: Any, has_tool: bool = False, is_wrapped: bool = False) -> tuple[list[str], Reply | BackendError]:
    """Read events as the backend does: until one closes the stream, breaks it, or there are no more."""
    streamed = StreamedMessage("m-1", "here", has_tool=has_tool, is_wrapped=is_wrapped)
    pieces: list[str] = []
    try:
        for event in events:
            pieces.append(streamed.take(event if isinstance(event, bytes) else json.dumps(event).encode()))
            if streamed.closed:
                break
        ended = streamed.end()
    except BackendError as error:
        ended = streamed.end(error)
    return [piece for piece in pieces if piece], ended


def fault(*events: Any, **form: bool) -> BackendError:
    _, ended = read(*events, **form)
    assert isinstance(ended, BackendError)
    return ended


def reply(*events: Any, **form: bool) -> Reply:
    pieces, ended = read(*events, **form)
    assert isinstance(ended, Reply)
    assert ended.text.startswith("".join(pieces))
    return ended


def test_text_comes_in_pieces_and_at_the_end_whole_with_the_tokens_of_the_last_count() -> None:
    pieces, whole = read(START, PING, block("text", text=""), words("Hel"), PING, words("lo!"), closing(), stopping(), STOP)
    assert pieces == ["Hel", "lo!"]
    assert whole == Reply("Hello!", "stop", "served", Usage(100, 3, cache_read_tokens=90))


def test_a_later_count_replaces_an_earlier_one_and_what_is_null_does_not() -> None:
    last = stopping()
    last["usage"] = {"input_tokens": 11, "cache_read_input_tokens": None, "cache_creation_input_tokens": 5, "output_tokens": 7}
    said = reply(START, block("text", text=""), words("a"), stopping(None, 2), closing(), last, STOP)
    assert said.usage == Usage(106, 7, cache_read_tokens=90, cache_write_tokens=5)


@pytest.mark.parametrize("usage", [None, {}, "12", {"output_tokens": -1}, {"output_tokens": "3"}, {"output_tokens": True}])
def test_junk_for_usage_is_unknown_usage(usage: object) -> None:
    last = {**stopping(), "usage": usage}
    begun = {**START, "message": {"model": "served"}}
    assert reply(begun, words("a"), last, STOP).usage is None


def test_a_reply_without_a_last_count_has_no_invented_one() -> None:
    last = stopping()
    del last["usage"]
    assert reply(START, words("a"), last, STOP).usage is None


def test_thinking_is_no_part_of_the_text() -> None:
    pieces, whole = read(START, *thought(0), block("text", 1, text=""), words("Hi.", 1), closing(1), stopping(), STOP)
    assert (pieces, whole.text) == (["Hi."], "Hi.")


def test_text_that_stands_at_the_start_of_a_block_is_kept_and_blocks_are_joined() -> None:
    said = reply(START, block("text", text="One"), words(", two"), closing(), block("text", 1, text=", three"), stopping(), STOP)
    assert said.text == "One, two, three"


def test_a_tools_input_is_the_text_word_for_word() -> None:
    parts = [part(""), part('{"price": 1.1'), part('0, "name": "\\u00e'), part('9"}')]
    pieces, whole = read(START, tool(), *parts, closing(), stopping("tool_use"), STOP, has_tool=True)
    assert "".join(pieces) == whole.text == '{"price": 1.10, "name": "\\u00e9"}'
    assert whole.finish_reason == "stop"


def test_a_wrapped_value_comes_without_its_wrapper_while_it_streams() -> None:
    parts = [part('{"va'), part('lue": [1, '), part('{"a": "]}"}'), part("]"), part("}")]
    pieces, whole = read(START, tool(), *parts, closing(), stopping("tool_use"), STOP, has_tool=True, is_wrapped=True)
    assert pieces == ["[1, ", '{"a": "]}"}', "]"]
    assert json.loads(whole.text) == [1, {"a": "]}"}]


@pytest.mark.parametrize(
    ("wrapped", "given", "text"),
    [(False, {}, "{}"), (False, {"a": 1}, '{"a": 1}'), (True, {"value": [1]}, "[1]"), (True, {"a": 1}, '{"a": 1}')],
)
def test_an_input_that_comes_at_once_is_the_text(wrapped: bool, given: dict[str, Any], text: str) -> None:
    said = reply(START, tool(**given), part(""), closing(), stopping("tool_use"), STOP, has_tool=True, is_wrapped=wrapped)
    assert said.text == text


def test_text_beside_a_tool_is_no_part_of_the_reply_and_is_not_streamed() -> None:
    events = [START, block("text", text=""), words("Let me see."), closing(), tool(1), part('{"a": 1}', 1), closing(1)]
    pieces, whole = read(*events, stopping("tool_use"), STOP, has_tool=True)
    assert (pieces, whole.text) == (['{"a": 1}'], '{"a": 1}')


def test_text_without_a_tool_is_the_reply_though_a_tool_was_asked_for() -> None:
    said = reply(START, block("text", text=""), words('{"a"'), words(": 1}"), stopping(), STOP, has_tool=True, is_wrapped=True)
    assert said.text == '{"a": 1}'


def test_only_the_first_tool_is_the_reply() -> None:
    events = [tool(0), part('{"a"'), tool(1), part('{"b": 2}', 1), part(": 1}"), closing(0), closing(1)]
    assert reply(START, *events, stopping("tool_use"), STOP, has_tool=True).text == '{"a": 1}'


@pytest.mark.parametrize(
    ("stop", "finish"), [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("new_reason", "new_reason")]
)
def test_stop_reasons_are_told_in_our_words(stop: str, finish: str) -> None:
    assert reply(START, words("Once"), stopping(stop), STOP).finish_reason == finish


@pytest.mark.parametrize(
    ("stop", "kind", "code", "retryable"),
    [
        ("refusal", "refusal", None, False),
        ("model_context_window_exceeded", "bad_request", "context_length_exceeded", False),
        ("pause_turn", "incomplete", None, True),
    ],
)
def test_stop_reasons_that_end_no_answer_are_errors_that_keep_the_text(
    stop: str, kind: str, code: str | None, retryable: bool
) -> None:
    error = fault(START, words("I ca"), stopping(stop), STOP)
    assert (error.kind, error.code, error.retryable, error.raw) == (kind, code, retryable, "I ca")
    assert error.usage == Usage(100, 3, cache_read_tokens=90)


def test_the_reason_of_a_refusal_is_told() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "No malware."}
    assert "No malware." in str(fault(START, stopping("refusal", stop_details=details), STOP))


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        ([stopping("end_turn")], "empty"),
        ([stopping("max_tokens")], "length"),
        ([*thought(), stopping("max_tokens")], "length"),
        ([tool(), part(""), stopping("max_tokens")], "length"),
    ],
)
def test_a_reply_without_a_word_is_an_error(events: list[Any], kind: str) -> None:
    error = fault(START, *events, STOP, has_tool=True)
    assert (error.kind, error.retryable) == (kind, kind == "empty")


def test_a_stop_reason_without_the_closing_event_is_accepted_and_noted() -> None:
    said = reply(START, words("Hello!"), closing(), stopping())
    assert said.text == "Hello!"
    assert len(said.notes) == 1
    assert "closing event" in said.notes[0]
    assert not reply(START, words("Hello!"), closing(), stopping(), STOP).notes


def test_it_is_known_when_no_more_text_can_come_and_when_nothing_can() -> None:
    streamed = StreamedMessage("m-1", "here", has_tool=False, is_wrapped=False)
    seen = []
    for event in (START, words("Hello!"), stopping(None), stopping(), STOP):
        streamed.take(json.dumps(event).encode())
        seen.append((streamed.finished, streamed.closed))
    assert seen == [(False, False), (False, False), (False, False), (True, False), (True, True)]


@pytest.mark.parametrize("junk", [b"<html>", OVERLOADED, START])
def test_what_goes_wrong_after_the_stop_reason_costs_no_answer(junk: Any) -> None:
    said = reply(START, words("Hello!"), closing(), stopping(), junk)
    assert (said.text, len(said.notes)) == ("Hello!", 1)


@pytest.mark.parametrize(
    ("events", "kind", "raw"),
    [
        ([], "incomplete", None),
        ([START], "incomplete", None),
        ([START, STOP], "incomplete", None),
        ([START, words("Hel")], "incomplete", "Hel"),
        ([START, words("Hel"), closing(), STOP], "incomplete", "Hel"),
        ([START, words("Hel"), b'{"type": "content_bl'], "incomplete", "Hel"),
        ([START, words("Hel"), b"\xff"], "incomplete", "Hel"),
        ([START, words("Hel"), OVERLOADED], "incomplete", "Hel"),
        ([START, words("Hel"), {"type": "error"}], "incomplete", "Hel"),
        ([START, words("Hel"), START], "incomplete", "Hel"),
        ([START, OVERLOADED], "server", None),
        ([OVERLOADED], "server", None),
        ([b"Overloaded"], "protocol", None),
        ([b"[" * 200_000], "protocol", None),
        ([{"choices": [{"delta": {"content": "Hello"}, "finish_reason": "stop"}]}], "incomplete", None),
    ],
)
def test_a_reply_that_breaks_off_is_an_error_that_holds_what_had_come(events: list[Any], kind: str, raw: str | None) -> None:
    error = fault(*events)
    assert (error.kind, error.raw, error.retryable) == (kind, raw, True)


def test_an_error_in_the_middle_says_which_one_it_was() -> None:
    error = fault(START, words("Hel"), OVERLOADED)
    assert (error.code, error.status, error.usage) == ("overloaded_error", 529, Usage(100, 1, cache_read_tokens=90))


def test_a_reply_that_is_begun_twice_is_not_put_together_from_both() -> None:
    assert fault(START, words("Hel"), START, words("Hello!"), stopping(), STOP).kind == "incomplete"


def test_a_wrapped_value_that_the_limit_cut_is_given_as_far_as_it_came() -> None:
    said = reply(START, tool(), part('{"value": [1, 2'), stopping("max_tokens"), STOP, has_tool=True, is_wrapped=True)
    assert (said.text, said.finish_reason) == ("[1, 2", "length")


def test_a_tools_input_that_breaks_off_is_no_answer() -> None:
    error = fault(START, tool(), part('{"a": [1, 2'), has_tool=True)
    assert (error.kind, error.raw) == ("incomplete", '{"a": [1, 2')


@pytest.mark.parametrize(
    ("kind_of", "kind"), [("authentication_error", "auth"), ("billing_error", "quota"), ("rate_limit_error", "rate_limit")]
)
def test_an_error_before_the_first_word_is_of_its_own_kind(kind_of: str, kind: str) -> None:
    error = fault(START, {"type": "error", "error": {"type": kind_of, "message": "no"}})
    assert (error.kind, error.retryable) == (kind, kind == "rate_limit")


def test_a_spent_account_is_told_even_in_the_middle() -> None:
    assert fault(START, words("Hel"), {"type": "error", "error": {"type": "billing_error", "message": "no"}}).kind == "quota"


@pytest.mark.parametrize("has_tool", [False, True])
def test_a_server_that_does_not_stream_is_read_as_a_whole(has_tool: bool) -> None:
    said = [{"type": "tool_use", "name": "reply", "input": {"a": 1}}] if has_tool else [{"type": "text", "text": "Hello!"}]
    whole = {**START["message"], "content": said, "stop_reason": "end_turn"}
    assert reply(whole, has_tool=has_tool).text == ('{"a": 1}' if has_tool else "Hello!")


def test_halves_of_a_character_that_come_apart_are_put_together() -> None:
    smile = '{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "%s"}}'
    halves = [(smile % half).encode() for half in ("a\\ud83d", "\\ude00b")]
    pieces, whole = read(START, *halves, stopping(), STOP)
    assert "".join(pieces) == whole.text == "a😀b"


def test_an_endless_text_is_refused() -> None:
    assert fault(START, *[words("x" * 400_000)] * 20).kind == "too_large"
    assert fault(START, tool(), *[part("x" * 400_000)] * 20, has_tool=True).kind == "too_large"


FIELDS = ["type", "index", "delta", "text", "message", "content", "content_block", "error", "usage", "stop_reason", "input"]
KINDS = ["message_start", "content_block_start", "content_block_delta", "message_delta", "message_stop", "error"]


@given(
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["tool_use", "text", "text_delta"]),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(FIELDS),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    ),
    kind=st.sampled_from(KINDS),
    has_tool=st.booleans(),
)
def test_whatever_an_event_holds_it_is_text_or_a_typed_error(body: object, kind: str, has_tool: bool) -> None:
    events = [body, {**body, "type": kind}] if isinstance(body, dict) else [body]
    for event in events:
        streamed = StreamedMessage("m-1", "here", has_tool=has_tool, is_wrapped=has_tool)
        with contextlib.suppress(BackendError):
            assert isinstance(streamed.take(json.dumps(event).encode()), str)
        assert isinstance(streamed.end(), Reply | BackendError)
