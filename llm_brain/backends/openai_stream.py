"""A reply that comes as server-sent events: lines -> events -> pieces of text -> the whole reply.

The format is that of the HTML standard's section on server-sent events, of which chat completions use the `data` lines.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final

from pydantic_core import from_json

from llm_brain.attempts import FaultKind, Usage
from llm_brain.backends.contract import Reply
from llm_brain.backends.faults import clipped, fault_in_body
from llm_brain.backends.http import LARGEST_REPLY
from llm_brain.errors import BackendError

DONE: Final = b"[DONE]"
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


class StreamedReply:
    """A reply in the making.

    Args:
        model: The model that was asked.
        address: The server, as messages name it.

    Example:
        >>> streamed = StreamedReply("m", "http://127.0.0.1/v1")
        >>> streamed.take(b'{"choices": [{"delta": {"content": "Hello"}, "finish_reason": "stop"}]}')
        'Hello'
        >>> streamed.end(lambda said, finish: said["content"]).text
        'Hello'
    """

    def __init__(self, model: str, address: str) -> None:
        self._model = model
        self._served = model
        self._address = address
        self._pieces: list[str] = []
        self._refusal: list[str] = []
        self._finish: str | None = None
        self._usage: Usage | None = None
        self._half = ""
        self._size = 0
        self._heard = time.monotonic()

    def take(self, event: bytes) -> str:
        """Take an event, and return the piece of text that it brings, which may be empty.

        Raises:
            BackendError: The event tells of an error, or is none.
        """
        self._heard = time.monotonic()
        if event.strip() == DONE:
            return ""
        body = read_json(event)
        if not isinstance(body, dict):
            message = f"{self._address} sent an event that is no JSON object: {clipped(event)}"
            raise self._broken(message, kind="incomplete" if self._pieces else "protocol")
        if body.get("error"):
            fault = fault_in_body(body["error"], model=self._model, base_url=self._address)
            raise self._broken(str(fault), kind="incomplete" if self._pieces else fault.kind, retryable=fault.retryable)
        if isinstance(body.get("model"), str):
            self._served = body["model"] or self._served
        self._usage = usage_of(body.get("usage")) or self._usage
        choices = body.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        return self._take_choice(choice) if isinstance(choice, dict) else ""

    def end(
        self, read: Callable[[Mapping[str, Any], object], str], fault: BackendError | None = None, *, patience: float = 0.0
    ) -> Reply | BackendError:
        """Return the whole reply, or what is wrong with it.

        Once some of it has come, whatever goes wrong on the way makes it incomplete; only a stream that was still speaking
        when its time was up was no more than slow. A reply that had given its finish reason had ended by then.

        Args:
            read: Takes the text out of a message, given its finish reason, and refuses what is no answer.
            fault: What went wrong while it was read.
            patience: The longest time that it might have taken, in seconds.
        """
        on_the_way = fault is not None and fault.kind in ("connection", "protocol", "timeout")
        if fault is not None and not (on_the_way and self._pieces):
            return fault
        if self._finish is None:
            is_slow = fault is not None and fault.kind == "timeout" and time.monotonic() - self._heard < patience / 2
            told = f"{self._address} ended the stream before the reply of {self._model!r} was at its end"
            return self._broken(str(fault or told), kind="timeout" if is_slow else "incomplete")
        said = {"content": "".join(self._pieces) + self._half, "refusal": "".join(self._refusal)}
        try:
            return Reply(read(said, self._finish), self._finish, self._served, self._usage)
        except BackendError as error:
            return error

    def _take_choice(self, choice: Mapping[str, Any]) -> str:
        if isinstance(choice.get("finish_reason"), str):
            self._finish = choice["finish_reason"]
        delta = choice.get("delta") or choice.get("message")
        if not isinstance(delta, dict):
            return ""
        if isinstance(delta.get("refusal"), str):
            self._refusal.append(delta["refusal"])
        content = delta.get("content")
        if not isinstance(content, str):
            return ""
        piece, self._half = _whole_characters(self._half + content)
        self._size += len(piece)
        if self._size > LARGEST_REPLY:
            message = f"{self._address} sent a reply of more than {LARGEST_REPLY:,} characters"
            raise BackendError(message, kind="too_large")
        if piece:
            self._pieces.append(piece)
        return piece

    def _broken(self, message: str, *, kind: FaultKind, retryable: bool = True) -> BackendError:
        return BackendError(message, kind=kind, retryable=retryable, raw="".join(self._pieces) or None)


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
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def usage_of(value: object) -> Usage | None:
    """Read the tokens out of a body's `usage`; None where it is missing or junk.

    Example:
        >>> usage_of({"prompt_tokens": 12, "completion_tokens": 3}), usage_of({"prompt_tokens": -1})
        (Usage(input_tokens=12, output_tokens=3), None)
    """
    if not isinstance(value, dict):
        return None
    read, written = value.get("prompt_tokens"), value.get("completion_tokens")
    if type(read) is not int or type(written) is not int or read < 0 or written < 0:
        return None
    return Usage(read, written)


def _whole_characters(text: str) -> tuple[str, str]:
    """Put the halves of a character together that some servers send apart; the half at the end waits for its other one."""
    if text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text):
        return text, ""
    units = text.encode("utf-16-le", "surrogatepass")
    joined = units.decode("utf-16-le", "surrogatepass")
    return (joined[:-1], joined[-1]) if "\ud800" <= joined[-1] <= "\udbff" else (joined, "")
