"""The model's answers as they come, one line of JSON each: what the brain is taught with next; `Kept` reads them."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import warnings
from io import SEEK_END, FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from llm_brain.errors import ArgumentError
from llm_brain.strategy.annotations.hidden import mentions_hidden
from llm_brain.training.data.saving import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llm_brain.strategy.implementation import Details
    from llm_brain.strategy.signature import FunctionSpec

logger = logging.getLogger("llm_brain.training")
PATIENCE = 10.0
CHUNK = 4096


class AnswersWarning(UserWarning):
    """An answer of the model could not be kept; the call that it was for has it all the same.

    Example:
        >>> issubclass(AnswersWarning, UserWarning)
        True
    """


class AnswersFile:
    """A file of pairs, `{"text", "answer", "probabilities", "source"}` a line, which threads and processes may share.

    Args:
        path: Where it is; it and its folder are made with the first answer.

    Example:
        >>> import tempfile
        >>> from llm_brain.strategy import Details, inspect_function
        >>> def praises(message: str) -> bool:
        ...     '''Tell whether it praises.'''
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = AnswersFile(Path(folder) / "answers.jsonl")
        ...     file.append(inspect_function(praises), "It works.", Details(True, "model"))
        ...     json.loads(file.path.read_text(encoding="utf-8"))
        {'text': 'It works.', 'answer': True, 'probabilities': [], 'source': 'asked'}
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._told: set[str] = set()

    def append(self, spec: FunctionSpec, text: str, details: Details[Any]) -> None:
        """Keep an answer. Nothing is ever raised: the first answer that is lost is told in an `AnswersWarning`.

        Of a function that hides some of what it takes or returns, nothing is kept.
        """
        if any(map(mentions_hidden, (*spec.parameters.values(), spec.returns))):
            self._tell("hidden", f"no answers of {spec.qualified_name} are kept in {self.path}: it hides some of its values")
            return
        try:
            pair = {
                "text": text,
                "answer": to_json(details.value),
                "probabilities": _in_order(details.probabilities, spec),
                "source": "asked",
            }
            # A lone surrogate becomes the escape that JSON has for it.
            line = json.dumps(pair, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # A file lock waits by asking again and again: only processes shall contend for it.
            with self._lock, FileLock(f"{self.path}.lock", timeout=PATIENCE, poll_interval=0.005):
                _append(self.path, line)
        except (OSError, ArgumentError, ValueError, TypeError) as error:
            self._tell("lost", f"an answer of the model could not be kept in {self.path}, perhaps not the last: {error}")

    def _tell(self, trouble: str, message: str) -> None:
        if trouble in self._told:
            return
        self._told.add(trouble)
        # Where warnings are made errors, this one would cost the answer that was just paid for.
        with contextlib.suppress(Warning):
            logger.warning("%s", message)
            warnings.warn(message, AnswersWarning, stacklevel=2)


def _in_order(probabilities: Mapping[Any, float], spec: FunctionSpec) -> list[float]:
    """Put probabilities in the order of the options, in which a lesson reads them; empty where not all are there."""
    options = spec.options or ()
    return [float(probabilities[option]) for option in options] if all(option in probabilities for option in options) else []


def _append(path: Path, line: bytes) -> None:
    """Add a line, or nothing of it; what a crash left of the last one is cut off."""
    # Without a buffer: one that could not be flushed would be flushed again, after the file was cut back.
    with path.open("a+b", buffering=0) as file:
        end, rest = _last_line_end(file)
        if rest and _is_json(rest):  # a hand left out the end of the line
            end, line = end + len(rest), b"\n" + line
        try:
            file.truncate(end)
            written = 0
            while written < len(line):
                written += file.write(line[written:])
        except BaseException:
            file.truncate(end)
            raise


def _last_line_end(file: FileIO) -> tuple[int, bytes]:
    """Find where the last line that has an end ends, and what stands after it."""
    size = begin = file.seek(0, SEEK_END)
    rest, end = b"", -1
    while begin and end < 0:
        begin = max(0, begin - CHUNK)
        file.seek(begin)
        rest = file.read(size - begin)
        end = rest.rfind(b"\n")
    return begin + end + 1, rest[end + 1 :]


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
