"""A server of chat completions on the loopback interface, which answers every request with the expected ticket.

    python -m benchmarks.typed_calls.server [PORT]

The first line that it prints is its port; port 0, the default, is any free one. An address names who asks and how long
the answer takes, `http://127.0.0.1:PORT/ROW/50/v1` for 50 ms, so that the server needs no state to be switched. How a row
wants to be answered (a tool's arguments, JSON, DSPy's marks, a stream) is read from its first request; later ones get the
same bytes. `GET /requests` tells how many requests each row has made.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from collections import Counter
from typing import Any

from benchmarks.typed_calls.ticket import EXPECTED, MODEL

ANSWER = EXPECTED.model_dump_json()
PATH = re.compile(rb"POST /(\w+)/(\d+)/v1/chat/completions ")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
USAGE = {"prompt_tokens": 200, "completion_tokens": 60, "total_tokens": 260}

replies: dict[bytes, bytes] = {}
requests: Counter[str] = Counter()


class Connection(asyncio.Protocol):
    """One kept-alive connection: requests come in one after the other, and each is answered after its row's delay."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return
        length = LENGTH.search(head)
        if len(body) < (int(length.group(1)) if length else 0):
            return
        self.received = b""
        self.answer(head, body)

    def answer(self, head: bytes, body: bytes) -> None:
        path = PATH.match(head)
        if path is None:
            known = head.startswith(b"GET /requests ")
            self.send(http(json.dumps(requests if known else {"error": {"message": "no such page"}}), 200 if known else 404))
            return
        row = path.group(1)
        requests[row.decode()] += 1
        if row not in replies:
            replies[row] = reply(json.loads(body))
        delay = int(path.group(2))
        if delay:
            asyncio.get_running_loop().call_later(delay / 1000, self.send, replies[row])
        else:
            self.send(replies[row])

    def send(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)


def reply(body: dict[str, Any]) -> bytes:
    """Write the answer as the request asks for it."""
    if body.get("tools"):
        function = {"name": body["tools"][0]["function"]["name"], "arguments": ANSWER}
        said: dict[str, Any] = {"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}
    elif "[[ ## " in str(body["messages"]):  # DSPy's
        field = re.findall(r"\[\[ ## (\w+) ## \]\]", body["messages"][0]["content"])[-2]
        said = {"content": f"[[ ## {field} ## ]]\n{ANSWER}\n\n[[ ## completed ## ]]"}
    else:
        said = {"content": ANSWER}
    finish = "tool_calls" if "tool_calls" in said else "stop"
    return stream(said, finish) if body.get("stream") else http(json.dumps(completion("message", said, finish)))


def completion(part: str, said: dict[str, Any], finish: str | None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion" if part == "message" else "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": [{"index": 0, part: {"role": "assistant", **said}, "finish_reason": finish, "logprobs": None}],
        "usage": USAGE,
    }


def stream(said: dict[str, Any], finish: str) -> bytes:
    """Write the whole answer as one event, the best case for a row that streams."""
    if "tool_calls" in said:
        said = {**said, "tool_calls": [{"index": 0, **said["tool_calls"][0]}]}
    events = (completion("delta", said, None), completion("delta", {}, finish))
    lines = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    return http(f"{lines}data: [DONE]\n\n", kind="text/event-stream")


def http(text: str, status: int = 200, kind: str = "application/json") -> bytes:
    body = text.encode()
    head = f"HTTP/1.1 {status} {'OK' if status == 200 else 'Not Found'}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
