"""HTTP to one server: JSON goes up in a POST, bytes come down, whole or line by line; what goes wrong is a `BackendError`.

aiohttp carries it: beside it the time that other clients spend on a request is several times what we spend on a whole call.
Redirects are not followed, so that no prompt reaches another server. Nothing is tried again here, and nothing has a time limit:
that is for the one who makes the call, and knows how long it may take as a whole.
"""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import AsyncGenerator, Awaitable, Coroutine, Mapping
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias
from weakref import finalize

from pydantic_core import to_json

from llm_brain.backends.hosted.connections import connector, noticing_the_end, proxy_of
from llm_brain.backends.hosted.faults import causes, innermost
from llm_brain.errors import BackendError

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

_LARGE: Final = 2**20
_AT_ONCE: Final = 2**16
LARGEST_REPLY: Final = 4 * 2**20
"""The most bytes of a reply, unpacked. A model's longest is a few hundred thousand; a page gone wrong may be endless."""


class HttpServer:
    """A server that JSON is posted to. Each event loop that asks it has connections of its own, closed when the loop ends.

    Args:
        url: Where the server's paths begin.
        headers: Sent with each request.

    Attributes:
        url: The same.

    Example:
        >>> server = HttpServer("http://127.0.0.1:8000/v1", {})
    """

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self.url = url
        self._headers = {"Content-Type": "application/json", "User-Agent": "llm_brain", **headers}
        self._sessions: _Sessions = {}
        # Held by this, too, sessions outlive the server until they are closed in their own loops.
        finalize(self, _close_all, self._sessions).atexit = False

    def post(self, path: str, body: Mapping[str, Any], *, largest: int = LARGEST_REPLY) -> Coroutine[Any, Any, Answer]:
        """Post a body as JSON, for the answer to be awaited, whatever its status is.

        Args:
            path: Where to, from `url` on.
            body: The body.
            largest: The most bytes of the answer, unpacked.

        Raises:
            BackendError: There is no whole answer.
        """
        return self._ask("POST", path, body, largest)

    async def get(self, path: str) -> Answer:
        """Get what is at a path.

        Raises:
            BackendError: There is no whole answer.
        """
        return await self._ask("GET", path, None, LARGEST_REPLY)

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None, largest: int) -> Answer:
        fault: BackendError
        try:
            opened = self._opened() or await self._open()
            with closing(await self._sent(opened, method, path, body)) as response, noticing_the_end(response):
                return Answer(response.status, await self._read(response, largest), response.headers)
        except BackendError:
            raise
        except Exception as error:  # noqa: BLE001 - the client, the resolver and TLS raise what they like
            fault = _fault_of(error, self.url)
        # Raised out here, so that the client's exception, which may quote a key, is not attached.
        raise fault

    async def lines(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[bytes, None]:
        """Post a body, and give the answer line by line, without the line ends.

        Raises:
            BackendError: The answer breaks off.
            StatusError: The answer is no success; it holds what came.
        """
        fault: BackendError | None = None
        try:
            opened = self._opened() or await self._open()
            with closing(await self._sent(opened, "POST", path, body)) as response, noticing_the_end(response):
                await self._refuse(response)
                cutter = _LineCutter()
                size = turn = 0
                async for piece in response.content.iter_any():
                    for start in range(0, len(piece), _AT_ONCE):
                        part = piece[start : start + _AT_ONCE]
                        size += len(part)
                        self._check_size(size // 16)  # each word of a stream comes with a few hundred bytes around it
                        for line in cutter.feed(part):
                            yield line
                        self._check_size(cutter.held)
                        if size - turn >= _AT_ONCE:
                            # What is unpacked is there at once: others have a turn, and timers run out.
                            turn = size
                            await asyncio.sleep(0)
                for line in cutter.feed(b"\n" if cutter.held else b""):
                    yield line
        except (BackendError, StatusError):
            raise
        except Exception as error:  # noqa: BLE001 - as above
            fault = _fault_of(error, self.url)
        if fault is not None:
            raise fault

    async def prepare(self) -> None:
        """Open what this loop's requests go through, so that the first one is sent as soon as it may be."""
        if self._opened() is None:
            with suppress(Exception):  # the first request says what is wrong
                await self._open()

    async def close(self) -> None:
        """Close this loop's connections."""
        opened = self._sessions.get(asyncio.get_running_loop())
        if opened is not None:
            await opened.keeper.aclose()

    def _sent(self, opened: _Opened, method: str, path: str, body: Mapping[str, Any] | None) -> Awaitable[ClientResponse]:
        data: bytes | io.BytesIO | None = None if body is None else to_json(body)
        if isinstance(data, bytes) and len(data) > _LARGE:
            data = io.BytesIO(data)  # as a file, it is sent in parts, and other calls are not held up
        url, to_proxy = _at(self.url, path), opened.to_proxy
        return opened.session.request(method, url, data=data, allow_redirects=False, proxy_headers=to_proxy)

    def _opened(self) -> _Opened | None:
        opened = self._sessions.get(asyncio.get_running_loop())
        return None if opened is None or opened.session.closed else opened

    async def _open(self) -> _Opened:
        proxy, to_proxy = proxy_of(self.url)
        session = self._session(proxy, to_proxy)
        opened = _Opened(session, _until_the_loop_ends(self._sessions, session), to_proxy)
        self._sessions[asyncio.get_running_loop()] = opened
        # An event loop closes the generators that began in it before it ends itself: that is when connections close.
        await anext(opened.keeper)
        return opened

    def _session(self, proxy: str | None, to_proxy: Mapping[str, str] | None) -> ClientSession:
        from aiohttp import ClientSession, ClientTimeout, DummyCookieJar

        # Without TLS the proxy reads each request's own headers; with it, only those of the way through.
        seen = to_proxy if to_proxy and self.url.startswith("http:") else {}
        return ClientSession(
            headers={**self._headers, **seen},
            timeout=ClientTimeout(),
            connector=connector(),
            cookie_jar=DummyCookieJar(),
            proxy=proxy,
        )

    async def _refuse(self, response: ClientResponse) -> None:
        if response.status != 200:  # noqa: PLR2004
            raise StatusError(Answer(response.status, await self._read(response, LARGEST_REPLY), response.headers))

    async def _read(self, response: ClientResponse, largest: int) -> bytes:
        if response.content.is_eof():  # all of it is there
            whole = response.content.read_nowait()
            self._check_size(len(whole), largest)
            return whole
        pieces, size = [], 0
        async for piece in response.content.iter_any():
            pieces.append(piece)
            size += len(piece)
            self._check_size(size, largest)
        return b"".join(pieces)

    def _check_size(self, size: int, largest: int = LARGEST_REPLY) -> None:
        if size > largest:
            message = f"{self.url} sent more than {largest:,} bytes: that is no reply of a model"
            raise BackendError(message, kind="too_large")


class Answer(NamedTuple):
    """What a server answered.

    Attributes:
        status: The HTTP status.
        content: The body, unpacked.
        headers: The headers, whose names may be written in any case.

    Example:
        >>> Answer(503, b"busy", {}).status
        503
    """

    status: int
    content: bytes
    headers: Mapping[str, str]


class StatusError(Exception):
    """An answer that is no success, where a stream was asked for.

    Example:
        >>> StatusError(Answer(503, b"busy", {})).answer.content
        b'busy'
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class _LineCutter:
    """Cuts what comes in pieces into lines, without their ends; a piece is copied once, however long its line is."""

    def __init__(self) -> None:
        self.held = 0
        self._begun: list[bytes] = []
        self._ended_in_return = False

    def feed(self, piece: bytes) -> list[bytes]:
        if self._ended_in_return:
            piece = piece.removeprefix(b"\n")
        self._ended_in_return = piece.endswith(b"\r")
        if b"\r" in piece:  # lines may end in either or both
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = piece.split(b"\n")
        if lines:
            lines[0] = b"".join((*self._begun, lines[0]))
            self._begun, self.held = [], 0
        if rest:
            self._begun.append(rest)
            self.held += len(rest)
        return lines


class _Opened(NamedTuple):
    """Connections of one event loop, and the generator that closes them when it is closed."""

    session: ClientSession
    keeper: AsyncGenerator[None, None]
    to_proxy: Mapping[str, str] | None


_Sessions: TypeAlias = dict[asyncio.AbstractEventLoop, _Opened]


async def _until_the_loop_ends(sessions: _Sessions, session: ClientSession) -> AsyncGenerator[None, None]:
    try:
        while True:
            yield
    finally:
        sessions.pop(asyncio.get_running_loop(), None)
        await session.close()


def _close_all(sessions: _Sessions) -> None:
    for loop, opened in list(sessions.items()):
        if loop.is_running():
            loop.call_soon_threadsafe(loop.create_task, opened.keeper.aclose())


def _at(url: str, path: str) -> str:
    """Put a path behind an address's own, and before its query: Azure's version stands there."""
    base, mark, query = url.partition("?")
    return f"{base.rstrip('/')}{path}{mark}{query}"


def _fault_of(error: Exception, url: str) -> BackendError:
    import aiohttp

    if isinstance(error, aiohttp.ClientHttpProxyError):
        message = f"no connection to {url}: the proxy of this machine answered {error.status}"
        return BackendError(message, kind="connection", retryable=error.status >= 500)  # noqa: PLR2004
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ClientResponseError):
        message = f"{url} sent a damaged reply: {innermost(error)}"
        return BackendError(message, kind="protocol", retryable=True, perhaps_billed=True)
    if isinstance(error, aiohttp.ClientError | OSError) and not isinstance(
        error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError
    ):
        # A certificate that does not fit now will not fit at the next attempt.
        final = any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(error))
        is_begun = not isinstance(error, aiohttp.ClientConnectorError)
        message = f"no connection to {url}: {innermost(error)}. Is the address right, and does the server run?"
        if is_begun:
            message = f"{url} broke the connection off: {innermost(error)}"
        return BackendError(message, kind="connection", retryable=not final, perhaps_billed=is_begun)
    return BackendError(f"the request to {url} could not be made: {innermost(error)}", kind="bad_request")
