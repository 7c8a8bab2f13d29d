"""A row of a benchmark in a process of its own, which takes orders: JSON lines in, JSON lines out."""

from __future__ import annotations

import contextlib
import json
import subprocess
from typing import IO, Any


class Worker:
    """A row's process.

    Args:
        title: How the row is called where it fails.
        process: With pipes for text.
        complaints: Where its standard error goes.
    """

    def __init__(self, title: str, process: subprocess.Popen[str], complaints: IO[str]) -> None:
        self._title = title
        self._process = process
        self._complaints = complaints

    def begin(self, **order: Any) -> None:
        """Give an order; `result` has to follow."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # then there is no result either
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()

    def result(self) -> Any:
        """Wait for the result of what was begun. Fails loudly where the row failed."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._complaints.seek(0)
            message = f"{self._title} failed:\n{self._complaints.read()[-4000:]}"
            raise SystemExit(message)
        return json.loads(line)

    def obey(self, **order: Any) -> Any:
        """Give an order and wait for its result."""
        self.begin(**order)
        return self.result()
