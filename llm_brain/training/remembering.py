"""Scores that were paid for, in a file that only grows: a line `{"text": ..., "answer": ..., "score": ...}` each."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

from llm_brain.errors import CheckpointError


class Remembered:
    """What answers to texts scored. It may be asked from several threads at once.

    Args:
        path: The file; it and its folder are made with the first score. A line that cannot be read is left out: what it held is
            asked again.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     first = Remembered(Path(folder) / "scores.jsonl").score("It broke.", "false", lambda: 0.9)
        ...     again = Remembered(Path(folder) / "scores.jsonl").score("It broke.", "false", lambda: 0.1)
        >>> first, again
        (0.9, 0.9)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], float] = {}
        self._end = ""
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.exists() else [""]
        except OSError as error:
            message = f"{path} cannot be read: {error}"
            raise CheckpointError(message) from error
        for line in lines:
            try:
                found = json.loads(line)
                self._known[str(found["text"]), str(found["answer"])] = float(found["score"])
            except (KeyError, TypeError, ValueError, RecursionError):
                continue
        if lines[-1]:  # of a process that was killed while it wrote
            self._end = "\n"

    def score(self, text: str, answer: str, ask: Callable[[], float]) -> float:
        """Give the score of an answer, as JSON, to a text; it is asked for where it is not known.

        Raises:
            CheckpointError: It cannot be written.
        """
        with self._lock:
            known = self._known.get((text, answer))
        return self._kept(text, answer, ask()) if known is None else known

    def _kept(self, text: str, answer: str, score: float) -> float:
        line = json.dumps({"text": text, "answer": answer, "score": score})
        with self._lock:
            self._known[text, answer] = score
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(f"{self._end}{line}\n")
            except OSError as error:
                message = f"a score cannot be written to {self.path}: {error}"
                raise CheckpointError(message) from error
            self._end = ""
        return score
