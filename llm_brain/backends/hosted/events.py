"""Server-sent events: lines -> the data of events; and the JSON in them.

The format is that of the HTML standard's section on server-sent events, of which language models' servers use the `data` lines.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final

from pydantic_core import from_json

from llm_brain.errors import BackendError

_LONGEST_NUMBER: Final = 4000
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_SURELY: Final = 5
"""How much has to come doubled that a model does not say: a longer piece weighs more than as many characters alone."""
_FIELDS: Final = (b":", b"data", b"event", b"id", b"retry")


async def read_events(lines: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    r"""Put lines together to the data of events, and leave out comments and other fields.

    What does not begin as a stream of events is one event as a whole. An event that is named an error has an `error` in its JSON.

    Raises:
        BackendError: An event is too large.

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
    data: bytes | bytearray | None = None
    name, mark = b"", b""
    repeats = _Repeats()
    begun = False
    async with aclosing(lines):
        async for line in lines:
            field = line if begun else line.removeprefix(_BYTE_ORDER_MARK)
            if not begun and field and not field.startswith(_FIELDS):
                # A server that does not stream, or a page of something else.
                data = field
                async for rest in lines:
                    data = _longer(data, rest)
                yield bytes(data)
                return
            begun = begun or bool(field)
            if field.startswith(b"data:"):
                piece = field[5:].removeprefix(b" ")
                data = piece if data is None else _longer(data, piece)
            elif field.startswith(b"event:"):
                name = field[6:].strip()
            elif field.startswith(b"id:"):
                mark = field[3:].strip()
            elif not field:
                if (event := _event(name, data)) and not repeats.seen(mark, event):
                    yield event
                data, name, mark = None, b"", b""
    if (event := _event(name, data)) and not repeats.seen(mark, event):
        yield event


def _longer(data: bytes | bytearray, line: bytes) -> bytearray:
    from llm_brain.backends.hosted.http import LARGEST_REPLY

    longer = data if isinstance(data, bytearray) else bytearray(data)
    longer += b"\n"
    longer += line
    if len(longer) > LARGEST_REPLY:
        message = f"the server sent an event of more than {LARGEST_REPLY:,} bytes: that is no reply of a model"
        raise BackendError(message, kind="too_large")
    return longer


def _event(name: bytes, data: bytes | bytearray | None) -> bytes:
    told = bytes(data or b"")
    if name != b"error":
        return told
    body = read_json(told) if told else None
    if isinstance(body, dict):
        return told if body.get("error") else b'{"error":' + told + b"}"
    return json.dumps({"error": {"message": told.decode("utf-8", "replace") or "an error without a word"}}).encode()


class _Repeats:
    """Notices an event that is sent again, by its id, where a server gives each event one of its own."""

    def __init__(self) -> None:
        self._mark = self._event = b""
        self._changed = False
        self._are_own = True

    def seen(self, mark: bytes, event: bytes) -> bool:
        if not mark or mark != self._mark:
            self._changed = self._changed or bool(mark and self._mark)
            self._mark, self._event = mark, event
            return False
        self._are_own = self._are_own and event == self._event
        return self._are_own and self._changed


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


class Runs:
    """Notices whether each piece of a reply comes twice, or as many times as all others.

    A model may say the same again, too: a short reply of single characters in pairs is believed, unless its end came twice.

    Example:
        >>> runs = Runs()
        >>> for piece in ("Hel", "Hel", "lo", "lo"):
        ...     runs.see(piece)
        >>> runs.are_doubled(ended_twice=False)
        True
    """

    def __init__(self) -> None:
        self._piece = ""
        self._length = 0
        self._divisor = 0  # of the lengths of all runs that are over
        self._weight = 0

    def see(self, piece: str) -> None:
        """Look at a piece."""
        if not piece or self._divisor == 1:
            return
        if piece == self._piece:
            self._length += 1
            return
        self._end_run()
        self._piece, self._length = piece, 1

    def are_doubled(self, *, ended_twice: bool) -> bool:
        """Tell whether all came doubled so far; `ended_twice` is whether the end of the reply did."""
        self._end_run()
        return self._divisor > 1 and (ended_twice or self._weight >= _SURELY)

    def _end_run(self) -> None:
        if self._length:
            self._divisor = math.gcd(self._divisor, self._length)
            self._weight += 2 * len(self._piece) - 1
        self._piece, self._length = "", 0


def bare_error(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Find an error that stands in an event as it is, where a piece of a reply should be; None where it is none.

    Example:
        >>> bare_error({"message": "out of memory", "code": 500})
        {'message': 'out of memory', 'code': 500}
    """
    if "choices" in body or body.get("usage"):
        return None
    if isinstance(body.get("message"), str) and (body.get("code") or body.get("status")):
        return body
    return {"message": body["detail"]} if isinstance(body.get("detail"), str) and body["detail"] else None


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
