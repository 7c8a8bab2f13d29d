"""Connections of aiohttp, and where it has to be helped: damaged chunks, unasked answers, proxies with a password."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary, ref

from llm_brain.backends.hosted.address import Address

if TYPE_CHECKING:
    from aiohttp import ClientResponse, TCPConnector
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.connector import Connection
    from aiohttp.streams import StreamReader
    from aiohttp.tracing import Trace


def noticing_the_end(response: ClientResponse) -> AbstractContextManager[None]:
    """Let whoever reads an answer know when its connection is closed: after a damaged chunk aiohttp tells him nothing.

    Args:
        response: The answer, which is read inside of the `with` block.
    """
    protocol = response.connection.protocol if response.connection is not None else None
    closed = None if protocol is None else protocol.closed
    if protocol is None or closed is None:  # all of it is there
        return nullcontext()
    return _noticing(protocol, closed, response.content)


@contextmanager
def _noticing(protocol: ResponseHandler, closed: asyncio.Future[None], content: StreamReader) -> Iterator[None]:
    if protocol not in _read_now:
        closed.add_done_callback(partial(_tell_reader, ref(protocol)))
    _read_now[protocol] = content
    try:
        yield
    finally:
        _read_now[protocol] = None


_read_now: Final[WeakKeyDictionary[ResponseHandler, StreamReader | None]] = WeakKeyDictionary()


def _tell_reader(protocol: ref[ResponseHandler], closed: asyncio.Future[None]) -> None:
    from aiohttp import ClientPayloadError

    if not closed.cancelled():
        closed.exception()  # it is told to the reader in our words
    known = protocol()
    content = None if known is None else _read_now.get(known)
    if content is not None and not content.is_eof() and content.exception() is None:
        content.set_exception(ClientPayloadError("the connection was closed in the midst of it"))


def connector() -> TCPConnector:
    """Make a pool of connections that never gives one again on which more came than was asked for.

    Example:
        >>> async def limit():
        ...     async with connector() as pool:
        ...         return pool.limit
        >>> asyncio.run(limit())
        0
    """
    from aiohttp import TCPConnector

    class Connector(TCPConnector):
        # What came unasked would be taken for the next answer.
        async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
            while (connection := await super()._get(key, traces)) is not None:
                if connection.protocol is None or not connection.protocol.should_close:
                    break
                connection.close()
            return connection

    # How many calls are in flight is for callers to say.
    return Connector(limit=0)


def proxy_of(url: str) -> tuple[str | None, Mapping[str, str] | None]:
    """Find the proxy that the environment names for an address, and the header that signs in there.

    Its user and password go apart, as messages quote the rest.

    Example:
        >>> proxy_of("http://127.0.0.1:8000/v1")
        (None, None)
    """
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if not proxy or proxy_bypass(parts.netloc):
        return None, None
    named = Address(proxy)
    user = named.sign_in(None)
    return named.plain, {"Proxy-Authorization": user["Authorization"]} if user else None
