"""Too many requests: a server's wish to wait is kept by all who ask there, and a spent account is not asked again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from llm_brain.backends import Message, Reply, Request
from llm_brain.backends.limits import Limits
from llm_brain.errors import BackendError
from tests.backends.faults.playing import HELLO, RETRIES, Case, Played, ask, check_always, every, model_of, play_all
from tests.servers import acts
from tests.servers.dialects import ANTHROPIC, DIALECTS, OPENAI, Dialect
from tests.servers.faulty import Act, FaultyServer, Seen, Stage

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


def questions(count: int) -> list[Request]:
    return [Request((Message("user", f"Hello {number}?"),)) for number in range(count)]


@dialects
def test_all_workers_are_silent_as_long_as_one_of_them_is_asked_to_be(server: FaultyServer, dialect: Dialect) -> None:
    silence = 1.0
    well = acts.later(dialect.says(), 0.05)
    refused: list[Seen] = []
    asked = threading.Lock()
    stage = server.stage()

    def choose(seen: Seen) -> Act:
        with asked:
            if len(stage.requests) == 20:
                refused.append(seen)
                return busy(retry_after=str(silence))(dialect)
        return well

    stage.decides(choose)
    models = [model_of(dialect, stage.url, timeout=30.0) for _ in range(2)]
    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(lambda pair: models[pair[0] % 2].chat_completion(pair[1]), enumerate(questions(200))))
    assert [reply.text for reply in told] == ["Hello!"] * 200
    assert sum(len(reply.failed) for reply in told) == 1
    assert len(stage.requests) == 201
    (refusal,) = refused
    assert refusal.answered is not None
    # What was on its way already when the refusal came cannot be held back.
    late = [seen.time - refusal.answered for seen in stage.requests if seen.time > refusal.answered + 0.3]
    assert late
    assert min(late) >= silence - EARLY


@dialects
def test_a_refusal_leaves_fewer_in_flight(server: FaultyServer, dialect: Dialect) -> None:
    well = acts.later(dialect.says(), 0.1)
    stage = server.stage(*[well] * 15, busy(retry_after="0.3")(dialect), well)
    model = model_of(dialect, stage.url, timeout=60.0)
    with ThreadPoolExecutor(16) as pool:
        for reply in pool.map(model.chat_completion, questions(16)):
            assert reply.text == "Hello!"
        assert stage.most_in_flight > 10
        stage.most_in_flight = 0
        for reply in pool.map(model.chat_completion, questions(24)):
            assert reply.text == "Hello!"
    assert 1 <= stage.most_in_flight <= 13


@pytest.mark.parametrize(("dialect", "shared"), [(OPENAI, True), (ANTHROPIC, False)], ids=["openai", "anthropic"])
def test_no_more_requests_come_than_the_rate_allows(server: FaultyServer, dialect: Dialect, *, shared: bool) -> None:
    stage = server.stage(dialect.says())
    rate = 40.0  # a second
    limits = Limits(requests_per_minute=60 * rate)
    models = [model_of(dialect, stage.url, limits=limits, timeout=30.0) for _ in range(16 if shared else 1)]
    begun = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(lambda pair: models[pair[0] % len(models)].chat_completion(pair[1]), enumerate(questions(40))))
    took = time.monotonic() - begun
    assert all(isinstance(reply, Reply) for reply in told)
    assert_rate_held(stage, rate)
    assert 39 / rate <= took < 39 / rate + 3.0  # and it is made use of


def test_retries_count_against_the_rate(server: FaultyServer) -> None:
    stage = server.stage()
    stage.decides(lambda _: OPENAI.fails(503) if len(stage.requests) % 2 else OPENAI.says())
    rate = 40.0
    model = model_of(OPENAI, stage.url, limits=Limits(requests_per_minute=60 * rate), timeout=60.0)
    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(lambda request: _answer_or_fault(model, request), questions(16)))
    assert len(stage.requests) == sum(len(one.attempts) if isinstance(one, BackendError) else len(one.failed) + 1 for one in told)
    assert_rate_held(stage, rate)


def test_tokens_are_kept_to_their_rate(server: FaultyServer) -> None:
    stage = server.stage(OPENAI.says())
    model = model_of(OPENAI, stage.url, limits=Limits(tokens_per_minute=60 * 5120.0), timeout=30.0)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(model.chat_completion, questions(16)))
    # Each may write 256 tokens, so there are less than twenty a second.
    assert_rate_held(stage, 20.0)


@dialects
def test_no_more_are_in_flight_than_allowed(server: FaultyServer, dialect: Dialect) -> None:
    stage = server.stage(acts.later(dialect.says(), 0.02))
    model = model_of(dialect, stage.url, limits=Limits(in_flight=3), timeout=30.0)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(model.chat_completion, questions(48)))
    assert stage.most_in_flight == 3


@dialects
def test_a_server_that_bears_little_holds_up_no_call_beyond_its_deadline(server: FaultyServer, dialect: Dialect) -> None:
    stage = server.stage(*[busy(retry_after_ms="10")(dialect)] * 4, acts.hangs)
    model = model_of(dialect, stage.url, timeout=0.5, retries=1)

    def timed(request: Request) -> float:
        begun = time.monotonic()
        with pytest.raises(BackendError):
            model.chat_completion(request)
        return time.monotonic() - begun

    with ThreadPoolExecutor(12) as pool:
        times = list(pool.map(timed, questions(24)))
    assert max(times) <= 0.5 + 1.0


@dialects
def test_a_long_silence_is_told_to_those_who_are_waiting_for_their_turn(server: FaultyServer, dialect: Dialect) -> None:
    stage = server.stage(acts.later(busy(retry_after="5")(dialect), 0.3), dialect.says())
    model = model_of(dialect, stage.url, limits=Limits(in_flight=1), timeout=1.0)
    begun = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(lambda request: _answer_or_fault(model, request), questions(6)))
    assert time.monotonic() - begun <= 1.0 + 1.0
    assert {one.kind for one in told if isinstance(one, BackendError)} == {"rate_limit"}
    assert (len(told), len(stage.requests)) == (6, 1)


def test_a_retry_waits_for_its_place_in_the_rate_no_longer_than_the_deadline(server: FaultyServer) -> None:
    stage = server.stage(OPENAI.fails(503))
    model = model_of(OPENAI, stage.url, limits=Limits(requests_per_minute=60 * 5.0), timeout=0.5)
    ended: dict[str, float] = {}

    def timed(request: Request) -> None:
        with pytest.raises(BackendError):
            model.chat_completion(request)
        ended[request.messages[-1].content] = time.monotonic()

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(timed, questions(10)))
    for question, end in ended.items():
        first = next(seen.time for seen in stage.requests if question in seen.content.decode())
        assert end - first <= 0.5 + 1.0


def assert_rate_held(stage: Stage, rate: float) -> None:
    """Check that no half of a second saw more than half of the rate, but for one that a busy machine delivered late."""
    assert stage.most_within(0.5) <= rate / 2 + 1


def _answer_or_fault(model: Any, request: Request) -> Reply | BackendError:
    try:
        reply: Reply = model.chat_completion(request)
    except BackendError as error:
        return error
    return reply
