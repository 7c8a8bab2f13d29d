"""What a good server says, and how it says that something is wrong: in OpenAI's words and in Anthropic's.

An act of a dialect looks at the request: who asked for a stream gets events, and who did not gets JSON.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final

from tests.servers.acts import answers, streams
from tests.servers.faulty import Act, Wire

MODEL: Final = "m-1"
USED: Final = (12, 3)


class Dialect(ABC):
    """One way of speaking. `end` is "stop", "length", "refusal" or "filter"."""

    name: str
    ending: str
    """The last event of a whole stream."""

    @abstractmethod
    def body(self, content: Any = "Hello!", *, end: str = "stop", **fields: Any) -> dict[str, Any]:
        """Return a whole answer as JSON; fields replace its own, and those that are `...` are left out."""

    @abstractmethod
    def events(self, *pieces: Any, end: str | None = "stop", closed: bool = True, **fields: Any) -> list[bytes]:
        """Return a whole answer as events, a piece of text each; without `end` it tells no finish reason."""

    @abstractmethod
    def error(self, message: str, *, kind: str = "", code: Any = None) -> dict[str, Any]:
        """Return the body of an answer that is no success."""

    @abstractmethod
    def error_event(self, message: str, kind: str = "") -> bytes:
        """Return the event that says in the middle of a stream that something is wrong."""

    @abstractmethod
    def filler(self) -> bytes:
        """Return what a server sends to keep a connection open while a model thinks."""

    def says(self, content: Any = "Hello!", *, end: str = "stop", **fields: Any) -> Act:
        """Answer with a text, in one piece or, to who asked for a stream, in pieces of three characters."""

        async def act(wire: Wire) -> None:
            if not wire.request.is_streamed:
                await answers(self.body(content, end=end, **fields))(wire)
                return
            pieces = [content[at : at + 3] for at in range(0, len(content), 3)] if isinstance(content, str) else [content]
            await streams(*self.events(*pieces, end=end, **fields))(wire)

        return act

    def fails(self, status: int, message: str = "it went wrong", *, kind: str = "", code: Any = None, **headers: object) -> Act:
        """Answer with an error, in this dialect's words."""
        return answers(self.error(message, kind=kind, code=code), status, **headers)

    def either(self, whole: Act, streamed: Act) -> Act:
        """Play the first act for who asked for JSON, and the second for who asked for a stream."""

        async def act(wire: Wire) -> None:
            await (streamed if wire.request.is_streamed else whole)(wire)

        return act


class OpenAI(Dialect):
    """Chat completions, as OpenAI, vLLM, Ollama and llama.cpp speak them."""

    name = "openai"
    ending = "data: [DONE]\n\n"
    _ends: Final = {"stop": "stop", "length": "length", "refusal": "stop", "filter": "content_filter"}

    def body(self, content: Any = "Hello!", *, end: str = "stop", **fields: Any) -> dict[str, Any]:
        message = {"role": "assistant", "content": content, "refusal": None}
        if end == "refusal":
            message = {**message, "content": None, "refusal": content}
        return _with(
            {
                "id": "c1",
                "object": "chat.completion",
                "created": 1,
                "model": MODEL,
                "choices": [{"index": 0, "message": message, "finish_reason": self._ends[end]}],
                "usage": self.usage(),
            },
            fields,
        )

    def usage(self, read: Any = USED[0], written: Any = USED[1]) -> dict[str, Any]:
        return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": 15}

    def events(self, *pieces: Any, end: str | None = "stop", closed: bool = True, **fields: Any) -> list[bytes]:
        word = "refusal" if end == "refusal" else "content"
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, *({word: piece} for piece in pieces)]
        sent = [self.chunk(delta, **fields) for delta in deltas]
        if end is not None:
            sent.append(self.chunk({}, self._ends[end], **fields))
        if closed:
            told = _with({**self._chunk([]), "usage": self.usage()}, fields)
            sent += [event(told), self.ending.encode()]
        return sent

    def chunk(self, delta: Any, finish: str | None = None, **fields: Any) -> bytes:
        told = {name: value for name, value in fields.items() if name != "usage"}
        return event(_with(self._chunk([{"index": 0, "delta": delta, "finish_reason": finish}]), told))

    def error(self, message: str, *, kind: str = "", code: Any = None) -> dict[str, Any]:
        return {"error": {"message": message, "type": kind or "some_error", "param": None, "code": code}}

    def error_event(self, message: str, kind: str = "") -> bytes:
        return event(self.error(message, kind=kind or "server_error"))

    def filler(self) -> bytes:
        return b": keep-alive\n\n"

    def _chunk(self, choices: Sequence[Any]) -> dict[str, Any]:
        return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": list(choices)}


