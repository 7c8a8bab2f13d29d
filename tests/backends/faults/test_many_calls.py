"""Many calls at once over a server that fails: each is accounted for, nothing leaks, and what concerns all ends the asking."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from llm_brain import llm_function
from llm_brain.backends import CachedBackend, LanguageBackend, Message, Reply, Request
from llm_brain.backends.layers.traced import TracedBackend
from llm_brain.errors import BackendError
from llm_brain.strategy import Details, ModelImplementation
from llm_brain.strategy.function import DEFAULT_CONCURRENCY
from llm_brain.tracing import names, record
from llm_brain.tracing.reader import read_spans
from tests.backends.faults.playing import model_of
from tests.backends.faults.promises import check_raised
from tests.servers import acts
from tests.servers.dialects import DIALECTS, OPENAI, Dialect
from tests.servers.faulty import Act, FaultyServer, Seen

dialects = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
many = pytest.mark.parametrize("calls", [100, pytest.param(1000, marks=pytest.mark.slow)])
AT_A_TIME = 16
P = 0.3
INPUTS = 1000


def asked(number: int) -> Request:
    return Request((Message("user", f"number {number}"),))


def number_in(seen: Seen) -> str:
    """Return the question, word for word: each has an answer of its own."""
    return str(seen.body["messages"][-1]["content"])


def often_failing(dialect: Dialect, seed: int) -> Any:
    """Fail three requests of ten, each in a way that is drawn."""
    chance = random.Random(seed)
    lock = threading.Lock()

    def choose(seen: Seen) -> Act:
        with lock:
            fails, which = chance.random() < P, chance.randrange(8)
        if not fails:
            return dialect.says(f"answer to {number_in(seen)}")
        return [
            dialect.fails(503),
            dialect.fails(400),
            dialect.fails(529),
            dialect.says(""),
            acts.resets,
            acts.hangs_up,
            acts.answers(b"{"),
            acts.answers(acts.PAGE, 502),
        ][which]

    return choose


def check_accounts(told: list[Reply | BackendError], calls: int, requests: list[Seen]) -> None:
    """Check that each call has the answer to its own question or one typed error, and that each request is some call's."""
    assert len(told) == calls
    sent = 0
    for number, one in enumerate(told):
        if isinstance(one, BackendError):
            check_raised(one)
            sent += len(one.attempts)
            assert 1 <= len(one.attempts) <= 3
        else:
            assert one.text == f"answer to number {number}"
            sent += len(one.failed) + 1
    assert sent == len(requests)
    faults = [one for one in told if isinstance(one, BackendError)]
    # A 400 is final: about three in eighty, and few fail three times.
    assert 0.005 * calls < len(faults) < 0.15 * calls


@dialects
@many
def test_calls_in_threads_are_all_accounted_for(server: FaultyServer, tmp_path: Path, dialect: Dialect, calls: int) -> None:
    stage = server.stage().decides(often_failing(dialect, 1))
    cached = CachedBackend(model_of(dialect, stage.url, timeout=60.0), tmp_path / "answers.sqlite")
    model = TracedBackend(cached)
    with record(tmp_path / "run"):
        told = in_threads(model, calls)
    check_accounts(told, calls, stage.requests)
    assert stage.most_in_flight <= AT_A_TIME
    spans = [span for span in read_spans(tmp_path / "run") if span.is_call]
    assert len(spans) == calls
    tries = sum(len(span.attributes.get(names.TRIES, ())) for span in spans)
    assert tries + sum(span.status == "ok" for span in spans) == len(stage.requests)
    cached.close()


def in_threads(model: LanguageBackend, calls: int) -> list[Reply | BackendError]:
    def ask(number: int) -> Reply | BackendError:
        try:
            return model.chat_completion(asked(number))
        except BackendError as error:
            return error

    contexts = [contextvars.copy_context() for _ in range(calls)]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return list(pool.map(lambda number: contexts[number].run(ask, number), range(calls)))


@dialects
@many
def test_awaited_calls_leave_no_task_and_no_socket(server: FaultyServer, dialect: Dialect, calls: int) -> None:
    stage = server.stage().decides(often_failing(dialect, 2))
    model = model_of(dialect, stage.url, timeout=60.0)

    async def main() -> tuple[list[Reply | BackendError], int]:
        turns = asyncio.Semaphore(AT_A_TIME)

        async def ask(number: int) -> Reply | BackendError:
            async with turns:
                try:
                    return await model.achat_completion(asked(number))
                except BackendError as error:
                    return error

        told = await asyncio.gather(*(ask(number) for number in range(calls)))
        await asyncio.sleep(0.05)
        return list(told), len(asyncio.all_tasks())

    before = sockets()
    told, tasks = asyncio.run(main())
    check_accounts(told, calls, stage.requests)
    assert tasks == 1
    assert_soon(lambda: stage.open_connections == 0 and stage.in_flight == 0)
    gc.collect()
    assert sockets() <= before


def sockets() -> int:
    """Count this process's open sockets."""
    return sum(_is_socket(opened) for opened in Path("/proc/self/fd").iterdir())


def _is_socket(opened: Path) -> bool:
    try:
        return str(opened.readlink()).startswith("socket:")
    except OSError:  # it has been closed meanwhile
        return False


