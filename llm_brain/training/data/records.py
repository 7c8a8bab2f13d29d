"""Files of JSON lines, and texts set aside."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from llm_brain.errors import DataError
from llm_brain.training.data.texts import is_unicode

Item = TypeVar("Item")


def read_messages(path: Path, *required: str) -> list[dict[str, Any]]:
    r"""Read a JSON-lines file of records.

    Args:
        path: The file.
        required: The fields that every record must have, each a text.

    Raises:
        DataError: The file is not there, or a line of it is not such a record; the message names the line.

    Example:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder) / "pool.jsonl"; _ = file.write_text('{"message": "Good."}\n')
        ...     read_messages(file, "message")
        [{'message': 'Good.'}]
    """
    return [_checked(record, where, required) for where, record in numbered_records(path)]


def numbered_records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    r"""Read the records of a JSON-lines file, each with the words for where it stands.

    Raises:
        DataError: The file cannot be read, or a line of it is not a JSON object; the message names the line.

    Example:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder) / "pool.jsonl"; _ = file.write_text('\n{"message": "Good."}\n')
        ...     [(where.partition(" of ")[0], record) for where, record in numbered_records(file)]
        [('line 2', {'message': 'Good.'})]
    """
    try:
        # Not splitlines: a text may hold U+2028, which JSON need not escape.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read: {error}"
        raise DataError(message) from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            where = f"line {number} of {path}"
            yield where, _record(line, where)


def split(items: Sequence[Item], held_out: int, *, seed: int = 0) -> tuple[list[Item], list[Item]]:
    """Set texts, or inputs of any kind, aside at random.

    Returns:
        The rest, and the `held_out` ones that were set aside.

    Example:
        >>> rest, aside = split(["a", "b", "c"], 1)
        >>> len(rest), len(aside)
        (2, 1)
    """
    shuffled = list(items)
    random.Random(seed).shuffle(shuffled)
    return shuffled[held_out:], shuffled[:held_out]


def _record(line: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        message = f"{where} is not JSON: {error}"
        raise DataError(message) from error
    if not isinstance(record, dict):
        message = f"{where} is not a JSON object"
        raise DataError(message)
    return record


def _checked(record: dict[str, Any], where: str, required: Sequence[str]) -> dict[str, Any]:
    for name in required:
        if name not in record:
            message = f"{where} has no field `{name}`"
            raise DataError(message)
        if not isinstance(record[name], str) or not is_unicode(record[name]):
            message = f"the field `{name}` in {where} is not a text"
            raise DataError(message)
    return record
