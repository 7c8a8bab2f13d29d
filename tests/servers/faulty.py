"""A server on 127.0.0.1 that misbehaves on purpose, byte by byte, and writes down every request that reaches it.

A `FaultyServer` is an event loop in a thread. Each of its stages listens on a port of its own and plays a scenario: a
list of acts, one a request, the last one repeated. An act is a coroutine over a `Wire`, which sends what it likes.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias, TypeVar

Result = TypeVar("Result")
Act: TypeAlias = "Callable[[Wire], Awaitable[None]]"


@dataclass
class Seen:
    """One request, as it came.

    Attributes:
        time: When its last byte had come, in seconds of the monotonic clock.
        connection: Which of the stage's connections it came over, counted from 0.
        answered: When its act was over; None while it is being played.
    """

    time: float
    connection: int
    method: str
    path: str
    headers: dict[str, str]
    content: bytes
    answered: float | None = None

    @property
    def body(self) -> Any:
        """What it says, read as JSON."""
        return json.loads(self.content)

    @property
    def is_streamed(self) -> bool:
        """Whether it asks for a stream of events."""
        try:
            return self.body.get("stream") is True
        except (ValueError, AttributeError):
            return False


class Wire:
    """A request, and the way back to who asked."""

    def __init__(self, request: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.request = request
        self._reader = reader
        self._writer = writer
        self.is_open = True

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def head(self, status: int = 200, reason: str = "Whatever", **headers: object) -> None:
        """Send a status line and headers; an underscore in a name is a dash."""
        named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        await self.send(f"HTTP/1.1 {status} {reason}\r\n{named}\r\n".encode("utf-8", "surrogateescape"))

    async def reply(self, body: object, status: int = 200, reason: str = "Whatever", **headers: object) -> None:
        """Send a whole answer: bytes as they are, and anything else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        usual = {"content_type": "application/json", "content_length": len(content)}
        await self.head(status, reason, **{**usual, **headers})
        await self.send(content)

    async def begin_events(self, **headers: object) -> None:
        await self.head(**{"content_type": "text/event-stream", "transfer_encoding": "chunked", **headers})

    async def chunk(self, data: bytes) -> None:
        """Send a part of a body of unknown length; an empty one is its end."""
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def hung_up(self) -> None:
        """Wait until the client has closed the connection."""
        with contextlib.suppress(OSError):
            while await self._reader.read(65536):
                pass
        self.close()

    async def reset(self) -> None:
        """Break the connection off, once what was sent has had time to arrive."""
        await asyncio.sleep(0.02)
        plug = self._writer.get_extra_info("socket")
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.is_open = False
        self._writer.transport.abort()

    def close(self) -> None:
        self.is_open = False
        self._writer.close()


@dataclass
class Stage:
    """A port, the scenario that is played there, and what was seen.

    Attributes:
        url: The address, without a path.
        requests: All requests that came whole, in their order.
        connections: How many connections were opened.
        in_flight: How many requests are being played now.
        most_in_flight: The most that ever were at once.
    """

    url: str
    requests: list[Seen] = field(default_factory=list)
    connections: int = 0
    in_flight: int = 0
    most_in_flight: int = 0

    def __post_init__(self) -> None:
        self._next: Callable[[Seen], Act] = _nothing
        self._changing = threading.Lock()
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def open_connections(self) -> int:
        """How many connections are open now, as far as this side knows."""
        return len(self._open)

    def plays(self, *acts: Act) -> Stage:
        """Play these acts from the next request on, the last one again and again."""
        left = list(acts)

        def following(_: Seen) -> Act:
            with self._changing:
                return left.pop(0) if len(left) > 1 else left[0]

        return self.decides(following)

    def decides(self, choose: Callable[[Seen], Act]) -> Stage:
        """Let a function choose the act for each request."""
        self._next = choose
        return self

    def most_within(self, seconds: float) -> int:
        """Count the most requests that came within any window of so many seconds."""
        times = sorted(request.time for request in self.requests)
        most = first = 0
        for last, moment in enumerate(times):
            while moment - times[first] >= seconds:
                first += 1
            most = max(most, last - first + 1)
        return most

    def pauses(self) -> list[float]:
        """Tell how long it was from each request to the next one, in seconds."""
        times = sorted(request.time for request in self.requests)
        return [later - earlier for earlier, later in itertools.pairwise(times)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Play what is asked for over one connection."""
        number, self.connections = self.connections, self.connections + 1
        self._open.add(writer)
        plug = writer.get_extra_info("socket")
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # each send is a packet
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while (wire := await _next_wire(number, reader, writer)).is_open:
                    await self._play(wire)
                    if not wire.is_open:
                        break
        finally:
            self._open.discard(writer)
            writer.close()

    async def _play(self, wire: Wire) -> None:
        self.requests.append(wire.request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self._next(wire.request)(wire)
        finally:
            self.in_flight -= 1
            wire.request.answered = time.monotonic()


class FaultyServer:
    """Stages, all on one event loop in a thread of its own. Used with `with`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faulty-server", daemon=True)
        self._listening: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close_stages()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def stage(self, *acts: Act, port: int = 0, tls: ssl.SSLContext | None = None) -> Stage:
        """Listen on a port, a free one by default, and play these acts there."""
        stage = self._run(self._listen(port, tls))
        return stage.plays(*acts) if acts else stage

    def close_stages(self) -> None:
        """End all stages, whatever is being played there."""
        self._run(self._end())

    async def _listen(self, port: int, tls: ssl.SSLContext | None) -> Stage:
        stage = Stage("")

        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.get_running_loop().create_task(stage.serve(reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        listening = await asyncio.start_server(begin, "127.0.0.1", port, limit=2**20, backlog=512, ssl=tls)
        self._listening.append(listening)
        stage.url = f"{'https' if tls else 'http'}://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        return stage

    async def _end(self) -> None:
        for listening in self._listening:
            listening.close()
        self._listening.clear()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports close in a callback

    def _run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)


def unused_port() -> int:
    """Find a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _nothing(_: Seen) -> Act:
    async def hang_up(wire: Wire) -> None:
        wire.close()

    return hang_up


async def _next_wire(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Wire:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    content = await reader.readexactly(int(headers.get("content-length", 0)))
    method, path, *_ = first.split(" ")
    return Wire(Seen(time.monotonic(), number, method, path, headers, content), reader, writer)
