"""What Anthropic's API answers: a reply is read to the letter, and every fault is one typed error."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.backends import Reply, Usage
from llm_brain.backends.anthropic.faults import anthropic_fault, fault_in_reply
from llm_brain.backends.anthropic.reply import read_reply, usage_of
from llm_brain.backends.hosted.http import Answer
from llm_brain.errors import BackendError

DEEP = "[" * 100_000 + "]" * 100_000
PAGE = b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>"


def text(said: object) -> dict[str, object]:
    return {"type": "text", "text": said}


def tool(given: object, name: str = "reply") -> dict[str, object]:
    return {"type": "tool_use", "id": "toolu_1", "name": name, "input": given}


def message(*blocks: object, stop: object = "end_turn", **more: object) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "served",
        "content": list(blocks),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 12, "output_tokens": 3},
        **more,
    }


def read(body: object, *, has_tool: bool = False, is_wrapped: bool = False) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_reply(content, model="m-1", base_url="http://here", has_tool=has_tool, is_wrapped=is_wrapped)


def fault(body: object, **form: bool) -> BackendError:
    with pytest.raises(BackendError) as caught:
        read(body, **form)
    return caught.value


def refused(status: int, body: object) -> BackendError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return anthropic_fault(Answer(status, content, {}), model="m-1", base_url="http://here")


def error(kind: str, words: str = "no", **details: str) -> dict[str, Any]:
    told = {"type": kind, "message": words, **({"details": details} if details else {})}
    return {"type": "error", "error": told, "request_id": "req_1"}


def test_a_good_reply_is_read() -> None:
    assert read(message(text("Hello!"))) == Reply("Hello!", "stop", "served", Usage(12, 3))


def test_texts_are_joined_and_thinking_is_left_out() -> None:
    thinking = [{"type": "thinking", "thinking": "Hmm.", "signature": "Eq"}, {"type": "redacted_thinking", "data": "Em"}]
    assert read(message(*thinking, text("One"), {"type": "new_kind", "text": 7}, text(", two"))).text == "One, two"


def test_the_tokens_of_the_cache_are_counted_as_input() -> None:
    usage = {"input_tokens": 1, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 300, "output_tokens": 4}
    assert read(message(text("a"), usage=usage)).usage == Usage(321, 4, cache_read_tokens=20, cache_write_tokens=300)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        [],
        "12",
        {"input_tokens": 1},
        {"input_tokens": "1", "output_tokens": -3},
        {"input_tokens": True, "output_tokens": 1},
        {"input_tokens": 1.5, "output_tokens": 1},
        {"input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": -1},
    ],
)
def test_junk_for_usage_is_unknown_usage(usage: object) -> None:
    assert usage_of(usage) is None
    assert read(message(text("a"), usage=usage)).usage is None


def test_what_was_not_cached_may_be_null() -> None:
    kept = {"cache_read_input_tokens": None, "cache_creation_input_tokens": None}
    assert usage_of({"input_tokens": 1, "output_tokens": 2, **kept}) == Usage(1, 2)


def test_a_tools_input_is_the_text() -> None:
    assert json.loads(read(message(tool({"a": "é\n"}), stop="tool_use"), has_tool=True).text) == {"a": "é\n"}


def test_text_beside_a_tool_is_no_part_of_the_reply() -> None:
    assert read(message(text("Let me see."), tool({"a": 1}), tool({"b": 2}), stop="tool_use"), has_tool=True).text == '{"a": 1}'


def test_text_without_a_tool_is_the_reply_though_a_tool_was_asked_for() -> None:
    assert read(message(text('{"a": 1}')), has_tool=True, is_wrapped=True).text == '{"a": 1}'


def test_a_tool_that_nobody_asked_for_is_no_reply() -> None:
    assert fault(message(tool({"a": 1}), stop="tool_use")).kind == "empty"


def test_a_wrapped_value_comes_without_its_wrapper() -> None:
    said = read(message(tool({"value": [1, {"value": 2}]}), stop="tool_use"), has_tool=True, is_wrapped=True)
    assert json.loads(said.text) == [1, {"value": 2}]


def test_an_object_that_should_have_been_wrapped_is_left_to_whoever_validates_it() -> None:
    assert read(message(tool({"a": 1}), stop="tool_use"), has_tool=True, is_wrapped=True).text == '{"a": 1}'


@pytest.mark.parametrize(
    "odd",
    ["1.10", "0.1000000000000000055511151231257827", "1e400", "NaN", "-Infinity", "9" * 5000, DEEP, '"\\ud800"', '"\\u0000"'],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_what_is_odd_about_a_tools_input_stays_visible(odd: str, wrapped: bool) -> None:
    given = f'{{"value": {odd}}}'
    body = json.dumps(message(tool("HERE"), stop="tool_use")).replace('"HERE"', given)
    assert read(body.encode(), has_tool=True, is_wrapped=wrapped).text == (odd if wrapped else given)


def test_half_a_character_in_a_body_is_left_to_whoever_validates_it() -> None:
    body = json.dumps(message(tool({"a": "\ud800"}), stop="tool_use"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    assert read(body, has_tool=True).text == '{"a": "\ud800"}'


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("tool_use", "stop"),
        ("max_tokens", "length"),
        ("new_reason", "new_reason"),
        (None, "unknown"),
        (7, "unknown"),
    ],
)
def test_stop_reasons_are_told_in_our_words(stop: object, finish: str) -> None:
    assert read(message(text("Once"), stop=stop)).finish_reason == finish


@pytest.mark.parametrize(
    ("stop", "kind", "code", "retryable"),
    [
        ("refusal", "refusal", None, False),
        ("model_context_window_exceeded", "bad_request", "context_length_exceeded", False),
        ("pause_turn", "incomplete", None, True),
    ],
)
def test_stop_reasons_that_end_no_answer_are_errors_that_keep_text_and_tokens(
    stop: str, kind: str, code: str | None, retryable: bool
) -> None:
    caught = fault(message(text("I ca"), stop=stop))
    assert (caught.kind, caught.code, caught.retryable, caught.raw) == (kind, code, retryable, "I ca")
    assert caught.usage == Usage(12, 3)


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ({"type": "refusal", "category": "cyber", "explanation": "No malware."}, "No malware."),
        ({"type": "refusal", "category": "bio", "explanation": None}, "bio"),
        (None, "no reason"),
        ([], "no reason"),
    ],
)
def test_the_reason_of_a_refusal_is_told(details: object, words: str) -> None:
    caught = fault(message(stop="refusal", stop_details=details))
    assert words in str(caught)
    assert caught.raw is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (message(), "empty"),
        (message() | {"content": None}, "empty"),
        (message(text("")), "empty"),
        (message(stop="max_tokens"), "length"),
        (message({"type": "thinking", "thinking": "Hmm."}, stop="max_tokens"), "length"),
        (message(tool({}), stop="max_tokens"), "length"),
    ],
)
def test_a_reply_without_a_word_is_an_error(body: object, kind: str) -> None:
    caught = fault(body, has_tool=True)
    assert (caught.kind, caught.retryable, caught.usage) == (kind, kind == "empty", Usage(12, 3))


def test_an_object_without_fields_can_be_an_answer() -> None:
    assert read(message(tool({}), stop="tool_use"), has_tool=True).text == "{}"


@pytest.mark.parametrize("has_tool", [False, True])
@pytest.mark.parametrize(
    "body",
    [
        PAGE,
        b"",
        b'{"content": [',
        b'{"content": [{"type": "tool_use", "input": {"a": "',
        DEEP.encode(),
        b"\xff\xfe",
        b"null",
        [],
        {"ok": True},
        {"choices": [{"message": {"content": "Hello!"}}]},
        message(stop="end_turn") | {"content": "Hello!"},
        message(None),
        message("Hello!"),
        message(text(None)),
        message(text(["Hello!"])),
    ],
)
def test_what_is_no_message_is_a_protocol_error(body: object, has_tool: bool) -> None:
    caught = fault(body, has_tool=has_tool)
    assert (caught.kind, caught.retryable) == ("protocol", True)
    assert len(str(caught)) < 1000


CREDIT = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."
SPENDING = "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."
TOO_LONG = "prompt is too long: 209353 tokens > 199999 maximum"
NO_ROOM = "input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, decrease input length or `max_tokens`"
SPEND_LIMIT = "enforced_spend_limit_reached"
LIMIT = "This request would exceed your organization's rate limit of 50 requests per minute"


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable", "code"),
    [
        (400, error("invalid_request_error", "messages: at least one"), "bad_request", False, "invalid_request_error"),
        (400, error("invalid_request_error", TOO_LONG), "bad_request", False, "context_length_exceeded"),
        (400, error("invalid_request_error", NO_ROOM), "bad_request", False, "context_length_exceeded"),
        (400, error("invalid_request_error", CREDIT), "quota", False, "invalid_request_error"),
        (400, error("invalid_request_error", SPENDING), "quota", False, "invalid_request_error"),
        (400, error("invalid_request_error", error_code="organization_on_hold"), "auth", False, "organization_on_hold"),
        (401, error("authentication_error", "invalid x-api-key"), "auth", False, "authentication_error"),
        (402, error("billing_error"), "quota", False, "billing_error"),
        (403, error("permission_error"), "auth", False, "permission_error"),
        (404, error("not_found_error", "model: m-1"), "not_found", False, "not_found_error"),
        (409, error("conflict_error"), "server", True, "conflict_error"),
        (413, error("request_too_large"), "bad_request", False, "request_too_large"),
        (429, error("rate_limit_error", LIMIT), "rate_limit", True, "rate_limit_error"),
        (429, error("rate_limit_error", error_code="ramp_limit_exceeded"), "rate_limit", True, "ramp_limit_exceeded"),
        (
            429,
            error("rate_limit_error", error_code="enforced_spend_limit_reached"),
            "quota",
            False,
            "enforced_spend_limit_reached",
        ),
        (500, error("api_error"), "server", True, "api_error"),
        (504, error("timeout_error"), "server", True, "timeout_error"),
        (529, error("overloaded_error", "Overloaded"), "server", True, "overloaded_error"),
    ],
)
def test_an_error_is_of_one_kind_whether_its_status_says_so_or_its_body_alone(
    status: int, body: dict[str, Any], kind: str, retryable: bool, code: str
) -> None:
    inside = fault_in_reply(body["error"], model="m-1", base_url="http://here")
    for caught in (refused(status, body), inside, fault(body), fault(body, has_tool=True)):
        assert (caught.kind, caught.retryable, caught.code, caught.status) == (kind, retryable, code, status)
        assert body["error"]["message"][:300] in str(caught)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (502, PAGE, "server"),
        (503, b"", "server"),
        (529, [1], "server"),
        (529, error("billing_error"), "server"),
        (500, {"error": "broken"}, "server"),
        (400, {"error": {"type": 7, "message": ["x"], "details": "no"}}, "bad_request"),
        (429, PAGE, "rate_limit"),
        (404, PAGE, "not_found"),
        (307, b"", "protocol"),
    ],
)
def test_an_error_that_is_not_in_the_apis_words_goes_by_its_status(status: int, body: object, kind: str) -> None:
    assert refused(status, body).kind == kind


@pytest.mark.parametrize("body", [{"error": "broken"}, {"error": {"type": "new_error"}}, {"error": [1]}, {"error": {"type": []}}])
def test_an_unknown_error_inside_a_success_is_the_servers(body: object) -> None:
    assert fault(body).kind == "server"


FIELDS = ["type", "text", "content", "input", "usage", "stop_reason", "stop_details", "error", "input_tokens", "output_tokens"]


@given(
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["tool_use", "text", "end_turn"]),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
        max_leaves=10,
    ),
    has_tool=st.booleans(),
)
def test_whatever_a_body_holds_it_is_a_reply_or_a_typed_error(body: object, has_tool: bool) -> None:
    for whole in (body, {"content": body}, message(body)):
        with contextlib.suppress(BackendError):
            assert read(whole, has_tool=has_tool, is_wrapped=has_tool).text
