"""A journal, read while it grows: what was spent, which trials are under way. Nothing that is wrong with it is raised."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any


class Growing:
    r"""Reads on in a journal where it has stopped. A line that is being written is left for the next time.

    Args:
        path: The journal; it need not be there yet.

    Attributes:
        begun, finished: How many trials are.
        checks: Runs that compare the best with the default, if that is what goes on.
        evaluations: Runs, each as much as its fidelity.
        tokens, dollars: What was spent.
        under_way: The proposer and the runs so far of the trials that are not over.
        texts: The names of the texts that are tuned.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     growing = Growing(Path(folder) / "study.jsonl")
        ...     _ = growing.path.write_text('{"event": "proposed", "trial": 0, "proposer": "default"}\n{"event": "out')
        ...     growing.read()
        >>> growing.begun, growing.under_way
        (1, {0: ('default', 0)})
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.begun = self.finished = self.checks = self.tokens = 0
        self.evaluations = self.dollars = 0.0
        self.under_way: dict[int, tuple[str, int]] = {}
        self.texts: tuple[str, ...] = ()
        self._at = 0
        self._last, self._seen = 0.0, time.monotonic()
        self._fidelities: dict[int, float] = {}

    @property
    def seconds(self) -> float:
        """How long the study has been running, earlier processes included."""
        return self._last + time.monotonic() - self._seen

    def read(self) -> None:
        """Read what is new."""
        with suppress(OSError):
            with self.path.open("rb") as file:
                file.seek(self._at)
                content = file.read()
            whole = content.rfind(b"\n") + 1
            self._at += whole
            for line in content[:whole].splitlines():
                with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
                    self._take(json.loads(line))

    def _take(self, event: dict[str, Any]) -> None:
        self._last, self._seen = max(self._last, float(event.get("at", 0.0))), time.monotonic()
        self.tokens += event.get("tokens", 0)
        self.dollars += event.get("dollars", 0.0)
        kind, trial = event["event"], event.get("trial", -1)
        self.checks = self.checks + 1 if kind == "check" else 0
        if kind == "study":
            self.texts = tuple(name for name, told in event["space"].items() if told["distribution"] is None)
        elif kind == "proposed":
            self.under_way[trial] = (event["proposer"], 0)
            self.begun += 1
            self._fidelities[trial] = event.get("fidelity", 1.0)
        elif kind == "outcome":
            self.evaluations += self._fidelities.get(trial, 1.0)
            if trial in self.under_way:
                proposer, runs = self.under_way[trial]
                self.under_way[trial] = (proposer, runs + 1)
        elif kind == "finished":
            self.finished += 1
            self.under_way.pop(trial, None)
