"""A real server as a process of its own: started, waited for until it answers, and ended."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from tests.servers_real.environments import FASTCHAT, HERE, LLAMA, TRANSFORMERS, WEIGHTS, interpreter

KEY: Final = "sk-a-key-of-this-test-alone"
_Process: TypeAlias = subprocess.Popen[str]
_PATIENCE: Final = 90.0


@dataclass(frozen=True)
class RealServer:
    """A running server.

    Attributes:
        address: Where its paths begin.
        model: What it calls its model.
        key: The key that it wants, None where it wants none.
    """

    address: str
    model: str
    key: str | None = None

    @property
    def base_url(self) -> str:
        return f"{self.address}/v1"


@contextmanager
def llama(purpose: str = "chat") -> Iterator[RealServer]:
    """Run llama.cpp's server, for "chat" or for "embeddings": it does one of them."""
    command = [str(interpreter(LLAMA)), str(HERE / "llama_server.py"), str(WEIGHTS), KEY, purpose]
    with _running(command, {}, out=subprocess.PIPE) as process:
        address = _first_line(process)
        yield RealServer(address, "smollm2", KEY)


@contextmanager
def transformers(model: Path, scratch: Path) -> Iterator[RealServer]:
    """Run `transformers serve` over a folder with a model."""
    port = _free_port()
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(model)]
    scratch.mkdir(parents=True, exist_ok=True)
    # Its list of models is that of the hub's cache on this machine, which must be a folder and here an empty one.
    more = {"PYTHONPATH": str(TRANSFORMERS), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(scratch)}
    with _running([*command, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"], more) as process:
        address = f"http://127.0.0.1:{port}"
        _wait_until_it_answers(process, f"{address}/health")
        yield RealServer(address, str(model))


# Torch and transformers are those of this interpreter; FastChat's environment has all that it lacks, and comes last.
_WORKER: Final = """
import runpy, sys
sys.path.append(sys.argv.pop(1))
runpy.run_module("fastchat.serve.model_worker", run_name="__main__")
"""


@contextmanager
def fastchat(model: Path, scratch: Path) -> Iterator[RealServer]:
    """Run FastChat as its documentation says: the controller, a worker with the model, the server that speaks OpenAI's way."""
    weights = _for_fastchat(model, scratch / "weights")
    controller, worker, server = (f"http://127.0.0.1:{_free_port()}" for _ in range(3))
    more = {"LOGDIR": str(scratch), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    python = str(interpreter(FASTCHAT))
    packages = next(FASTCHAT.glob("lib/python*/site-packages"))
    load = [sys.executable, "-c", _WORKER, str(packages), "--model-path", str(weights), "--model-names", "smollm2"]
    to_controller = ["--controller-address", controller]
    with ExitStack() as running:
        command = [python, "-m", "fastchat.serve.controller", *_at(controller)]
        _wait_until_it_answers(running.enter_context(_running(command, more)), f"{controller}/test_connection")
        command = [*load, "--device", "cpu", *_at(worker), "--worker-address", worker, *to_controller]
        _wait_until_it_answers(running.enter_context(_running(command, more)), f"{worker}/worker_get_status", b"")
        command = [python, "-m", "fastchat.serve.openai_api_server", *_at(server), *to_controller, "--api-keys", KEY]
        _wait_until_it_answers(running.enter_context(_running(command, more)), f"{server}/openapi.json")
        yield RealServer(server, "smollm2", KEY)


def _for_fastchat(model: Path, folder: Path) -> Path:
    """Show a model's folder under another name, with a configuration that says what FastChat asks it."""
    folder.mkdir(parents=True)
    for file in model.iterdir():
        (folder / file.name).symlink_to(file)
    settings = json.loads((model / "config.json").read_text(encoding="utf-8"))
    settings["rope_parameters"]["factor"] = 1.0
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def _at(url: str) -> list[str]:
    parts = urlsplit(url)
    return ["--host", str(parts.hostname), "--port", str(parts.port)]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def _running(
    command: Sequence[str], more: Mapping[str, str], *, out: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, **more}
    # Their input ends when this process does, however that comes about.
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _first_line(process: _Process) -> str:
    said: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=lambda stream: said.append(stream.readline()), args=[process.stdout], daemon=True)
    reader.start()
    reader.join(_PATIENCE)
    if not said or not said[0].strip():
        message = f"the server did not say its address; it ended with {process.poll()}"
        raise RuntimeError(message)
    return said[0].strip()


def _wait_until_it_answers(process: _Process, url: str, data: bytes | None = None) -> None:
    until = time.monotonic() + _PATIENCE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < until and process.poll() is None:
        try:
            opener.open(url, data, timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    message = f"the server did not answer; it ended with {process.poll()}"
    raise RuntimeError(message)
