"""A reply of Anthropic's messages API that comes as server-sent events: events -> pieces of text -> the whole reply.

A stream is a `message_start`; for each block a `content_block_start`, many a `content_block_delta` and a `content_block_stop`; a
`message_delta`, which brings the stop reason and the tokens; and a `message_stop`. A ping or an error may come anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from llm_brain.attempts import FaultKind
from llm_brain.backends.anthropic.faults import fault_in_reply
from llm_brain.backends.anthropic.reply import Said, judged, read_reply, reason, usage_of, word
from llm_brain.backends.anthropic.tool import Unwrapping
from llm_brain.backends.contract import Reply
from llm_brain.backends.hosted.events import Runs, bare_error, read_json
from llm_brain.backends.hosted.faults import clipped
from llm_brain.backends.hosted.http import LARGEST_REPLY
from llm_brain.backends.hosted.pieces import Growing, whole_characters
from llm_brain.errors import BackendError


class StreamedMessage:
    """A reply in the making.

    Args:
        model: The model that was asked.
        address: The server, as messages name it.
        has_tool: Whether the request had a schema: a tool's input is the reply then, and text beside it is not.
        is_wrapped: Whether that schema was put into a field of an object.

    Attributes:
        finished: Whether the reason has come why the reply is at its end.
        closed: Whether the event has come that ends the stream.

    Example:
        >>> streamed = StreamedMessage("claude", "http://127.0.0.1", has_tool=False, is_wrapped=False)
        >>> streamed.take(b'{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}}')
        'Hello'
        >>> streamed.take(b'{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}')
        ''
        >>> streamed.end().text
        'Hello'
    """

    def __init__(self, model: str, address: str, *, has_tool: bool, is_wrapped: bool) -> None:
        self.finished = False
        self.closed = False
        self._ended_twice = False
        self._model = model
        self._address = address
        self._has_tool = has_tool
        self._unwrapping = Unwrapping() if is_wrapped else None
        self._said = Said("", None, model)
        self._whole: Reply | None = None
        self._pieces = Growing()
        self._half = ""  # of a character
        self._aside = Growing()  # text that is the reply only if no tool is called
        self._tool: int | None = None
        self._input = ""  # a tool's input, where it came at once
        self._runs = Runs()
        self._block = b""  # the event that has just begun one
        self._counts: dict[str, Any] = {}
        self._has_begun = False
        self._has_counts = False
        self._size = 0

    def take(self, event: bytes) -> str:
        """Take an event, and return the piece of text that it brings, which may be empty.

        Raises:
            BackendError: The event tells of an error, or is none.
        """
        body = read_json(event)
        if not isinstance(body, dict):
            message = f"{self._address} sent an event that is no JSON object: {clipped(event)}"
            raise self._broken(message, kind="incomplete" if self._has_text else "protocol")
        bare = None if "type" in body else bare_error(body)
        if body.get("error") or body.get("type") == "error" or bare is not None:
            fault = fault_in_reply(body.get("error") or bare, model=self._model, base_url=self._address)
            if not self._has_text or fault.kind in ("auth", "quota"):
                fault.raw, fault.usage = str(self._pieces or self._aside) or None, usage_of(self._counts)
                raise fault
            broken = self._broken(str(fault), kind="incomplete", retryable=fault.retryable)
            broken.code, broken.status = fault.code, fault.status
            raise broken
        self._look_for_twins(event, body)
        if "content" in body:  # a server that does not stream
            return self._take_whole(event)
        match body.get("type"):
            case "message_start":
                self._begin(_part(body, "message"))
            case "content_block_start":
                return self._take_block(_part(body, "content_block"), body.get("index"))
            case "content_block_delta":
                return self._take_delta(_part(body, "delta"), body.get("index"))
            case "message_delta":
                self._stop(_part(body, "delta"), body.get("usage"))
            case "message_stop":
                self.closed = True
        return ""

    def end(self, fault: BackendError | None = None) -> Reply | BackendError:
        """Return the whole reply, or what is wrong with it.

        Once some of it has come, whatever goes wrong on the way makes it incomplete. A reply that had given its stop reason
        had ended by then.

        Args:
            fault: What went wrong while it was read.
        """
        if self._whole is not None:
            return self._whole
        if fault is not None and not (self._has_text and fault.kind in ("connection", "incomplete", "protocol")):
            return fault
        if self._said.stop is None:
            told = f"{self._address} ended the stream before the reply of {self._model!r} was at its end"
            if fault is None or fault.kind != "incomplete":
                fault = self._broken(str(fault or told), kind="incomplete")
            return fault
        if self._runs.are_doubled(ended_twice=self._ended_twice):
            return self._broken(f"{self._address} sent each piece of the reply more than once", kind="incomplete")
        self._said.text = self._text()
        self._said.usage = usage_of(self._counts) if self._has_counts else None
        try:
            reply = judged(self._said, model=self._model, base_url=self._address)
        except BackendError as error:
            return error
        return reply if self.closed else replace(reply, notes=("the stream ended without its closing event",))

    @property
    def _has_text(self) -> bool:
        return bool(self._pieces or self._aside or self._tool is not None)

    def _take_whole(self, event: bytes) -> str:
        has_tool, is_wrapped = self._has_tool, self._unwrapping is not None
        whole = read_reply(event, model=self._model, base_url=self._address, has_tool=has_tool, is_wrapped=is_wrapped)
        self._whole, self.finished, self.closed = whole, True, True
        return whole.text

    def _begin(self, message: Mapping[str, Any]) -> None:
        if self._has_begun:
            # A reply that is begun again in the middle is another one: what came before is none.
            told = f"{self._address} began the reply of {self._model!r} a second time"
            raise self._broken(told, kind="incomplete")
        self._has_begun = True
        self._said.served = word(message.get("model")) or self._model
        self._counts |= _part(message, "usage")

    def _look_for_twins(self, event: bytes, body: Mapping[str, Any]) -> None:
        # A block ends before the next one begins.
        if event == self._block:
            message = f"{self._address} sent an event of the reply twice"
            raise self._broken(message, kind="incomplete")
        self._block = event if body.get("type") == "content_block_start" else b""

    def _take_block(self, block: Mapping[str, Any], index: object) -> str:
        if self.finished:
            return ""
        if block.get("type") == "tool_use" and self._has_tool and self._tool is None and isinstance(index, int):
            self._tool = index
            given = block.get("input")
            with suppress(RecursionError):  # too deep to be an answer
                self._input = json.dumps(given, ensure_ascii=False) if isinstance(given, dict) else ""
        elif block.get("type") == "text" and isinstance(block.get("text"), str):
            return self._add_text(block["text"])
        return ""

    def _take_delta(self, delta: Mapping[str, Any], index: object) -> str:
        if self.finished:
            return ""  # the reply is at its end: what comes behind it comes twice
        if isinstance(delta.get("text"), str) and delta.get("type") == "text_delta":
            return self._add_text(delta["text"])
        piece = delta.get("partial_json")
        if isinstance(piece, str) and delta.get("type") == "input_json_delta" and index == self._tool and piece:
            self._check_size(piece)
            self._runs.see(piece)
            self._input = ""
            piece = self._unwrapping.feed(piece) if self._unwrapping is not None else piece
            return self._add(piece)
        return ""

    def _add_text(self, piece: str) -> str:
        self._check_size(piece)
        self._runs.see(piece)
        piece, self._half = whole_characters(self._half + piece)
        if not self._has_tool:
            return self._add(piece)
        self._aside.add(piece)
        return ""

    def _add(self, piece: str) -> str:
        self._pieces.add(piece)
        return piece

    def _stop(self, delta: Mapping[str, Any], usage: object) -> None:
        self._ended_twice = self._ended_twice or (self.finished and bool(word(delta.get("stop_reason"))))
        self._said.stop = word(delta.get("stop_reason")) or self._said.stop
        self.finished = self._said.stop is not None
        self._said.why = reason(delta.get("stop_details")) or self._said.why
        if isinstance(usage, dict):
            # The counts are totals; those that did not change may be left out.
            self._counts |= {name: count for name, count in usage.items() if count is not None}
            self._has_counts = True

    def _text(self) -> str:
        if self._tool is None:
            return str(self._aside or self._pieces) + self._half
        text = str(self._pieces)
        if self._unwrapping is not None:
            text += self._unwrapping.feed(self._input) + self._unwrapping.rest()
            return text
        return text or self._input

    def _check_size(self, piece: str) -> None:
        self._size += len(piece)
        if self._size > LARGEST_REPLY:
            message = f"{self._address} sent a reply of more than {LARGEST_REPLY:,} characters"
            raise BackendError(message, kind="too_large")

    def _broken(self, message: str, *, kind: FaultKind, retryable: bool = True) -> BackendError:
        raw = str(self._pieces or self._aside) or None
        told = usage_of(self._counts)
        return BackendError(message, kind=kind, retryable=retryable, raw=raw, usage=told, perhaps_billed=True)


def _part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = body.get(name)
    return part if isinstance(part, dict) else {}
