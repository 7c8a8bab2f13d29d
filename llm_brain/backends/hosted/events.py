"""Server-sent events: lines -> the data of events; and the JSON in them.

The format is that of the HTML standard's section on server-sent events, of which language models' servers use the `data` lines.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Final

from pydantic_core import from_json

_LONGEST_NUMBER: Final = 4000
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_FIELDS: Final = (b":", b"data", b"event", b"id", b"retry")


async def read_events(lines: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    r"""Put lines together to the data of events, and leave out comments and other fields.

    What does not begin as a stream of events is one event as a whole.

    Example:
        >>> import asyncio
        >>> async def lines():
        ...     for line in (b": hello", b"data: one", b"", b"data: two", b"data: lines", b""):
        ...         yield line
        >>> async def main():
        ...     return [event async for event in read_events(lines())]
        >>> asyncio.run(main())
        [b'one', b'two\nlines']
    """
    data: list[bytes] = []
    begun = False
    async with aclosing(lines):
        async for line in lines:
            field = line if begun else line.removeprefix(_BYTE_ORDER_MARK)
            if not begun and field and not field.startswith(_FIELDS):
                # A server that does not stream, or a page of something else.
                yield b"\n".join([field, *[rest async for rest in lines]])
                return
            begun = begun or bool(field)
            if field.startswith(b"data:"):
                data.append(field[5:].removeprefix(b" "))
            elif not field:
                if event := b"\n".join(data):
                    yield event
                data = []
    if event := b"\n".join(data):
        yield event


async def undoubled(events: AsyncGenerator[bytes, None], opens: Callable[[bytes], bool]) -> AsyncGenerator[bytes, None]:
    """Give each event once where a server, or what stands between, sends each one twice.

    Only where the event that opens a reply comes twice, and the next one, too, are pairs taken for one.

    Args:
        events: The events.
        opens: Tells whether an event only begins a reply, and brings no word of it.

    Example:
        >>> import asyncio
        >>> async def each(words):
        ...     for word in words:
        ...         yield word.encode()
        >>> async def main(words):
        ...     given = undoubled(each(words), lambda event: event == b"<")
        ...     return "".join([event.decode() async for event in given])
        >>> asyncio.run(main("<<bbcc")), asyncio.run(main("<bbcc")), asyncio.run(main("aabb"))
        ('<bc', '<bbcc', 'aabb')
    """
    first: list[bytes] = []
    async with aclosing(events):
        async for event in events:
            first.append(event)
            if len(first) == 1:
                yield event
            elif len(first) == 2 and (event != first[0] or not opens(event)):  # noqa: PLR2004
                yield event
                break
            elif len(first) == 4:  # noqa: PLR2004
                if event == first[2] != first[0]:
                    yield event
                    events = _singles(events)
                else:
                    for held in first[1:]:
                        yield held
                break
        else:
            for held in first[1:]:
                yield held
            return
        async for event in events:
            yield event


async def _singles(events: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    last: bytes | None = None
    async for event in events:
        if event == last:
            last = None
            continue
        last = event
        yield event


class Pairs:
    """Notices whether the pieces of a reply come as pairs of equals.

    Example:
        >>> pairs = Pairs()
        >>> [pairs.seen(piece) for piece in ("Hel", "Hel", "lo", "lo")], pairs.are_twins
        (['Hel', 'Hel', 'lo', 'lo'], True)
    """

    def __init__(self) -> None:
        self._last: str | None = None
        self._are_equal = True

    @property
    def are_twins(self) -> bool:
        """Whether all have been pairs so far."""
        return self._are_equal and self._last is None

    def seen(self, piece: str) -> str:
        """Look at a piece, and return it."""
        if piece and self._are_equal:
            self._are_equal = self._last in (None, piece)
            self._last = piece if self._last is None else None
        return piece


def read_json(content: bytes) -> Any:
    r"""Read JSON that may be on the border of what is allowed; None where it is none.

    Example:
        >>> read_json(b'{"half": "\\ud83d"}'), read_json(b"<html>")
        ({'half': '\ud83d'}, None)
    """
    try:
        return from_json(content)
    except ValueError:
        pass
    try:
        # A number of thousands of digits is not read, which costs time that grows with their square.
        return json.loads(content, parse_int=lambda digits: int(digits) if len(digits) < _LONGEST_NUMBER else math.inf)
    except (ValueError, RecursionError):
        return None
