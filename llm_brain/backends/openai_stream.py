"""A reply that comes as server-sent events: lines -> events -> pieces of text -> the whole reply.

The format is that of the HTML standard's section on server-sent events, of which chat completions use the `data` lines.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from pydantic_core import from_json

from llm_brain.backends.contract import Reply, Usage
from llm_brain.backends.faults import clipped, fault_in_body
from llm_brain.errors import BackendError

DONE = b"[DONE]"


async def read_events(lines: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    r"""Put lines together to the data of events, and leave out comments and other fields.

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
    async with aclosing(lines):
        async for line in lines:
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
            elif not line and data:
                yield b"\n".join(data)
                data = []
    if data:
        yield b"\n".join(data)


class StreamedReply:
    """A reply in the making.

    Args:
        model: The model that was asked.
        address: The server, as messages name it.

    Example:
        >>> streamed = StreamedReply("m", "http://127.0.0.1/v1")
        >>> streamed.take(b'{"choices": [{"delta": {"content": "Hello"}, "finish_reason": "stop"}]}')
        'Hello'
        >>> streamed.reply(lambda said, finish: said["content"]).text
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

    def take(self, event: bytes) -> str:
        """Take an event, and return the piece of text that it brings, which may be empty.

        Raises:
            BackendError: The event tells of an error, or is none.
        """
        if event.strip() == DONE:
            return ""
        try:
            body = from_json(event)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            message = f"{self._address} sent an event that is no JSON object: {clipped(event)}"
            raise self._broken(message)
        if body.get("error"):
            fault = fault_in_body(body["error"], model=self._model, base_url=self._address)
            raise BackendError(str(fault), kind=fault.kind, retryable=fault.retryable, raw="".join(self._pieces) or None)
        if isinstance(body.get("model"), str):
            self._served = body["model"] or self._served
        self._usage = usage_of(body.get("usage")) or self._usage
        choices = body.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        return self._take_choice(choice) if isinstance(choice, dict) else ""

    def reply(self, read: Callable[[Mapping[str, Any], object], str]) -> Reply:
        """Return the whole reply.

        Args:
            read: Takes the text out of a message, given its finish reason, and refuses what is no answer.

        Raises:
            BackendError: Of kind "incomplete" when the stream ended before the reply did.
        """
        if self._finish is None:
            message = f"{self._address} broke off in the middle of a reply of {self._model!r}"
            raise self._broken(message)
        said = {"content": "".join(self._pieces), "refusal": "".join(self._refusal)}
        return Reply(read(said, self._finish), self._finish, self._served, self._usage)

    def _take_choice(self, choice: Mapping[str, Any]) -> str:
        if isinstance(choice.get("finish_reason"), str):
            self._finish = choice["finish_reason"]
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            return ""
        if isinstance(delta.get("refusal"), str):
            self._refusal.append(delta["refusal"])
        piece = delta.get("content")
        if not isinstance(piece, str):
            return ""
        self._pieces.append(piece)
        return piece

    def _broken(self, message: str) -> BackendError:
        return BackendError(message, kind="incomplete", retryable=True, raw="".join(self._pieces) or None)


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
