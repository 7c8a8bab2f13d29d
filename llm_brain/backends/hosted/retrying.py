"""The one retry loop of this package, with one deadline for the whole call.

    wait for one's turn -> send -> an answer, or a fault -> worth another try, and time for it? -> wait -> send again

A client's own retries are switched off everywhere, so a call is at most `1 + retries` requests. Where it was more than one, each
of them is a span of its own in the trace.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Final, TypeVar

from llm_brain.attempts import Attempt
from llm_brain.backends.contract import Choice, Embeddings, Reply
from llm_brain.backends.hosted.limits import NO_LIMITS, Endpoint, silence_fault
from llm_brain.backends.hosted.pieces import Telling, Waiting
from llm_brain.errors import BackendError
from llm_brain.tracing.names import ATTEMPT, ATTEMPT_KIND, ERROR_TYPE, HTTP_STATUS, KIND
from llm_brain.tracing.spans import Moment, span, this_moment

Answer = TypeVar("Answer", Reply, Choice, Embeddings)

FIRST_WAIT: Final = 0.5
"""The longest wait before the second request, in seconds; each further one may be twice as long."""

_LOOK: Final = 0.01
"""How often a stream that comes without a pause is interrupted, in seconds: others have a turn, and its silence begins anew."""


class AdaptedError(BackendError):
    """The server refused a part of the request; the next one leaves it out, and need not wait.

    Example:
        >>> issubclass(AdaptedError, BackendError)
        True
    """


class Call:
    """One call, with what was tried for it so far.

    Args:
        endpoint: Whose turns it waits for.
        retries: The most requests after the first one.
        timeout: The longest time of the whole call, in seconds; waiting for the first turn does not count.
        spent: How much of it is gone before it begins.
        tokens: How many tokens the prompt and its reply may have.
        hide: Takes secrets out of an error.

    Example:
        >>> from llm_brain.backends.hosted.limits import Limits
        >>> async def ask():
        ...     return Reply("hello", "stop", "model")
        >>> call = Call(Endpoint(Limits()), retries=2, timeout=60.0, tokens=100, hide=lambda error: error)
        >>> asyncio.run(call.answer(ask)).text
        'hello'
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        retries: int,
        timeout: float,
        tokens: int,
        hide: Callable[[BackendError], BackendError],
        spent: float = 0.0,
    ) -> None:
        self._endpoint = endpoint
        self._left = retries
        self._longest_silence = timeout / (1 + retries)  # in the middle of a stream
        self._timeout = timeout
        self._tokens = tokens
        self._hide = hide
        self._failed: list[Attempt] = []
        self._time_given = timeout - spent
        self._time = self._time_given  # what is left of it
        self._sent = 0.0
        self._ends = 0.0  # when the time of a stream is up
        self._limit: asyncio.Timeout | None = None
        self._request: tuple[int, Moment] | None = None  # which one is under way, and since when
        self._is_left = False  # whether who reads a stream has gone, which is no fault of it

    async def answer(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask until there is an answer, or no more time or tries.

        Raises:
            BackendError: There is none; it holds all attempts.
        """
        while True:
            self._check_time()
            await self._enter()
            given: Answer | BackendError
            sent = time.monotonic()
            try:
                async with asyncio.timeout(max(0.0, self._time)):
                    given = await ask()
                self._time -= time.monotonic() - sent
            except BackendError as error:
                self._time -= time.monotonic() - sent
                given = error
            except TimeoutError:
                self._time = 0.0
                given = self._late()
            except BaseException as error:
                self._give_up(error)
                raise
            finally:
                self._endpoint.leave()
            if not isinstance(given, BackendError):
                return self.finished(given)
            # Out here, so that what was caught, which may quote a key, is not attached to what is raised.
            await self.failed(given)

    async def stream(self, ask: Callable[[], AsyncGenerator[str | Reply, None]]) -> AsyncGenerator[str | Reply, None]:
        """Give the pieces of a reply, and then the whole. When it breaks off, it is asked for again.

        Where the second reply begins with the very text that was given already, it goes on from there. Where it does not, no
        answer can be made of both. The pieces are read as they come, whether or not anybody has asked for the next one, so the
        time that whoever reads them takes for himself does not count; to hand them over does.

        Raises:
            BackendError: There is no whole reply; `raw` holds what had come.
        """
        waiting = Waiting()
        reading = asyncio.create_task(self._read(ask, waiting))
        reading.add_done_callback(lambda _: waiting.wake())
        try:
            while True:
                piece = waiting.next()
                if piece is None:
                    if reading.done():
                        break
                    await waiting.more()
                    continue
                left, task = time.monotonic(), asyncio.current_task()
                yield piece
                if task is asyncio.current_task():  # or else it was handed to a thread, and could be read on meanwhile
                    self._give_back(time.monotonic() - left)
            reading.result()
        except GeneratorExit:
            self._is_left = True
            raise
        finally:
            # What has ended is not awaited: where a loop closes all generators at once, this one may not wait.
            if not reading.done():
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
            elif not reading.cancelled():
                reading.exception()

    async def _read(self, ask: Callable[[], AsyncGenerator[str | Reply, None]], waiting: Waiting) -> None:
        given = ""
        while True:
            self._check_time()
            fault: BackendError
            attempt = Telling(given, waiting)
            self._sent = 0.0
            await self._enter()
            try:
                async with aclosing(ask()) as pieces:
                    reply = await self._all_of(pieces, attempt)
                waiting.put(self.finished(reply))
            except BackendError as error:
                fault = error
            except BaseException as error:
                self._give_up(error)
                raise
            else:
                return
            finally:
                self._endpoint.leave()
            given = attempt.given()
            if fault.kind == "timeout" and given and (self._failed or attempt.left >= self._timeout / 2):
                # It has stopped before, or was silent for half of the time or more: it has not only been slow.
                fault.kind = "incomplete"
            if given and fault.kind in ("connection", "protocol"):
                fault.kind = "incomplete"
            fault.raw = fault.raw or given or None
            await self.failed(fault)

    async def _all_of(self, pieces: AsyncGenerator[str | Reply, None], attempt: Telling) -> Reply:
        """Take the pieces of one attempt, as long as the call may still take, and none is waited for too long."""
        now = time.monotonic()
        self._ends = now + self._time
        attempt.left, look = self._time, now
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._time)) as self._limit:
                    async for piece in pieces:
                        # A piece that is ready lets no timer run out, so the clock is looked at.
                        now = time.monotonic()
                        if now >= self._ends:
                            break
                        attempt.left = self._ends - now
                        if isinstance(piece, Reply):
                            attempt.end(piece)
                            return piece
                        attempt.take(piece)
                        if now >= look:
                            look = now + _LOOK
                            self._set_limit(min(attempt.left, self._longest_silence))
                            await asyncio.sleep(0)
        finally:
            self._limit = None
            self._time = max(0.0, self._ends - time.monotonic())
        if self._time > _LOOK and attempt.has_begun:
            message = f"the stream stalled: nothing came for {self._longest_silence:.3g} s"
            raise BackendError(message, kind="incomplete", retryable=True, perhaps_billed=True)
        self._time = 0.0
        raise self._late()

    def _set_limit(self, seconds: float) -> None:
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time() + seconds)

    def _give_back(self, seconds: float) -> None:
        """Do not count some time in which whoever reads may have held up the event loop."""
        limit = self._limit
        if limit is not None and seconds > _LOOK:
            self._ends += seconds
            now = asyncio.get_running_loop().time()
            self._set_limit(max(0.0, (limit.when() or now) + seconds - now))

    def finished(self, answer: Answer) -> Answer:
        """Tell an answer what it took."""
        self._endpoint.succeeded()
        self._end_request(None, one_of_many=bool(self._failed))
        if isinstance(answer, Embeddings):
            return replace(answer, failed=tuple(self._failed))
        usage = answer.usage
        if usage is not None:
            usage = sum((attempt.usage for attempt in self._failed if attempt.usage is not None), start=usage)
        return replace(answer, usage=usage, latency=self._time_given - self._time, failed=tuple(self._failed))

    async def failed(self, error: BackendError) -> None:
        """Note a fault, and wait until it is worth asking again.

        Raises:
            BackendError: It is not.
        """
        now = time.monotonic()
        error = self._hide(error)
        duration = now - self._sent if self._sent else 0.0
        self._failed.append(Attempt(str(error), error.kind, error.status, duration, error.usage, error.perhaps_billed))
        wait = self._wait(error)
        if error.kind == "rate_limit":
            self._endpoint.throttled(wait, since=self._sent)
        is_last = not error.retryable or not self._left or wait >= self._time
        self._end_request(error, one_of_many=not is_last or len(self._failed) > 1)
        if is_last:
            raise self._told(error)
        self._left -= 1
        self._time -= wait
        await asyncio.sleep(wait)

    def _wait(self, error: BackendError) -> float:
        if isinstance(error, AdaptedError):
            return 0.0
        if error.retry_after is not None:
            return error.retry_after
        # Half of it by chance, so that those who failed together do not come back together; and never most of what is left.
        longest: float = FIRST_WAIT * 2 ** (len(self._failed) - 1)
        return min(longest * random.uniform(0.5, 1.0), self._time / 4)

    def _check_time(self) -> None:
        if self._time <= 0:
            message = f"the replies that did not fit took all of the {self._timeout:g} s: raise `timeout`, or ask for less"
            raise self._told(BackendError(message, kind="timeout", retryable=True))
        silence = self._endpoint.pause_left()
        if silence >= self._time:
            raise self._told(silence_fault(silence))

    async def _enter(self) -> None:
        self._sent = 0.0
        if self._endpoint.enter_now(self._tokens):
            self._sent = time.monotonic()
            self._begin_request()
            return
        silence = self._endpoint.pause_left()
        waiting = time.monotonic()
        # Only the wait for a turn that the caller's own limits ask for is no part of the call.
        counts = bool(self._failed or silence) or self._endpoint.limits == NO_LIMITS
        fault: BackendError | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self._time) if counts else None):
                try:
                    await self._endpoint.enter(self._tokens, patience=self._time)
                    self._sent = time.monotonic()
                    self._begin_request()
                except BackendError as error:
                    fault = error
        if fault is not None:
            raise self._told(fault)
        if not self._sent:
            self._time = 0.0
            message = f"no turn to ask within {self._timeout:g} s: the server wants to be asked less"
            wait = self._endpoint.pause_left() or None
            raise self._told(BackendError(message, kind="rate_limit", retryable=True, retry_after=wait))
        if counts:
            self._time -= self._sent - waiting

    def _give_up(self, error: BaseException) -> None:
        """End the request that is under way, by no fault of the server's."""
        self._end_request(None if self._is_left else error, one_of_many=bool(self._failed))

    def _begin_request(self) -> None:
        self._request = len(self._failed) + 1, this_moment()

    def _end_request(self, error: BaseException | None, *, one_of_many: bool) -> None:
        """Write the span of the request that is under way; the only one of a call is the call itself, and has none."""
        request, self._request = self._request, None
        if request is None or not one_of_many:
            return
        number, began = request
        here = span("attempt", {KIND: ATTEMPT_KIND, ATTEMPT: number})
        here.begin(began)
        if isinstance(error, BackendError):
            here.set(ERROR_TYPE, error.kind)
            if error.status is not None:
                here.set(HTTP_STATUS, error.status)
        here.end(error)

    def _late(self) -> BackendError:
        message = f"no whole answer within {self._timeout:g} s: raise `timeout`, or ask for less"
        return BackendError(message, kind="timeout", retryable=True, perhaps_billed=True)

    def _told(self, error: BackendError) -> BackendError:
        if isinstance(error, AdaptedError):  # it would have been worth another try, and there was none left
            error = BackendError(str(error), kind=error.kind, raw=error.raw, code=error.code, status=error.status)
        usages = [attempt.usage for attempt in self._failed if attempt.usage is not None]
        error.usage = sum(usages[1:], start=usages[0]) if usages else None
        error.attempts = tuple(self._failed)
        return error
