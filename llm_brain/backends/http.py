"""HTTP to one server: JSON goes up in a POST, bytes come down, whole or line by line; what goes wrong is a `BackendError`.

aiohttp carries it: beside it the time that other clients spend on a request is several times what we spend on a whole call.
Redirects are not followed, so that no prompt reaches another server, and nothing is tried again here.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary, finalize

from pydantic_core import to_json

from llm_brain.backends.faults import causes, innermost
from llm_brain.errors import BackendError

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

LARGEST_REPLY: Final = 4 * 2**20
"""The most bytes of a reply, unpacked. A model's longest is a few hundred thousand; a page gone wrong may be endless."""


class HttpServer:
    """A server that JSON is posted to. Each event loop that asks it has connections of its own, closed when the loop ends.

    Args:
        url: Where the server's paths begin.
        headers: Sent with each request.
        timeout: The longest time for a whole answer, in seconds.

    Example:
        >>> HttpServer("http://127.0.0.1:8000/v1", {}, timeout=60.0).host
        '127.0.0.1'
    """

    def __init__(self, url: str, headers: Mapping[str, str], *, timeout: float) -> None:
        self._url = url
        self._headers = {"Content-Type": "application/json", "User-Agent": "llm_brain", **headers}
        self._timeout = timeout
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, ClientSession] = WeakKeyDictionary()
        self._keepers: _Keepers = WeakKeyDictionary()
        # Held by this, too, sessions outlive the server until they are closed in their own loops.
        finalize(self, _close_all, self._keepers).atexit = False

    @property
    def host(self) -> str:
        """The server's name or address."""
        return urlsplit(self._url).hostname or ""

    async def post(self, path: str, body: Mapping[str, Any]) -> tuple[int, bytes]:
        """Post a body as JSON, and return the answer's status and content.

        Raises:
            BackendError: There is no whole answer.
        """
        async with self._posted(path, body) as response:
            return response.status, await self._read(response)

    async def lines(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[bytes, None]:
        """Post a body, and give the answer line by line, without the line ends.

        Raises:
            BackendError: The answer breaks off.
            StatusError: The answer is no success; it holds what came.
        """
        async with self._posted(path, body) as response:
            if response.status != 200:  # noqa: PLR2004
                raise StatusError(response.status, await self._read(response))
            rest = b""
            size = 0
            async for piece in response.content.iter_any():
                size += len(piece)
                if size > LARGEST_REPLY * 16:  # each word of a stream comes with a few hundred bytes around it
                    raise _too_large(self._url)
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    yield line.rstrip(b"\r")
            if rest:
                yield rest.rstrip(b"\r")

    async def close(self) -> None:
        """Close this loop's connections."""
        keeper = self._keepers.pop(asyncio.get_running_loop(), None)
        if keeper is not None:
            await keeper.aclose()

    @asynccontextmanager
    async def _posted(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[ClientResponse, None]:
        fault: BackendError | None = None
        try:
            session = await self._session()
            async with session.post(self._url + path, data=to_json(body), allow_redirects=False) as response:
                yield response
        except (BackendError, StatusError):
            raise
        except Exception as error:  # noqa: BLE001 - the client, the resolver and TLS raise what they like
            fault = _fault_of(error, self._url)
        # Raised out here, so that the client's exception, which may quote a key, is not attached.
        if fault is not None:
            raise fault

    async def _session(self) -> ClientSession:
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None or session.closed:
            session = self._sessions[loop] = self._opened()
            # An event loop closes the generators that began in it before it ends itself: that is when connections close.
            keeper = self._keepers[loop] = _until_the_loop_ends(session)
            await anext(keeper)
        return session

    def _opened(self) -> ClientSession:
        from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

        return ClientSession(
            headers=self._headers,
            timeout=ClientTimeout(total=self._timeout, sock_connect=self._timeout),
            # How many calls are in flight is for callers to say.
            connector=TCPConnector(limit=0),
            cookie_jar=DummyCookieJar(),
            proxy=_proxy(self._url),
        )

    async def _read(self, response: ClientResponse) -> bytes:
        pieces, size = [], 0
        async for piece in response.content.iter_any():
            pieces.append(piece)
            size += len(piece)
            if size > LARGEST_REPLY:
                raise _too_large(self._url)
        return b"".join(pieces)


class StatusError(Exception):
    """An answer that is no success.

    Example:
        >>> StatusError(503, b"busy").status
        503
    """

    def __init__(self, status: int, content: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.content = content


_Keepers: TypeAlias = "WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[None, None]]"


def _close_all(keepers: _Keepers) -> None:
    for loop, keeper in list(keepers.items()):
        if loop.is_running():
            loop.call_soon_threadsafe(loop.create_task, keeper.aclose())


async def _until_the_loop_ends(session: ClientSession) -> AsyncGenerator[None, None]:
    try:
        while True:
            yield
    finally:
        await session.close()


def _proxy(url: str) -> str | None:
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


def _too_large(url: str) -> BackendError:
    return BackendError(f"{url} sent more than {LARGEST_REPLY:,} bytes: that is no reply of a model", kind="too_large")


def _fault_of(error: Exception, url: str) -> BackendError:
    import aiohttp

    if isinstance(error, TimeoutError):
        message = f"{url} did not answer in time: raise `timeout`, or ask for less"
        return BackendError(message, kind="timeout", retryable=True)
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ClientResponseError):
        return BackendError(f"{url} sent a damaged reply: {innermost(error)}", kind="protocol", retryable=True)
    if isinstance(error, aiohttp.InvalidURL | ValueError):
        message = f"the request to {url} could not be made: {innermost(error)}"
        return BackendError(message, kind="bad_request")
    if isinstance(error, aiohttp.ClientError | OSError):
        # A certificate that does not fit now will not fit at the next attempt.
        final = any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(error))
        message = f"no connection to {url}: {innermost(error)}. Is the address right, and does the server run?"
        return BackendError(message, kind="connection", retryable=not final)
    return BackendError(f"the request to {url} could not be made: {innermost(error)}", kind="bad_request")
