"""What can go wrong with any HTTP server, whatever it speaks: an act each, or a function that makes one.

Whole answers, pages and redirects; then what breaks on the way; what takes too long; and what is too large.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import zlib
from email.utils import formatdate
from functools import lru_cache
from typing import Final

from tests.servers.faulty import Act, Wire

PAGE: Final = b"<!DOCTYPE html><html><head><title>Bad gateway</title></head><body>" + b"<p>nginx</p>" * 500 + b"</body></html>"


def answers(body: object, status: int = 200, reason: str = "Whatever", **headers: object) -> Act:
    """Answer with bytes as they are, or with anything else as JSON."""

    async def act(wire: Wire) -> None:
        await wire.reply(body, status, reason, **headers)

    return act


def page(status: int) -> Act:
    """Answer with a page of HTML, as proxies do."""
    return answers(PAGE, status, content_type="text/html; charset=utf-8")


def redirects(to: str, status: int) -> Act:
    return answers(b"", status, location=to)


def in_seconds(seconds: float) -> str:
    """Write a moment as an HTTP date, which has whole seconds: the next one that is not earlier."""
    return formatdate(int(time.time() + seconds + 0.999), usegmt=True)


def sends(data: bytes, then: str = "close") -> Act:
    """Send these bytes for an answer and then close the connection, reset it, or leave it silent."""

    async def act(wire: Wire) -> None:
        await wire.send(data)
        await _finish(wire, then)

    return act


def drips(data: bytes, *, pause: float, size: int = 1) -> Act:
    """Send these bytes a few at a time, with a pause after each, and then nothing more."""

    async def act(wire: Wire) -> None:
        for start in range(0, len(data), size):
            await wire.send(data[start : start + size])
            await asyncio.sleep(pause)
        await wire.hung_up()

    return act


def streams(*parts: bytes, then: str = "end", pause: float = 0.0, **headers: object) -> Act:
    """Send a stream of events in these parts, each in a packet of its own, and end it, close it, reset it, or leave it silent."""

    async def act(wire: Wire) -> None:
        await wire.begin_events(**headers)
        for part in parts:
            await wire.chunk(part)
            await asyncio.sleep(pause)
        if then == "end":
            await wire.chunk(b"")
        else:
            await _finish(wire, then)

    return act


def cut(whole: bytes, **headers: object) -> Act:
    """Promise a body, send the first half of it, and hang up."""

    async def act(wire: Wire) -> None:
        await wire.head(**{"content_type": "application/json", "content_length": len(whole), **headers})
        await wire.send(whole[: len(whole) // 2])
        wire.close()

    return act


def later(act: Act, after: float) -> Act:
    """Wait a while before an act."""

    async def waiting(wire: Wire) -> None:
        await asyncio.sleep(after)
        await act(wire)

    return waiting


async def hangs(wire: Wire) -> None:
    """Never answer."""
    await wire.hung_up()


async def hangs_up(wire: Wire) -> None:
    """Close the connection without a byte."""
    wire.close()


async def resets(wire: Wire) -> None:
    """Reset the connection without a byte."""
    await wire.reset()


def after_hints(act: Act) -> Act:
    """Send interim answers (100, 103) before the real one."""

    async def hinting(wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
        await act(wire)

    return hinting


def endless(piece: bytes, *, pause: float = 0.0, **headers: object) -> Act:
    """Send the same piece again and again, until the client hangs up."""

    async def act(wire: Wire) -> None:
        await wire.head(**{"content_type": "application/json", "transfer_encoding": "chunked", **headers})
        while True:
            await wire.chunk(piece)
            await asyncio.sleep(pause)

    return act


def endless_head(name: str = "X-More") -> Act:
    """Send headers until the client hangs up."""

    async def act(wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await wire.send(name.encode() + b": more\r\n")
            await asyncio.sleep(0.0005)

    return act


def bomb(
    megabytes: int = 64, encoding: str = "gzip", *, status: int = 200, piece: bytes = b" " * 65536, **headers: object
) -> Act:
    """Answer with little that unpacks to a lot.

    Args:
        megabytes: How much, in MiB.
        encoding: "gzip", or "deflate".
        status: The answer's.
        piece: What there is a lot of.
        headers: Those of the answer.
    """
    return answers(_packed_lot(megabytes, encoding, piece), status, **{"content_encoding": encoding, **headers})


def huge(megabytes: int = 8) -> Act:
    """Answer with one large body that is JSON all the same."""
    return answers(json.dumps({"filler": "x" * (megabytes * 2**20)}).encode())


def packed(body: object, encoding: str = "gzip") -> Act:
    """Answer with JSON, packed as it should be."""
    content = json.dumps(body).encode()
    return answers(gzip.compress(content) if encoding == "gzip" else zlib.compress(content), content_encoding=encoding)


@lru_cache
def _packed_lot(megabytes: int, encoding: str, piece: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    return b"".join(packer.compress(piece) for _ in range(megabytes * 2**20 // len(piece))) + packer.flush()


async def _finish(wire: Wire, then: str) -> None:
    if then == "reset":
        await wire.reset()
    elif then == "hang":
        await wire.hung_up()
    else:
        wire.close()
