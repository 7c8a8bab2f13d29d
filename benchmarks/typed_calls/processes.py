"""The processes of a measurement: the server, the rows' workers, and fresh interpreters whose CPU time is taken."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.typed_calls.rows import FOLDER, Row
from benchmarks.workers import Worker

ROOT = FOLDER.parent.parent
# Nothing may leave the machine, and no table of prices is to be fetched.
QUIET = {
    "BAML_LOG": "off",
    "DO_NOT_TRACK": "1",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OTEL_SDK_DISABLED": "true",
}


class Server:
    """The server's process, seen from here."""

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}"

    def url(self, row: Row, latency_ms: int = 0) -> str:
        return f"{self._address}/{row.name}/{latency_ms}/v1"

    def requests(self) -> dict[str, int]:
        """Tell how many requests each row has made."""
        with urllib.request.urlopen(f"{self._address}/requests") as page:  # noqa: S310 - our own server's address
            counted: dict[str, int] = json.load(page)
        return counted


@contextmanager
def serving() -> Iterator[Server]:
    """Run the server."""
    command = [sys.executable, "-m", f"{__package__}.server"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Server(int(process.stdout.readline()))
        finally:
            process.terminate()


def arguments_of(row: Row) -> tuple[str, ...]:
    """Give what a row's interpreter is told to run."""
    return "-m", f"{__package__}.worker", row.name


@contextmanager
def working(row: Row, url: str) -> Iterator[Worker]:
    """Run a row's process; its standard input's end is its own."""
    command = [str(row.python), *arguments_of(row)]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        tempfile.TemporaryDirectory() as home,
        tempfile.TemporaryFile("w+") as complaints,
        subprocess.Popen(command, cwd=ROOT, env=variables(row, url, home), stderr=complaints, **pipes) as process,
    ):
        try:
            yield Worker(row.title, process, complaints)
        finally:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()


def processor_seconds(row: Row, url: str, *arguments: str, given: bytes = b"") -> float:
    """Give the CPU seconds, the user's and the system's, of a fresh interpreter."""
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryFile("w+b") as told, tempfile.TemporaryFile("w+b") as said:
        told.write(given)
        told.seek(0)
        command = [str(row.python), *arguments]
        process = subprocess.Popen(command, cwd=ROOT, env=variables(row, url, home), stdin=told, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            message = f"{row.title}: {' '.join(arguments)} failed:\n{said.read()[-4000:].decode(errors='replace')}"
            raise SystemExit(message)
    return usage.ru_utime + usage.ru_stime


def variables(row: Row, url: str, home: str) -> dict[str, str]:
    """Make the environment variables of a row's process: few, so that nobody's own settings have a say."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, **QUIET, "HOME": home, "PYTHONPATH": str(row.generated), "TYPED_CALLS_URL": url}
