"""How fast one model at one server may be asked: a rate that is kept, and a pause when the server says "too fast".

All who ask the same model with the same key share an `Endpoint`, whichever thread or event loop they ask from.

    a call's turn      room in flight -> its place in the rate -> no pause -> the request is sent
    a 429              everybody is silent as long as the server asks for, and fewer are in flight afterwards
"""

from __future__ import annotations

import asyncio
import math
import os
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakValueDictionary

from llm_brain.errors import BackendError, DefinitionError

LONGEST_SILENCE: Final = 3600.0
"""The longest time that a server's wish for silence is kept without asking again, in seconds."""
_SLACK: Final = 1.02
"""Requests are that much farther apart than the rate says: they arrive less evenly than they are sent."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that may be asked of a model.

    Requests are spread evenly over the minute. Tokens are those of the prompt and the longest reply that is allowed, estimated
    before a request is sent. Waiting for one's turn is not part of a call's `timeout`.

    Attributes:
        requests_per_minute: Requests in any minute; retries count.
        tokens_per_minute: Tokens in any minute.
        in_flight: Requests at the same time.

    Raises:
        DefinitionError: A limit is not above 0.

    Example:
        >>> Limits(requests_per_minute=500, in_flight=16).tokens_per_minute is None
        True
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    in_flight: int | None = None

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute", "in_flight"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                message = f"{name} must be above 0, got {value!r}; None sets no limit"
                raise DefinitionError(message)


NO_LIMITS: Final = Limits()


class Endpoint:
    """What all who ask one model at one server share: its limits, and its wish for silence.

    Args:
        limits: The most that may be asked.

    Example:
        >>> endpoint = Endpoint(Limits(in_flight=1))
        >>> async def ask():
        ...     async with endpoint.turn(tokens=100):
        ...         return "asked"
        >>> asyncio.run(ask())
        'asked'
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._state = _State()

    def turn(self, *, tokens: int) -> Turn:
        """Wait, in an `async with`, until a request may be sent; inside it is in flight.

        Args:
            tokens: How many tokens the prompt and its reply may have.
        """
        return Turn(self, tokens)

    def enter_now(self, tokens: int) -> bool:
        """Enter if a request may be sent at once, and tell whether it may; if so, `leave` has to follow.

        Args:
            tokens: How many tokens the prompt and its reply may have.

        Example:
            >>> endpoint = Endpoint(Limits(in_flight=1))
            >>> endpoint.enter_now(100), endpoint.enter_now(100)
            (True, False)
        """
        state = self._state
        if state.pid != os.getpid():  # `enter` begins anew
            return False
        with state.lock:
            now = time.monotonic()
            free = max(state.silent_until, state.next, state.last + state.spacing)
            if state.waiting or free > now or not self._may_fly():
                return False
            state.flying += 1
            state.last, state.spacing = now, self._cost(tokens)
            state.next = now + state.spacing
            return True

    async def enter(self, tokens: int, *, patience: float = math.inf) -> None:
        """Wait until a request may be sent; `leave` has to follow.

        Args:
            tokens: How many tokens the prompt and its reply may have.
            patience: The longest silence that is waited for, in seconds.

        Raises:
            BackendError: The server asked for a longer one, perhaps while this call was waiting.
        """
        await self._room()
        try:
            await self._place(tokens, patience)
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """Make room for the next request."""
        with self._state.lock:
            self._state.flying -= 1
            self._admit()

    def pause_left(self) -> float:
        """Tell for how many seconds nothing may be sent, because the server said so."""
        return max(0.0, self._state.silent_until - time.monotonic())

    def throttled(self, seconds: float, *, since: float) -> None:
        """Be silent for a while, and halve the number of requests in flight.

        Args:
            seconds: How long.
            since: When the request was sent that the server refused, by the monotonic clock. What was in flight already when
                the number was halved does not halve it again.
        """
        with self._state.lock:
            now = time.monotonic()
            self._state.silent_until = max(self._state.silent_until, now + min(seconds, LONGEST_SILENCE))
            if since >= self._state.halved:
                self._state.most = max(1.0, min(self._state.most, self._state.flying) / 2)
                self._state.halved = now

    def succeeded(self) -> None:
        """Let there be a little more in flight again."""
        if self._state.most < math.inf:
            with self._state.lock:
                self._state.most += 1 / self._state.most
                self._admit()

    def _may_fly(self) -> bool:
        most = min(self._state.most, self.limits.in_flight or math.inf)
        return self._state.flying < max(1, most)

    async def _room(self) -> None:
        if self._state.pid != os.getpid():
            self._state = _State()  # a fork's child has the counts of its parent, and perhaps a lock that nobody will give back
        with self._state.lock:
            if self._may_fly() and not self._state.waiting:
                self._state.flying += 1
                return
            waiter = _Waiter(asyncio.get_running_loop(), asyncio.Event())
            self._state.waiting.append(waiter)
        try:
            await waiter.event.wait()
        except BaseException:
            with self._state.lock:
                if waiter in self._state.waiting:
                    self._state.waiting.remove(waiter)
                else:  # it was let in while it was cancelled
                    self._state.flying -= 1
                    self._admit()
            raise

    def _admit(self) -> None:
        while self._state.waiting and self._may_fly():
            waiter = self._state.waiting.popleft()
            try:
                waiter.loop.call_soon_threadsafe(waiter.event.set)
            except RuntimeError:  # its loop has ended
                continue
            self._state.flying += 1

    async def _place(self, tokens: int, patience: float) -> None:
        # Places are given in the order of asking; who wakes up looks again, as there may have been a pause, or a late sender.
        place = self._reserved(tokens)
        while True:
            with self._state.lock:
                now = time.monotonic()
                if self._state.silent_until - now >= patience:
                    raise silence_fault(self._state.silent_until - now)
                if self._state.silent_until > place:
                    place = self._reserve(tokens)
                wait = max(place, self._state.last + self._state.spacing) - now
                if wait <= 0:
                    self._state.last, self._state.spacing = now, self._cost(tokens)
                    return
            await asyncio.sleep(wait)

    def _reserved(self, tokens: int) -> float:
        with self._state.lock:
            return self._reserve(tokens)

    def _reserve(self, tokens: int) -> float:
        place = max(time.monotonic(), self._state.next, self._state.silent_until)
        self._state.next = place + self._cost(tokens)
        return place

    def _cost(self, tokens: int) -> float:
        """Tell for how many seconds a request uses the rate up."""
        requests, most_tokens = self.limits.requests_per_minute, self.limits.tokens_per_minute
        of_requests = 60 / requests if requests else 0.0
        return _SLACK * max(of_requests, 60 * tokens / most_tokens if most_tokens else 0.0)