class Anthropic(Dialect):
    """Messages, as Anthropic speaks them."""

    name = "anthropic"
    ending = 'event: message_stop\ndata: {"type": "message_stop"}\n\n'
    _ends: Final = {"stop": "end_turn", "length": "max_tokens", "refusal": "refusal", "filter": "refusal"}

    def body(self, content: Any = "Hello!", *, end: str = "stop", **fields: Any) -> dict[str, Any]:
        return _with(
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": MODEL,
                "content": [{"type": "text", "text": content}],
                "stop_reason": self._ends[end],
                "stop_sequence": None,
                "usage": self.usage(),
            },
            fields,
        )

    def usage(self, read: Any = USED[0], written: Any = USED[1]) -> dict[str, Any]:
        return {"input_tokens": read, "output_tokens": written}

    def events(self, *pieces: Any, end: str | None = "stop", closed: bool = True, **fields: Any) -> list[bytes]:
        usage = fields.pop("usage", self.usage())
        begun = {} if usage is ... else {"usage": {**usage, "output_tokens": 1} if isinstance(usage, dict) else usage}
        ended = {} if usage is ... else {"usage": {"output_tokens": usage["output_tokens"]} if _tells(usage) else usage}
        whole = self.body(content=[], **{**fields, "usage": ...})
        sent = [
            named("message_start", message={**whole, "content": [], "stop_reason": None, **begun}),
            named("content_block_start", index=0, content_block={"type": "text", "text": ""}),
            named("ping"),
            *(named("content_block_delta", index=0, delta={"type": "text_delta", "text": piece}) for piece in pieces),
            named("content_block_stop", index=0),
        ]
        if end is not None:
            sent.append(named("message_delta", delta={"stop_reason": self._ends[end], "stop_sequence": None}, **ended))
        return [*sent, self.ending.encode()] if closed else sent

    def error(self, message: str, *, kind: str = "", code: Any = None) -> dict[str, Any]:
        told = {} if code is None else {"code": code}
        return {"type": "error", "error": {"type": kind or "some_error", "message": message, **told}, "request_id": "req_1"}

    def error_event(self, message: str, kind: str = "") -> bytes:
        return named("error", error={"type": kind or "overloaded_error", "message": message})

    def filler(self) -> bytes:
        return named("ping")


OPENAI: Final = OpenAI()
ANTHROPIC: Final = Anthropic()
DIALECTS: Final[tuple[Dialect, ...]] = (OPENAI, ANTHROPIC)


def event(body: object) -> bytes:
    """Write JSON as an event; half a character is written as it stands."""
    return b"data: " + json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n\n"


def named(kind: str, **fields: Any) -> bytes:
    """Write an event that has its kind for a name and in its body, as Anthropic's have."""
    return b"event: " + kind.encode() + b"\n" + event({"type": kind, **fields})


async def friendly(wire: Wire) -> None:
    """Answer whatever is asked for at each of the known paths as a good server does."""
    path = wire.request.path
    if path.endswith("/chat/completions"):
        await OPENAI.says()(wire)
    elif path.endswith("/messages"):
        await ANTHROPIC.says()(wire)
    elif path.endswith("/embeddings"):
        await vectors()(wire)
    elif path.endswith("/models"):
        await answers({"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "nobody"}]})(wire)
    else:
        await OPENAI.fails(404, f"there is no {path}")(wire)


def vectors(width: int = 4, **fields: Any) -> Act:
    """Answer with a vector for each text: its place, in every dimension."""

    async def act(wire: Wire) -> None:
        asked = wire.request.body["input"]
        texts = [asked] if isinstance(asked, str) else asked
        data = [{"object": "embedding", "index": at, "embedding": [float(at)] * width} for at in range(len(texts))]
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        await answers(_with({"object": "list", "model": MODEL, "data": data, "usage": usage}, fields))(wire)

    return act


def _with(body: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**body, **fields}.items() if value is not ...}


def _tells(usage: object) -> bool:
    return isinstance(usage, dict) and "output_tokens" in usage
