"""What the tests of the command share: the command as a process, and a model's server on the loopback interface."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

KEY = "Zq7-Kd0_pW9xLm4T"
COMMAND = [sys.executable, "-c", "from llm_brain.cli import main; main()"]


@dataclass
class ModelServer:
    """Speaks OpenAI's language, and a little of Anthropic's: it has a list of models, and says what it is told to say."""

    url: str
    says: str = "Paris."
    models: list[str] = field(default_factory=lambda: ["qwen3-4b", "qwen3-8b"])
    key: str | None = None
    status: int | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    before_the_second_piece: Callable[[], object] = lambda: None

    def answers(self, path: str, headers: dict[str, str]) -> tuple[int, Any]:
        if self.status is not None:
            return self.status, {"error": {"message": f"no, {headers.get('authorization')}"}}
        if self.key is not None and f"Bearer {self.key}" != headers.get("authorization") and self.key != headers.get("x-api-key"):
            return 401, {"error": {"message": f"wrong key: {headers.get('authorization')}"}}
        if path.endswith("/models"):
            return 200, {"data": [{"id": name} for name in self.models]}
        message = {"role": "assistant", "content": self.says}
        usage = {"prompt_tokens": 12, "completion_tokens": 3}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return 200, {"model": "qwen3-4b", "choices": [choice], "usage": usage}

    def pieces(self) -> list[str]:
        words = self.says.split(" ")
        return [word if number == 0 else f" {word}" for number, word in enumerate(words)]


def handler_of(loopback: ModelServer) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - methods of one small class
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._tell()
            self._send(*loopback.answers(self.path, loopback.headers[-1]))

        def do_POST(self) -> None:
            self._tell()
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            loopback.asked.append(body)
            status, answer = loopback.answers(self.path, loopback.headers[-1])
            if status == 200 and body.get("stream"):
                self._stream()
            else:
                self._send(status, answer)

        def _tell(self) -> None:
            loopback.paths.append(self.path)
            loopback.headers.append({name.lower(): value for name, value in self.headers.items()})

        def _send(self, status: int, answer: Any) -> None:
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _stream(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            self.close_connection = True
            try:
                for number, piece in enumerate(loopback.pieces()):
                    if number == 1:
                        loopback.before_the_second_piece()
                    self._event({"model": "qwen3-4b", "choices": [{"index": 0, "delta": {"content": piece}}]})
                self._event({"model": "qwen3-4b", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
                self.wfile.write(b"data: [DONE]\n\n")
            except OSError:
                return  # the one who asked has gone: that is what a test is about

        def _event(self, event: Any) -> None:
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
            self.wfile.flush()

        def log_message(self, *_: object) -> None:
            return

    return Handler


@pytest.fixture
def server() -> Iterator[ModelServer]:
    loopback = ModelServer("")

    listening = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(loopback))
    listening.daemon_threads = True
    listening.block_on_close = False
    loopback.url = f"http://127.0.0.1:{listening.server_port}/v1"
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield loopback
    listening.shutdown()
    listening.server_close()
    thread.join()


@dataclass
class CommandLine:
    """Types `llm-brain ...` in a folder, with an environment of its own."""

    folder: Path
    environment: dict[str, str]

    def __call__(self, *arguments: str, stdin: str | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            capture_output=True,
            text=True,
            check=False,
            input=stdin,
            cwd=self.folder,
            env={**self.environment, **variables},
            timeout=120,
        )


@pytest.fixture
def llm_brain(tmp_path: Path) -> CommandLine:
    """Make a command line in an empty folder, where no key and no address is set."""
    folder = tmp_path / "project"
    folder.mkdir()
    said = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_TOKEN", "_BASE_URL"))}
    root = str(Path(__file__).parents[2])
    changed = {"COLUMNS": "80", "NO_COLOR": "1", "NO_PROXY": "127.0.0.1", "PYTHONPATH": root, "LLM_BRAIN_ENV_FILE": ""}
    return CommandLine(folder, {**said, **changed})
