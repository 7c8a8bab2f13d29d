"""Answers with status 200 that hold no reply: none is made out of what is none."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from llm_brain.attempts import FaultKind
from llm_brain.backends import Usage
from tests.backends.faults.playing import MODES, RETRIES, USAGE, Case, Mode, Played, ask, every, play_all
from tests.backends.faults.promises import check_always
from tests.servers import acts
from tests.servers.dialects import ANTHROPIC, DIALECTS, OPENAI, Dialect
from tests.servers.faulty import Act, FaultyServer

dialects = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
modes = pytest.mark.parametrize("mode", ["json", "streamed"])


def answers(body: object, **headers: object) -> Callable[[Dialect], Act]:
    return lambda _: acts.answers(body, **headers)


def whole(body: dict[str, Any], *events: bytes) -> Callable[[Dialect], Act]:
    """Answer with this JSON, or to who asked for a stream with these events."""
    return lambda dialect: dialect.either(acts.answers(body), acts.streams(*events))


ERRORS: list[tuple[str, object, FaultKind, int, int]] = [
    ("429", {"message": "slow down", "code": 429}, "rate_limit", 429, 3),
    ("503", {"message": "no room", "code": "503"}, "server", 503, 3),
    ("401", {"message": "who are you", "code": 401}, "auth", 401, 1),
    ("400", {"message": "what is this", "code": 400}, "bad_request", 400, 1),
    ("status", {"message": "no room", "status": 502}, "server", 502, 3),
    ("quota", {"message": "no money", "type": "insufficient_quota", "code": 429}, "quota", 429, 1),
    ("in-words-quota", {"message": "no money", "type": "insufficient_quota", "code": "insufficient_quota"}, "quota", 429, 1),
    ("in-words-rate", {"message": "slow down", "type": "tokens", "code": "rate_limit_exceeded"}, "rate_limit", 429, 3),
    ("in-words-key", {"message": "who", "type": "invalid_request_error", "code": "invalid_api_key"}, "auth", 401, 1),
    ("in-words-model", {"message": "what", "type": "invalid_request_error", "code": "model_not_found"}, "not_found", 404, 1),
    ("in-words-length", {"message": "much", "type": "", "code": "context_length_exceeded"}, "bad_request", 400, 1),
    ("in-words-server", {"message": "oh", "type": "server_error", "code": None}, "server", 500, 3),
]
TYPES: list[tuple[str, FaultKind, int, int]] = [
    ("overloaded_error", "server", 529, 3),
    ("api_error", "server", 500, 3),
    ("rate_limit_error", "rate_limit", 429, 3),
    ("authentication_error", "auth", 401, 1),
    ("permission_error", "auth", 403, 1),
    ("billing_error", "quota", 402, 1),
    ("invalid_request_error", "bad_request", 400, 1),
]
IN_BODY = [
    *(
        Case(f"error-{name}", answers({"error": told}), kind, sent, status, dialects=(OPENAI,))
        for name, told, kind, status, sent in ERRORS
    ),
    *(
        Case(name, answers(ANTHROPIC.error("no", kind=name)), kind, sent, status, "no", dialects=(ANTHROPIC,))
        for name, kind, status, sent in TYPES
    ),
    Case(
        "error-fastchat",
        answers({"object": "error", "message": "the model died", "code": 50001}),
        {"server", "protocol"},
        words="the model died",
        dialects=(OPENAI,),
    ),
    Case("error-text", answers({"error": "out of memory"}), "server", words="out of memory"),
]
NO_JSON = [
    Case("empty-body", answers(b""), "protocol", streamed=("protocol", "empty", "incomplete")),
    Case("spaces", answers(b" \n "), "protocol"),
    Case("html", lambda _: acts.page(200), "protocol", words="HTML"),
    Case("html-as-json", answers(acts.PAGE), "protocol", words="HTML"),
    Case("text", answers(b"Hello!", content_type="text/plain"), "protocol"),
    Case("null", answers(b"null"), "protocol"),
    Case("list", answers([]), "protocol"),
    Case("list-of-replies", lambda dialect: acts.answers([dialect.body()]), "protocol"),
    Case("string", answers("Hello!"), "protocol"),
    Case("number", answers(4711), "protocol"),
    Case("true", answers(b"true"), "protocol"),
    Case("other-object", answers({"text": "Hello!"}), "protocol", streamed=("protocol", "incomplete")),
    Case("deep", answers(b"[" * 100_000), "protocol"),
    Case("deep-object", answers(b'{"choices": ' + b'{"a":' * 50_000), "protocol"),
    Case(
        "latin-1", lambda dialect: acts.answers(json.dumps(dialect.body("é"), ensure_ascii=False).encode("latin-1")), "protocol"
    ),
    Case("two", lambda dialect: acts.answers(json.dumps(dialect.body()).encode() * 2), "protocol"),
    Case("cut-json", lambda dialect: acts.answers(json.dumps(dialect.body()).encode()[:-9]), "protocol"),
    Case("cut-in-half", lambda dialect: acts.answers(json.dumps(dialect.body()).encode()[:60]), "protocol"),
    Case("long-number", answers(b'{"choices": ' + b"9" * 5000 + b"}"), "protocol", streamed=("protocol", "incomplete")),
    Case(
        "204", lambda _: acts.sends(b"HTTP/1.1 204 No Content\r\n\r\n"), "protocol", streamed=("protocol", "empty", "incomplete")
    ),
]
UNREADABLE: tuple[FaultKind, ...] = ("protocol", "incomplete")
WITHOUT_TEXT: tuple[FaultKind, ...] = ("empty", "incomplete")


def choices(name: str, given: object, modes: Sequence[Mode] = MODES) -> Case:
    body = answers(OPENAI.body(choices=given))
    return Case(f"choices-{name}", body, "protocol", usage=USAGE, streamed=UNREADABLE, dialects=(OPENAI,), modes=modes)


def blocks(name: str, given: object) -> Case:
    body = answers({**ANTHROPIC.body(), "content": given})
    return Case(f"blocks-{name}", body, {"protocol", "empty"}, usage=USAGE, dialects=(ANTHROPIC,), modes=("json",))


SHAPES = [
    choices("number", 7),
    choices("text", "Hello!"),
    choices("object", {"0": "Hello!"}),
    choices("null-inside", [None]),
    choices("text-inside", ["Hello!"]),
    choices("message-text", [{"message": "Hello!", "finish_reason": "stop"}], ("json",)),
    blocks("number", 7),
    blocks("text", "Hello!"),
    blocks("object", {"text": "Hello!"}),
    blocks("null-inside", [None]),
    blocks("text-inside", ["Hello!"]),
    blocks("other-kind", [{"type": "hologram", "light": "Hello!"}]),
    *(
        Case(f"text-{json.dumps(odd)}", lambda dialect, odd=odd: dialect.says(odd), "protocol", usage=USAGE, modes=("json",))
        for odd in (42, {"text": "Hello!"}, True)
    ),
]


def no_text(name: str, act: Callable[[Dialect], Act], usage: Usage | None = USAGE, *dialects: Dialect) -> Case:
    return Case(name, act, "empty", usage=usage, streamed=WITHOUT_TEXT, dialects=dialects or DIALECTS)


MUTE = [{"message": None, "finish_reason": "stop"}]
EMPTY = [
    no_text("no-choices", answers(OPENAI.body(choices=[])), USAGE, OPENAI),
    no_text("choices-null", answers(OPENAI.body(choices=None)), USAGE, OPENAI),
    Case("message-null", answers(OPENAI.body(choices=MUTE)), "empty", usage=USAGE, dialects=(OPENAI,), modes=("json",)),
    no_text("content-missing", answers(OPENAI.body(choices=[{"message": {"role": "assistant"}}])), USAGE, OPENAI),
    no_text("content-null", lambda dialect: dialect.says(None), USAGE, OPENAI),
    no_text("content-empty", lambda dialect: dialect.says("")),
    no_text("no-blocks", whole({**ANTHROPIC.body(), "content": []}, *ANTHROPIC.events()), USAGE, ANTHROPIC),
    no_text("no-usage", lambda dialect: dialect.says("", usage=...), None),
]
REFUSED = [
    Case("refusal", lambda dialect: dialect.says("I cannot do that.", end="refusal"), "refusal", 1, usage=USAGE),
    Case(
        "filter",
        lambda dialect: dialect.says("I was going to say", end="filter"),
        "content_filter",
        1,
        usage=USAGE,
        dialects=(OPENAI,),
    ),
    Case("filter-empty", lambda dialect: dialect.says(None, end="filter"), "content_filter", 1, usage=USAGE, dialects=(OPENAI,)),
    Case(
        "filter-400",
        lambda dialect: dialect.fails(400, "The prompt was held back", code="content_filter"),
        "content_filter",
        1,
        400,
        "The prompt was held back",
        dialects=(OPENAI,),
    ),
    Case(
        "filter-400",
        lambda dialect: dialect.fails(400, "Output blocked by content filtering policy", kind="invalid_request_error"),
        "content_filter",
        1,
        400,
        "Output blocked by content filtering policy",
        dialects=(ANTHROPIC,),
    ),
    Case("length-empty", lambda dialect: dialect.says("", end="length"), "length", 1, usage=USAGE),
]
FINAL = [case for case in [*IN_BODY, *REFUSED] if case.sent == 1]
PASSING = [case for case in [*IN_BODY, *NO_JSON, *SHAPES, *EMPTY] if case.sent > 1]


@pytest.fixture(scope="module")
def final(server: FaultyServer, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play_all(server, FINAL, tmp_path_factory.mktemp("final"))


@pytest.fixture(scope="module")
def passing(server: FaultyServer, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play_all(server, PASSING, tmp_path_factory.mktemp("passing"))


@pytest.fixture(scope="module")
def passed(server: FaultyServer, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play_all(server, PASSING, tmp_path_factory.mktemp("passed"), then_well=True)


@pytest.mark.parametrize("name", every(FINAL))
def test_what_asking_again_would_not_change_is_told_at_once(final: Played, name: str) -> None:
    case, _, mode = every(FINAL)[name]
    outcome = final.of(name)
    check_always(outcome)
    fault = outcome.fault
    assert fault.kind in case.allowed(mode)
    assert (fault.retryable, fault.usage, len(outcome.requests)) == (False, case.usage, 1)
    assert case.words in str(fault)
    if case.status is not None:
        assert fault.status == case.status


@pytest.mark.parametrize("name", every(PASSING))
def test_what_may_be_better_next_time_is_tried_again_and_then_told(passing: Played, name: str) -> None:
    case, _, mode = every(PASSING)[name]
    outcome = passing.of(name)
    check_always(outcome)
    fault = outcome.fault
    assert fault.kind in case.allowed(mode)
    assert (fault.retryable, len(outcome.requests)) == (True, 1 + RETRIES)
    assert case.words in str(fault)
    assert "<p>" not in str(fault)
    assert [attempt.usage for attempt in fault.attempts] == [case.usage] * 3
    if case.status is not None:
        assert {attempt.status for attempt in fault.attempts} == {case.status}


@pytest.mark.parametrize("name", every(PASSING))
def test_an_odd_answer_that_a_good_one_follows_costs_none(passed: Played, name: str) -> None:
    case, _, mode = every(PASSING)[name]
    outcome = passed.of(name)
    check_always(outcome)
    assert outcome.answer.text == "Hello!"
    assert [attempt.kind in case.allowed(mode) for attempt in outcome.answer.failed] == [True]
    assert outcome.answer.usage == (USAGE if case.usage is None else USAGE + case.usage)


@pytest.mark.parametrize("name", [name for name in every(FINAL) if name.startswith(("refusal", "filter-openai"))])
def test_what_a_model_said_instead_of_an_answer_is_kept(final: Played, name: str) -> None:
    said = "I cannot do that." if name.startswith("refusal") else "I was going to say"
    assert final.of(name).fault.raw == said


@dialects
@modes
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_told_and_not_followed(
    server: FaultyServer, tmp_path: Path, dialect: Dialect, mode: Any, status: int
) -> None:
    elsewhere = server.stage(dialect.says("I am somebody else."))
    stage = server.stage(acts.redirects(f"{elsewhere.url}/v1/chat/completions", status))
    outcome = ask(stage, dialect, mode, tmp_path)
    check_always(outcome)
    assert (outcome.fault.status, outcome.fault.retryable, len(outcome.requests)) == (status, False, 1)
    assert elsewhere.connections == 0


@dialects
@modes
def test_a_redirect_to_itself_is_not_followed_either(server: FaultyServer, tmp_path: Path, dialect: Dialect, mode: Any) -> None:
    stage = server.stage(acts.redirects("/v1/elsewhere", 307), dialect.says())
    outcome = ask(stage, dialect, mode, tmp_path)
    check_always(outcome)
    assert outcome.fault.status == 307
    assert len(outcome.requests) == 1
