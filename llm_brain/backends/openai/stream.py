"""A chat completion that comes as server-sent events: events -> pieces of text -> the whole reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from llm_brain.attempts import FaultKind, Usage
from llm_brain.backends.contract import Reply
from llm_brain.backends.hosted.events import Runs, bare_error, read_json
from llm_brain.backends.hosted.faults import clipped, error_in, fault_in_body
from llm_brain.backends.hosted.http import LARGEST_REPLY
from llm_brain.backends.hosted.pieces import Growing, whole_characters
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
        self._ended_twice = False
        self._read = read
        self._model = model
        self._served = model
        self._address = address
        self._pieces = Growing()
        self._refusal = Growing()
        self._runs = Runs()
        self._beginning = _Beginning()
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
        self._look_for_error(body)
        if isinstance(body.get("model"), str):
            self._served = body["model"] or self._served
        self._usage = usage_of(body.get("usage")) or self._usage
        choices = body.get("choices")
        listed = [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
        # A server may give several choices, unasked; only the words of the first one are ours.
        choice = next((choice for choice in listed if not choice.get("index")), None)
        return "" if choice is None else self._take_choice(choice, body.get("id"))

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
        if self._runs.are_doubled(ended_twice=self._ended_twice):
            return self._broken(f"{self._address} sent each piece of the reply more than once", kind="incomplete")
        said = {"content": str(self._pieces) + self._half, "refusal": str(self._refusal)}
        notes = () if self.closed else ("the stream ended without its closing event",)
        try:
            return Reply(self._read(said, self._finish), self._finish, self._served, self._usage, notes=notes)
        except BackendError as error:
            error.usage = self._usage
            return error

    def _look_for_error(self, body: Mapping[str, Any]) -> None:
        error = error_in(body) or bare_error(body)
        if error is None:
            return
        fault = fault_in_body(error, model=self._model, base_url=self._address)
        if not self._pieces or fault.kind in ("auth", "quota"):
            fault.raw, fault.usage = str(self._pieces) or None, self._usage
            raise fault
        broken = self._broken(str(fault), kind="incomplete", retryable=fault.retryable)
        broken.code, broken.status = fault.code, fault.status
        raise broken

    def _take_choice(self, choice: Mapping[str, Any], name: object) -> str:
        if self.finished:
            self._ended_twice = self._ended_twice or bool(choice.get("finish_reason"))
            return ""  # the reply is at its end: what comes behind it comes twice
        delta = choice.get("delta") or choice.get("message")
        if isinstance(delta, dict) and self._beginning.is_another(name, delta, ends=bool(choice.get("finish_reason"))):
            message = f"{self._address} began another reply of {self._model!r} in the middle of one"
            raise self._broken(message, kind="incomplete")
        if isinstance(choice.get("finish_reason"), str):
            self._finish, self.finished = choice["finish_reason"], bool(choice["finish_reason"])
        self.closed = "message" in choice  # not streamed: this is all
        if not isinstance(delta, dict):
            return ""
        if isinstance(delta.get("refusal"), str):
            self._check_size(delta["refusal"])
            self._refusal.add(delta["refusal"])
        content = delta.get("content")
        if not isinstance(content, str):
            return ""
        self._check_size(content)
        self._runs.see(content)
        piece, self._half = whole_characters(self._half + content)
        self._pieces.add(piece)
        return piece

    def _check_size(self, piece: str) -> None:
        self._size += len(piece)
        if self._size > LARGEST_REPLY:
            message = f"{self._address} sent a reply of more than {LARGEST_REPLY:,} characters"
            raise BackendError(message, kind="too_large")

    def _broken(self, message: str, *, kind: FaultKind, retryable: bool = True) -> BackendError:
        raw = str(self._pieces) or None
        return BackendError(message, kind=kind, retryable=retryable, raw=raw, usage=self._usage, perhaps_billed=True)


class _Beginning:
    """Notices that another reply begins in the middle of one.

    Servers that give each event a new id, or the role in each, show nothing by them.
    """

    def __init__(self) -> None:
        self._name: object = None
        self._times = 0
        self._has_spoken = False  # under this id
        self._spoke_without_role = False

    def is_another(self, name: object, delta: Mapping[str, Any], *, ends: bool) -> bool:
        has_text, is_another = bool(delta.get("content")), False
        if name and name != self._name:
            is_another = self._times > 1 and self._has_spoken and (has_text or not ends)
            self._name, self._times, self._has_spoken = name, 0, False
        self._times += 1
        self._has_spoken = self._has_spoken or has_text
        if not delta.get("role"):
            self._spoke_without_role = self._spoke_without_role or has_text
        elif self._spoke_without_role and not ends:
            is_another = is_another or not any(delta[field] for field in delta if field not in ("role", "content"))
        return is_another


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
