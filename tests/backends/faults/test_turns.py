"""Whose turn it is to ask: rates that are kept, silence that is shared, and no call that waits beyond its deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from llm_brain.backends import Message, Reply, Request
from llm_brain.backends.hosted.limits import Limits
from llm_brain.errors import BackendError
from tests.backends.faults.playing import model_of
from tests.servers import acts
from tests.servers.dialects import ANTHROPIC, DIALECTS, OPENAI, Dialect
from tests.servers.faulty import Act, FaultyServer, Seen, Stage

dialects = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
EARLY = 0.01
"""What two clocks may differ by, in seconds."""


def busy(**headers: object) -> Callable[[Dialect], Act]:
    return lambda dialect: dialect.fails(429, "slow down", kind="rate_limit_error", **headers)


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