class Turn:
    """One request's turn at an endpoint, as an asynchronous context.

    A class, since a context made of a generator is closed by an ending event loop before what is inside of it.

    Example:
        >>> Turn(Endpoint(Limits()), 100).tokens
        100
    """

    def __init__(self, endpoint: Endpoint, tokens: int) -> None:
        self.tokens = tokens
        self._endpoint = endpoint

    async def __aenter__(self) -> None:
        await self._endpoint.enter(self.tokens)

    async def __aexit__(self, *_: object) -> None:
        self._endpoint.leave()


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    loop: asyncio.AbstractEventLoop
    event: asyncio.Event


@dataclass(slots=True)
class _State:
    """Times are those of the monotonic clock."""

    pid: int = field(default_factory=os.getpid)
    lock: threading.Lock = field(default_factory=threading.Lock)
    flying: int = 0
    waiting: deque[_Waiter] = field(default_factory=deque)
    most: float = math.inf  # in flight, as far as the server bears it
    halved: float = -math.inf
    silent_until: float = -math.inf
    next: float = -math.inf  # the next free place in the rate
    last: float = -math.inf  # when a request was sent, and how far from it the next one has to be
    spacing: float = 0.0


def silence_fault(seconds: float) -> BackendError:
    """Say that a server wants to be left in peace for longer than a call may take.

    Example:
        >>> silence_fault(60.0).retry_after
        60.0
    """
    message = f"the server asked for silence for another {seconds:.1f} s, which is longer than this call may take"
    return BackendError(message, kind="rate_limit", retryable=True, retry_after=seconds)


def shared_endpoint(place: tuple[object, ...], limits: Limits | None) -> Endpoint:
    """Return the endpoint of a place; the same one as long as somebody uses it.

    Args:
        place: The server's address, the model and the key.
        limits: Set for all who use it; None leaves them as they are.

    Example:
        >>> first = shared_endpoint(("http://127.0.0.1:8000/v1", "m"), Limits(in_flight=4))
        >>> shared_endpoint(("http://127.0.0.1:8000/v1", "m"), None) is first, first.limits.in_flight
        (True, 4)
    """
    with _sharing:
        endpoint = _endpoints.get(place)
        if endpoint is None:
            endpoint = _endpoints[place] = Endpoint(limits or Limits())
        elif limits is not None:
            endpoint.limits = limits
        return endpoint


_sharing = threading.Lock()
_endpoints: Final[WeakValueDictionary[tuple[object, ...], Endpoint]] = WeakValueDictionary()
