"""Limits hold for all who share an endpoint, and a server's wish for silence is kept by all of them."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_brain.backends import Message, OpenAIBackend, Request
from llm_brain.backends.hosted.limits import Endpoint, Limits, shared_endpoint
from llm_brain.backends.portal import portal
from llm_brain.errors import DefinitionError

HELLO = Request((Message("user", "Hello?"),))


class Flights:
    """Counts who is inside of a turn, and when each one began."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.flying = self.most = 0
        self.begun: list[float] = []
        self._lock = threading.Lock()

    async def fly(self, *, tokens: int = 0, seconds: float = 0.0) -> None:
        async with self.endpoint.turn(tokens=tokens):
            with self._lock:
                self.begun.append(time.monotonic())
                self.flying += 1
                self.most = max(self.most, self.flying)
            await asyncio.sleep(seconds)
            with self._lock:
                self.flying -= 1


@pytest.mark.parametrize("limits", [{"requests_per_minute": 0}, {"in_flight": -1}, {"tokens_per_minute": float("nan")}])
def test_a_limit_that_lets_nothing_through_is_refused(limits: dict[str, float]) -> None:
    with pytest.raises(DefinitionError, match="above 0"):
        Limits(**limits)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5), st.integers(1, 20))
def test_no_more_are_in_flight_than_allowed_and_all_get_their_turn(most: int, calls: int) -> None:
    flights = Flights(Endpoint(Limits(in_flight=most)))

    async def main() -> None:
        await asyncio.gather(*(flights.fly(seconds=0.001) for _ in range(calls)))

    asyncio.run(main())
    assert len(flights.begun) == calls
    assert flights.most == min(most, calls)


def test_loops_and_threads_share_the_room() -> None:
    flights = Flights(Endpoint(Limits(in_flight=2)))
    with ThreadPoolExecutor(16) as pool:
        for future in [pool.submit(asyncio.run, flights.fly(seconds=0.005)) for _ in range(32)]:
            future.result(timeout=30)
    assert (len(flights.begun), flights.most) == (32, 2)


@settings(max_examples=5, deadline=None)
@given(st.integers(1200, 3000), st.integers(5, 12))
def test_requests_are_never_closer_than_the_rate_allows(rate: int, calls: int) -> None:
    flights = Flights(Endpoint(Limits(requests_per_minute=rate)))

    async def main() -> None:
        await asyncio.gather(*(flights.fly() for _ in range(calls)))

    asyncio.run(main())
    gaps = [later - earlier for earlier, later in zip(flights.begun, flights.begun[1:], strict=False)]
    assert min(gaps) >= 60 / rate


def test_tokens_use_the_rate_up_by_their_number() -> None:
    flights = Flights(Endpoint(Limits(tokens_per_minute=60_000)))

    async def main() -> None:
        for tokens in (100, 10, 1):
            await flights.fly(tokens=tokens)

    asyncio.run(main())
    first, second, third = flights.begun
    assert second - first >= 0.1
    assert 0.01 <= third - second < 0.1


def test_a_wish_for_silence_stops_all_and_halves_what_flies() -> None:
    endpoint = Endpoint(Limits())
    flights = Flights(endpoint)

    async def main() -> float:
        async with endpoint.turn(tokens=0), endpoint.turn(tokens=0), endpoint.turn(tokens=0), endpoint.turn(tokens=0):
            sent = time.monotonic()
            endpoint.throttled(0.2, since=sent)
            endpoint.throttled(0.1, since=sent - 1)  # was under way already
        await asyncio.gather(*(flights.fly(seconds=0.01) for _ in range(8)))
        return sent

    sent = asyncio.run(main())
    assert min(flights.begun) >= sent + 0.2
    assert flights.most == 2


def test_success_lets_more_fly_again() -> None:
    endpoint = Endpoint(Limits())
    flights = Flights(endpoint)

    async def main() -> None:
        async with endpoint.turn(tokens=0), endpoint.turn(tokens=0):
            endpoint.throttled(0.0, since=time.monotonic())
        for _ in range(20):
            endpoint.succeeded()
        await asyncio.gather(*(flights.fly(seconds=0.01) for _ in range(8)))

    asyncio.run(main())
    assert flights.most > 3


def test_who_is_cancelled_while_waiting_leaves_no_hole() -> None:
    endpoint = Endpoint(Limits(in_flight=1))
    flights = Flights(endpoint)

    async def main() -> None:
        async with endpoint.turn(tokens=0):
            waiting = [asyncio.create_task(flights.fly()) for _ in range(4)]
            await asyncio.sleep(0)
            for task in waiting[::2]:
                task.cancel()
            await asyncio.sleep(0)
        await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.wait_for(flights.fly(), 5)

    asyncio.run(main())
    assert len(flights.begun) == 3


def test_who_is_cancelled_at_the_moment_of_being_let_in_gives_the_room_back() -> None:
    endpoint = Endpoint(Limits(in_flight=1))
    flights = Flights(endpoint)

    async def main() -> None:
        async with endpoint.turn(tokens=0):
            waiting = asyncio.create_task(flights.fly())
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.wait_for(flights.fly(), 5)

    asyncio.run(main())
    assert len(flights.begun) == 1


def test_the_same_model_with_the_same_key_shares_its_limits() -> None:
    first = OpenAIBackend("m", base_url="http://127.0.0.1:1/v1", api_key="one", limits=Limits(in_flight=3))
    same = OpenAIBackend("m", base_url="http://127.0.0.1:1/v1/", api_key="one")
    others = [
        OpenAIBackend("n", base_url="http://127.0.0.1:1/v1", api_key="one"),
        OpenAIBackend("m", base_url="http://127.0.0.1:2/v1", api_key="one"),
        OpenAIBackend("m", base_url="http://127.0.0.1:1/v1", api_key="two"),
    ]
    assert same.limits == first.limits == Limits(in_flight=3)
    assert all(other.limits == Limits() for other in others)


def test_an_endpoint_that_nobody_uses_is_forgotten() -> None:
    endpoint = shared_endpoint(("here", "m"), Limits(in_flight=1))
    assert shared_endpoint(("here", "m"), None) is endpoint
    del endpoint
    assert shared_endpoint(("here", "m"), None).limits == Limits()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forks_child_does_not_wait_for_its_parents_calls() -> None:
    endpoint = Endpoint(Limits(in_flight=1))

    def in_the_child() -> None:
        threading.Thread(target=lambda: (asyncio.run(Flights(endpoint).fly()), os._exit(0)), daemon=True).start()
        time.sleep(10)
        os._exit(1)

    def forked() -> int:
        child = os.fork()
        if child == 0:
            in_the_child()
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)

    async def main() -> int:
        async with endpoint.turn(tokens=0):
            return forked()

    assert portal().run(main()) == 0