def assert_soon(holds: Any, within: float = 5.0) -> None:
    until = time.monotonic() + within
    while not holds() and time.monotonic() < until:
        time.sleep(0.01)
    assert holds()


@dialects
def test_streams_that_break_leave_no_connection_open(server: FaultyServer, dialect: Dialect) -> None:
    events = dialect.events(*"Hello!")
    stage = server.stage().decides(
        lambda _: [dialect.says(), acts.streams(*events[:5], then="reset"), acts.streams(*events[:5])][len(stage.requests) % 3]
    )
    model = model_of(dialect, stage.url, timeout=30.0)

    async def main() -> None:
        async def ask(number: int) -> None:
            try:
                async for _ in model.astream(asked(number)):
                    if number % 4 == 0:
                        break  # a caller who leaves
            except BackendError:
                pass

        await asyncio.gather(*(ask(number) for number in range(48)))

    asyncio.run(main())
    assert_soon(lambda: stage.open_connections == 0 and stage.in_flight == 0)


@dialects
def test_a_cancelled_call_leaves_no_connection_and_holds_up_nobody(server: FaultyServer, dialect: Dialect) -> None:
    stage = server.stage(acts.hangs)
    model = model_of(dialect, stage.url, timeout=60.0)

    async def main() -> None:
        calls = [asyncio.create_task(model.achat_completion(asked(number))) for number in range(16)]
        await asyncio.to_thread(assert_soon, lambda: len(stage.requests) == 16)
        for call in calls:
            call.cancel()
        assert all(isinstance(ended, asyncio.CancelledError) for ended in await asyncio.gather(*calls, return_exceptions=True))
        await asyncio.sleep(0.05)
        assert len(asyncio.all_tasks()) == 1
        stage.plays(dialect.says())
        assert (await model.achat_completion(asked(99))).text == "Hello!"

    asyncio.run(main())
    assert_soon(lambda: stage.open_connections == 0 and stage.in_flight == 0)


@llm_function
def shout(model: Any, text: str) -> str:
    """Write the text in capitals."""
    raise NotImplementedError


ENDING: dict[str, Callable[[Dialect], Act]] = {
    "401": lambda dialect: dialect.fails(401, "who are you"),
    "403": lambda dialect: dialect.fails(403, "not you"),
    "quota": lambda dialect: (
        dialect.fails(429, "no money", kind="insufficient_quota", code="insufficient_quota")
        if dialect is OPENAI
        else dialect.fails(402, "no money", kind="billing_error")
    ),
}


@dialects
@pytest.mark.parametrize(("name", "concurrency"), [("401", 16), ("403", 16), ("quota", 16), ("401", 1), ("quota", 1)])
def test_what_concerns_all_calls_ends_the_asking(server: FaultyServer, dialect: Dialect, name: str, concurrency: int) -> None:
    stage = server.stage(*[dialect.says("HELLO")] * 5, ENDING[name](dialect))
    function = shout.using(ModelImplementation(model_of(dialect, stage.url, timeout=30.0)))
    told = function.map_details([f"hello {number}" for number in range(INPUTS)], concurrency=concurrency)
    assert len(told) == INPUTS
    assert len(stage.requests) <= 5 + 2 * concurrency
    values = [one for one in told if isinstance(one, Details)]
    assert [one.value for one in values] == ["HELLO"] * len(values)
    assert {one.kind for one in told if isinstance(one, BackendError)} == {"auth" if name in ("401", "403") else "quota"}
    assert len(values) + sum(isinstance(one, BackendError) for one in told) == INPUTS


@dialects
def test_a_map_stops_at_the_first_such_error(server: FaultyServer, dialect: Dialect) -> None:
    stage = server.stage(dialect.fails(401, "who are you"))
    function = shout.using(ModelImplementation(model_of(dialect, stage.url, timeout=30.0)))
    with pytest.raises(BackendError) as caught:
        function.map([f"hello {number}" for number in range(INPUTS)])
    assert caught.value.kind == "auth"
    assert len(stage.requests) <= DEFAULT_CONCURRENCY


@dialects
def test_awaited_maps_stop_asking_too(server: FaultyServer, dialect: Dialect) -> None:
    stage = server.stage(dialect.fails(401, "who are you"))
    function = shout.using(ModelImplementation(model_of(dialect, stage.url, timeout=30.0)))
    told = asyncio.run(function.aio.map_details([f"hello {number}" for number in range(INPUTS)]))
    assert {one.kind for one in told if isinstance(one, BackendError)} == {"auth"}
    assert (len(told), len(stage.requests) <= DEFAULT_CONCURRENCY) == (INPUTS, True)


@dialects
def test_other_failures_stay_in_their_places(server: FaultyServer, dialect: Dialect) -> None:
    def choose(seen: Seen) -> Act:
        return dialect.fails(400, "what") if "hello 3" in str(seen.body) else dialect.says("HELLO")

    stage = server.stage().decides(choose)
    function = shout.using(ModelImplementation(model_of(dialect, stage.url, timeout=30.0)))
    told = function.map_details([f"hello {number}" for number in range(8)])
    assert [isinstance(one, BackendError) for one in told] == [number == 3 for number in range(8)]
    assert len(stage.requests) == 8
