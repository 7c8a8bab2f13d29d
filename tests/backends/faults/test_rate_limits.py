"""Too many requests: a server's wish to wait is kept, and a spent account is not asked again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_brain.errors import BackendError
from tests.backends.faults.playing import HELLO, RETRIES, Case, Played, ask, every, model_of, play_all
from tests.backends.faults.promises import check_always
from tests.servers import acts
from tests.servers.dialects import ANTHROPIC, DIALECTS, OPENAI, Dialect
from tests.servers.faulty import Act, FaultyServer

dialects = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
EARLY = 0.01
"""What two clocks may differ by, in seconds."""


def busy(**headers: object) -> Callable[[Dialect], Act]:
    return lambda dialect: dialect.fails(429, "slow down", kind="rate_limit_error", **headers)


def busy_until(seconds: float) -> Callable[[Dialect], Act]:
    """Ask for silence until a moment, which is told once the request is there."""

    def of(dialect: Dialect) -> Act:
        async def act(wire: Any) -> None:
            await busy(retry_after=acts.in_seconds(seconds))(dialect)(wire)

        return act

    return of


WAITED = {
    "seconds": (busy(retry_after="1"), 1.0),
    "parts": (busy(retry_after="0.7"), 0.7),
    "milliseconds": (busy(retry_after_ms="650"), 0.65),
    "milliseconds-before-seconds": (busy(retry_after_ms="650", retry_after="1"), 0.65),
    "date": (busy_until(0.3), 0.3),
    "zero": (busy(retry_after="0"), 0.0),
    "past": (busy(retry_after="Sun, 06 Nov 1994 08:49:37 GMT"), 0.0),
}
ABSENT = {
    name: busy(retry_after=said)
    for name, said in {
        "junk": "soon",
        "negative": "-5",
        "nan": "NaN",
        "infinite": "inf",
        "empty": "",
        "hex": "0x10",
        "list": "1, 2",
        "no-date": "Tue, 99 Foo 2020 99:99:99 GMT",
        "year-0": "Tue, 01 Jan 0000 00:00:00 GMT",
    }.items()
} | {"nothing": busy(), "junk-ms": busy(retry_after_ms="NaN")}

PASSING = [Case(name, act, "rate_limit", status=429, deadline=4.0) for name, (act, _) in WAITED.items()]
IGNORED = [Case(name, act, "rate_limit", status=429, words="slow down") for name, act in ABSENT.items()]
PAGES = [Case("page", lambda _: acts.page(429), "rate_limit", status=429, words="HTML")]
SPENT = [
    Case(
        "insufficient",
        lambda dialect: dialect.fails(
            429, "You exceeded your current quota", kind="insufficient_quota", code="insufficient_quota"
        ),
        "quota",
        1,
        429,
        "You exceeded your current quota",
        dialects=(OPENAI,),
    ),
    Case(
        "insufficient-with-retry-after",
        lambda dialect: dialect.fails(429, "no money", kind="insufficient_quota", code="insufficient_quota", retry_after="1"),
        "quota",
        1,
        429,
        "no money",
        dialects=(OPENAI,),
    ),
    Case("402", lambda dialect: dialect.fails(402, "pay first", kind="billing_error"), "quota", 1, 402, "pay first"),
    Case(
        "credit",
        lambda dialect: dialect.fails(400, "Your credit balance is too low to access the API", kind="invalid_request_error"),
        "quota",
        1,
        400,
        "credit balance",
        dialects=(ANTHROPIC,),
    ),
]


@pytest.fixture(scope="module")
def passed(server: FaultyServer, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play_all(server, PASSING, tmp_path_factory.mktemp("passed"), then_well=True)


@pytest.fixture(scope="module")
def told(server: FaultyServer, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play_all(server, [*IGNORED, *PAGES, *SPENT], tmp_path_factory.mktemp("told"))


@pytest.mark.parametrize("name", every(PASSING))
def test_a_wish_to_wait_is_kept(passed: Played, name: str) -> None:
    least = WAITED[every(PASSING)[name][0].name][1]
    outcome = passed.of(name)
    check_always(outcome)
    assert outcome.answer.text == "Hello!"
    first, second = outcome.requests
    assert first.answered is not None
    assert second.time - first.answered >= least - EARLY
    assert [attempt.kind for attempt in outcome.answer.failed] == ["rate_limit"]


@pytest.mark.parametrize("name", every([*IGNORED, *PAGES]))
def test_a_wish_that_is_none_counts_as_absent(told: Played, name: str) -> None:
    outcome = told.of(name)
    check_always(outcome)
    fault = outcome.fault
    assert (fault.kind, fault.retryable, fault.status, fault.retry_after) == ("rate_limit", True, 429, None)
    assert len(outcome.requests) == 1 + RETRIES


@pytest.mark.parametrize("name", every(SPENT))
def test_a_spent_account_is_told_at_once(told: Played, name: str) -> None:
    outcome = told.of(name)
    check_always(outcome)
    fault = outcome.fault
    assert (fault.kind, fault.retryable, len(outcome.requests)) == ("quota", False, 1)
    assert every(SPENT)[name][0].words in str(fault)


@dialects
@pytest.mark.parametrize("mode", ["json", "streamed"])
@pytest.mark.parametrize("headers", [{"retry_after": "3600"}, {"retry_after_ms": "3600000"}, {"retry_after": "1000000000"}])
def test_a_wish_beyond_the_deadline_is_told_at_once(
    server: FaultyServer, tmp_path: Path, dialect: Dialect, mode: Any, headers: dict[str, object]
) -> None:
    outcome = ask(server.stage(busy(**headers)(dialect)), dialect, mode, tmp_path, deadline=5.0)
    check_always(outcome)
    assert (outcome.fault.kind, outcome.fault.retryable, len(outcome.requests)) == ("rate_limit", True, 1)
    assert outcome.fault.retry_after == pytest.approx(1e9 if headers.get("retry_after") == "1000000000" else 3600.0)
    assert outcome.seconds < 2.0


@dialects
def test_a_call_that_comes_into_a_long_silence_is_told_so_without_a_request(server: FaultyServer, dialect: Dialect) -> None:
    stage = server.stage(busy(retry_after="3600")(dialect), dialect.says())
    first, second = model_of(dialect, stage.url), model_of(dialect, stage.url)
    for model in (first, second):
        with pytest.raises(BackendError) as caught:
            model.chat_completion(HELLO)
        assert caught.value.kind == "rate_limit"
        assert caught.value.retry_after == pytest.approx(3600, abs=10)
    assert len(stage.requests) == 1
