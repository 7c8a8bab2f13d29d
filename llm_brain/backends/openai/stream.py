"""A chat completion that comes as server-sent events: events -> pieces of text -> the whole reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from llm_brain.attempts import FaultKind, Usage
from llm_brain.backends.contract import Reply
from llm_brain.backends.hosted.events import read_json
from llm_brain.backends.hosted.faults import clipped, error_in, fault_in_body
from llm_brain.backends.hosted.http import LARGEST_REPLY
from llm_brain.backends.hosted.pieces import whole_characters
from llm_brain.errors import BackendError

DONE: Final = b"[DONE]"


class StreamedReply:
    """A reply in the making.

    Args:
        model: The model that was asked.
        address: The server, as messages name it.
        read: Takes the text out of a message, given its finish reason, and refuses what is no answer.

    Attributes:
        finished: Whether the reason has come why the reply is at its end.
        closed: Whether the event has come that ends the stream.
        ended_twice: Whether the reason came twice.

    Example:
        >>> streamed = StreamedReply("m", "http://127.0.0.1/v1", lambda said, finish: said["content"])
        >>> streamed.take(b'{"choices": [{"delta": {"content": "Hello"}, "finish_reason": "stop"}]}')
        'Hello'
        >>> streamed.end().text
        'Hello'
    """

    def __init__(self, model: str, address: str, read: Callable[[Mapping[str, Any], object], str]) -> None:
        self.finished = False
        self.closed = False
        self.ended_twice = False
        self._read = read
        self._model = model
        self._served = model
        self._address = address
        self._pieces: list[str] = []
        self._refusal: list[str] = []
        self._finish: str | None = None
        self._usage: Usage | None = None
        self._half = ""
        self._size = 0

    def take(self, event: bytes) -> str:
        """Take an event, and return the piece of text that it brings, which may be empty.

        Raises:
            BackendError: The event tells of an error, or is none.
        """
        if event.strip() == DONE:
            self.closed = True
            return ""
        body = read_json(event)
        if not isinstance(body, dict):
            message = f"{self._address} sent an event that is no JSON object: {clipped(event)}"
            raise self._broken(message, kind="incomplete" if self._pieces else "protocol")
        error = error_in(body)
        if error is not None:
            fault = fault_in_body(error, model=self._model, base_url=self._address)
            if not self._pieces or fault.kind in ("auth", "quota"):
                fault.raw, fault.usage = "".join(self._pieces) or None, self._usage
                raise fault
            broken = self._broken(str(fault), kind="incomplete", retryable=fault.retryable)
            broken.code, broken.status = fault.code, fault.status
            raise broken
        if isinstance(body.get("model"), str):
            self._served = body["model"] or self._served
        self._usage = usage_of(body.get("usage")) or self._usage
        choices = body.get("choices")
        listed = [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
        # A server may give several choices, unasked; only the words of the first one are ours.
        choice = next((choice for choice in listed if not choice.get("index")), None)
        return "" if choice is None else self._take_choice(choice)

    def end(self, fault: BackendError | None = None) -> Reply | BackendError:
        """Return the whole reply, or what is wrong with it.

        Once some of it has come, whatever goes wrong on the way makes it incomplete. A reply that had given its finish reason
        had ended by then.

        Args:
            fault: What went wrong while it was read.
        """
        on_the_way = fault is not None and fault.kind in ("connection", "incomplete", "protocol")
        if fault is not None and not (on_the_way and self._pieces):
            return fault
        if self._finish is None:
            if fault is not None and fault.kind == "incomplete":
                return fault
            told = f"{self._address} ended the stream before the reply of {self._model!r} was at its end"
            return self._broken(str(fault or told), kind="incomplete")
        said = {"content": "".join(self._pieces) + self._half, "refusal": "".join(self._refusal)}
        notes = () if self.closed else ("the stream ended without its closing event",)
        try:
            return Reply(self._read(said, self._finish), self._finish, self._served, self._usage, notes=notes)
        except BackendError as error:
            error.usage = self._usage
            return error

    def _take_choice(self, choice: Mapping[str, Any]) -> str:
        if self.finished:
            self.ended_twice = self.ended_twice or bool(choice.get("finish_reason"))
            return ""  # the reply is at its end: what comes behind it comes twice
        if isinstance(choice.get("finish_reason"), str):
            self._finish, self.finished = choice["finish_reason"], bool(choice["finish_reason"])
        self.closed = "message" in choice  # not streamed: this is all
        delta = choice.get("delta") or choice.get("message")
        if not isinstance(delta, dict):
            return ""
        if isinstance(delta.get("refusal"), str):
            self._refusal.append(delta["refusal"])
        content = delta.get("content")
        if not isinstance(content, str):
            return ""
        piece, self._half = whole_characters(self._half + content)
        self._size += len(piece)
        if self._size > LARGEST_REPLY:
            message = f"{self._address} sent a reply of more than {LARGEST_REPLY:,} characters"
            raise BackendError(message, kind="too_large")
        if piece:
            self._pieces.append(piece)
        return piece

    def _broken(self, message: str, *, kind: FaultKind, retryable: bool = True) -> BackendError:
        raw = "".join(self._pieces) or None
        return BackendError(message, kind=kind, retryable=retryable, raw=raw, usage=self._usage, perhaps_billed=True)


def usage_of(value: object) -> Usage | None:
    """Read the tokens out of a body's `usage`; None where it is missing or junk.

    Example:
        >>> usage_of({"prompt_tokens": 12, "completion_tokens": 3}), usage_of({"prompt_tokens": -1})
        (Usage(input_tokens=12, output_tokens=3, cache_read_tokens=0, cache_write_tokens=0), None)
    """
    if not isinstance(value, dict):
        return None
    read, written = value.get("prompt_tokens"), value.get("completion_tokens")
    if type(read) is not int or type(written) is not int or read < 0 or written < 0:
        return None
    details = value.get("prompt_tokens_details")
    kept = details.get("cached_tokens") if isinstance(details, dict) else 0
    return Usage(read, written, kept if type(kept) is int and 0 <= kept <= read else 0)
