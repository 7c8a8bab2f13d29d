"""What the tests of this room share: a tiny model made on the spot, the embedded one, and an HTTP server that misbehaves."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from llm_brain.backends import LocalBackend
from llm_brain.backends.embedded import weights_folder
from llm_brain.backends.local.engine import Engine

CHAT = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant: "


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    # Two threads on two processors, one of them busy, wait for each other: twenty times slower than one.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a Llama of 2 layers with random weights, and a tokenizer whose tokens are bytes; 256 tokens of context."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={"<end>": 0, **{letter: i + 1 for i, letter in enumerate(letters)}}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", chat_template=CHAT)
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        initializer_range=0.5,
        bos_token_id=None,
        eos_token_id=0,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_engine(tiny_folder: Path) -> Engine:
    return Engine(tiny_folder, dtype=torch.float32)


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> LocalBackend:
    return LocalBackend(tiny_folder, model_id="tiny")


@pytest.fixture(scope="session")
def smollm2_engine() -> Engine:
    return Engine(weights_folder(), dtype=torch.float32)


@dataclass
class LoopbackServer:
    """An HTTP server on 127.0.0.1; `answer` gets each request's JSON and returns status, headers and body."""

    url: str
    answer: Callable[[dict[str, Any]], tuple[int, dict[str, str], bytes]]
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def says(self, body: object, status: int = 200, **headers: str) -> None:
        """Answer every request with the same body: bytes as they are, and anything else as JSON."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
        self.answer = lambda _: (status, named, sent)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackServer]:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    loopback = LoopbackServer("", lambda _: (500, {}, b""))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            loopback.headers.append({name.lower(): value for name, value in self.headers.items()})
            loopback.requests.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            status, headers, body = loopback.answer(loopback.requests[-1])
            try:
                self.send_response(status)
                for name, value in {"content-length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                self.close_connection = True  # the client has gone: that is what some tests are about

        def log_message(self, *_: object) -> None:
            return

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    listening.block_on_close = False
    loopback.url = f"http://127.0.0.1:{listening.server_port}/v1"
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield loopback
    listening.shutdown()
    listening.server_close()
    thread.join()


class Wire:
    """One request of a client, and the wire that it came over: a test sends back what it likes, byte by byte."""

    def __init__(self, connection: socket.socket, path: str, headers: dict[str, str], body: bytes) -> None:
        self.connection = connection
        self.path = path
        self.headers = headers
        self.content = body
        self.is_open = True

    @property
    def body(self) -> Any:
        return json.loads(self.content)

    def send(self, data: bytes) -> None:
        if self.is_open:
            with contextlib.suppress(OSError):
                self.connection.sendall(data)

    def head(self, status: int = 200, **headers: str) -> None:
        named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.send(f"HTTP/1.1 {status} whatever\r\n{named}\r\n".encode())

    def reply(self, body: object, status: int = 200, **headers: str) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.head(status, **{"content_type": "application/json", "content_length": str(len(content)), **headers})
        self.send(content)

    def begin_events(self) -> None:
        self.head(content_type="text/event-stream", transfer_encoding="chunked")

    def chunk(self, data: bytes) -> None:
        """Send a part of a body of unknown length; an empty one is its end."""
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def hung_up(self, within: float = 5.0) -> bool:
        """Tell whether the client closes the connection in time."""
        self.connection.settimeout(within)
        try:
            return self.connection.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True
        finally:
            self.connection.settimeout(None)

    def reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self.is_open = False
        self.connection.close()


class WireServer:
    """Listens on 127.0.0.1 and has each request played by `play`, in a thread of its connection's own."""

    def __init__(self) -> None:
        self.play: Callable[[Wire], None] = lambda wire: wire.reply({})
        self.wires: list[Wire] = []
        self.connections: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def stop(self) -> None:
        # Closing a socket wakes nobody who accepts on it; shutting it down does.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for connection in self.connections:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # each send is a packet
            self.connections.append(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        # Bytes are read one request at a time: a client that is well brought up sends the next one after the answer.
        with contextlib.suppress(OSError), connection.makefile("rb", buffering=0) as file:
            while (wire := _next_wire(connection, file)) is not None:
                self.wires.append(wire)
                self.play(wire)
                if not wire.is_open:
                    return


def _next_wire(connection: socket.socket, file: Any) -> Wire | None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = file.read(1)
        if not byte:
            return None
        head += byte
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = b""
    while len(body) < int(headers.get("content-length", 0)):
        body += file.read(int(headers["content-length"]) - len(body))
    return Wire(connection, first.split(" ")[1], headers, body)


@pytest.fixture
def wires(monkeypatch: pytest.MonkeyPatch) -> Iterator[WireServer]:
    """Make a server whose every byte is a test's own, for what goes wrong on the way."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    serving = WireServer()
    yield serving
    serving.stop()
