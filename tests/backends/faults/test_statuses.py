"""An answer that is no success: its status says what kind of fault it is, and whether it is worth asking again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.backends.faults.playing import RETRIES, Case, Played, every, play_all
from tests.backends.faults.promises import check_always
from tests.servers import acts
from tests.servers.dialects import ANTHROPIC, OPENAI, Dialect
from tests.servers.faulty import Act, FaultyServer

TOLD = "it went wrong (reference 4711)"


def fails(status: int, told: str = TOLD, **more: Any) -> Callable[[Dialect], Act]:
    return lambda dialect: dialect.fails(status, told, **more)


def answers(status: int, body: object, **headers: object) -> Callable[[Dialect], Act]:
    return lambda _: acts.answers(body, status, **headers)


FINAL = [
    *(Case(f"{status}", fails(status), "bad_request", 1, status, TOLD) for status in (400, 413, 418, 422)),
    *(Case(f"{status}", fails(status), "auth", 1, status, TOLD) for status in (401, 403)),
    Case("404", fails(404), "not_found", 1, 404, TOLD),
    Case("page-400", lambda _: acts.page(400), "bad_request", 1, 400, "HTML"),
    Case("page-401", lambda _: acts.page(401), "auth", 1, 401, "HTML"),
    Case("page-404", lambda _: acts.page(404), "not_found", 1, 404, "HTML"),
    Case("400-ollama", answers(400, {"error": TOLD}), "bad_request", 1, 400, TOLD),
    Case("400-fastchat", answers(400, {"object": "error", "message": TOLD, "code": 40303}), "bad_request", 1, 400, TOLD),
    Case("422-fastapi", answers(422, {"detail": [{"loc": ["body"], "msg": TOLD}]}), "bad_request", 1, 422, TOLD),
    Case("401-empty", answers(401, b""), "auth", 1, 401),
    Case("400-binary", answers(400, b"\xff\xfe\x00\x01" * 99), "bad_request", 1, 400),
    Case("400-null", answers(400, {"error": None}), "bad_request", 1, 400),
    Case("400-list", answers(400, [[[1]]]), "bad_request", 1, 400),
    Case("400-deep", answers(400, b'{"error": ' + b"[" * 100_000), "bad_request", 1, 400),
    Case("400-number", answers(400, {"error": {"message": 4711, "code": {"a": 1}, "type": []}}), "bad_request", 1, 400, "4711"),
]
PASSING = [
    *(Case(f"{status}", fails(status), "server", status=status, words=TOLD) for status in (408, 409, 500, 502, 503, 504, 529)),
    Case("520", fails(520), "server", status=520, words=TOLD),
    Case("page-502", lambda _: acts.page(502), "server", status=502, words="HTML"),
    Case("page-503-as-json", lambda _: acts.answers(acts.PAGE, 503), "server", status=503, words="HTML"),
    Case("500-empty", answers(500, b""), "server", status=500),
    Case("500-binary", answers(500, b"\xff\xfe\x00\x01" * 99), "server", status=500),
    Case("500-deep", answers(500, b"[" * 100_000), "server", status=500),
    Case("503-retry-after", fails(503, retry_after="0.3"), "server", status=503, words=TOLD),
    Case("overloaded", fails(529, kind="overloaded_error"), "server", status=529, words=TOLD, dialects=(ANTHROPIC,)),
]


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
def test_a_refusal_is_told_at_once(final: Played, name: str) -> None:
    case, _, _ = every(FINAL)[name]
    outcome = final.of(name)
    check_always(outcome)
    fault = outcome.fault
    assert (fault.kind, fault.retryable, fault.status) == (case.kinds, False, case.status)
    assert case.words in str(fault)
    assert "<p>" not in str(fault)
    assert len(outcome.requests) == 1
    assert not fault.attempts[0].perhaps_billed


@pytest.mark.parametrize("name", every(PASSING))
def test_a_fault_of_the_server_is_tried_again_and_then_told(passing: Played, name: str) -> None:
    case, _, _ = every(PASSING)[name]
    outcome = passing.of(name)
    check_always(outcome)
    fault = outcome.fault
    assert (fault.kind, fault.retryable, fault.status) == ("server", True, case.status)
    assert case.words in str(fault)
    assert "<p>" not in str(fault)
    assert len(outcome.requests) == 1 + RETRIES
    assert [(attempt.kind, attempt.status) for attempt in fault.attempts] == [("server", case.status)] * 3


@pytest.mark.parametrize("name", every(PASSING))
def test_a_fault_that_passes_costs_no_answer(passed: Played, name: str) -> None:
    case, _, _ = every(PASSING)[name]
    outcome = passed.of(name)
    check_always(outcome)
    assert outcome.answer.text == "Hello!"
    assert [(attempt.kind, attempt.status) for attempt in outcome.answer.failed] == [("server", case.status)]
    assert outcome.is_cached


@pytest.mark.parametrize("name", [name for name in every(FINAL) if name.startswith("404")])
def test_what_is_not_found_names_model_and_address(final: Played, name: str) -> None:
    told = str(final.of(name).fault)
    assert "'m-1'" in told
    assert "http://127.0.0.1:" in told


TOO_LONG = [
    Case("openai", fails(400, code="context_length_exceeded"), "bad_request", 1, 400, dialects=(OPENAI,)),
    Case(
        "vllm",
        answers(400, {"object": "error", "message": "This model's maximum context length is 4096 tokens. However, you ..."}),
        "bad_request",
        1,
        400,
        "4096",
        dialects=(OPENAI,),
    ),
    Case(
        "llama.cpp",
        answers(400, {"error": {"code": 400, "message": "the request exceeds it", "type": "exceed_context_size_error"}}),
        "bad_request",
        1,
        400,
        dialects=(OPENAI,),
    ),
    Case(
        "anthropic",
        fails(400, "prompt is too long: 210000 tokens > 200000 maximum", kind="invalid_request_error"),
        "bad_request",
        1,
        400,
        "210000",
        dialects=(ANTHROPIC,),
    ),
]


@pytest.fixture(scope="module")
def too_long(server: FaultyServer, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play_all(server, TOO_LONG, tmp_path_factory.mktemp("long"))


@pytest.mark.parametrize("name", every(TOO_LONG))
def test_a_prompt_that_is_too_long_has_one_code_whoever_says_so(too_long: Played, name: str) -> None:
    outcome = too_long.of(name)
    check_always(outcome)
    assert (outcome.fault.kind, outcome.fault.code) == ("bad_request", "context_length_exceeded")
    assert every(TOO_LONG)[name][0].words in str(outcome.fault)
    assert len(outcome.requests) == 1
