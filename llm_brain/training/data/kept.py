"""Pairs that stand in a file with their texts: what a lesson has saved, and what a cascade's model has answered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llm_brain.errors import DataError
from llm_brain.training.data.pairs import Pair, PairSet
from llm_brain.training.data.records import numbered_records
from llm_brain.training.data.saving import FIELDS, row_of
from llm_brain.training.data.sources import Given, Source, Tell

if TYPE_CHECKING:
    from llm_brain.training.subject import Subject


class Kept:
    r"""Pairs out of JSON lines `{"text", "answer", "probabilities", "source"}`, as `cascade(..., answers=)` adds them.

    The first answer to a text counts. A line whose answer is none of the function's is refused as malformed.

    Args:
        path: The file: the `answers` of a cascade, or the `pairs.jsonl` of a lesson.

    Raises:
        DataError: The file cannot be read, or a line of it is not a JSON object; the message names the line.

    Example:
        >>> import tempfile
        >>> from llm_brain.strategy import llm_strategy
        >>> from llm_brain.training.subject import Subject
        >>> @llm_strategy("local")
        ... def praises(message: str) -> bool:
        ...     '''Tell whether it praises.'''
        >>> subject = Subject.of(praises)
        >>> pairs = PairSet(subject.kind)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "more.jsonl"
        ...     _ = file.write_text('{"text": "Good.", "answer": true, "probabilities": [0.9, 0.1], "source": "asked"}\n' * 2)
        ...     Kept(file).gather(subject, pairs, lambda stage, total: lambda: None)
        >>> pairs.pairs, dict(pairs.refused)
        ([Pair(text='Good.', answer=True, probabilities=(0.9, 0.1), source='asked')], {'duplicate': 1})
    """

    def __init__(self, path: Path | str) -> None:
        self._records = list(numbered_records(Path(path)))

    def __len__(self) -> int:
        return len(self._records)

    def gather(self, subject: Subject, into: PairSet, tell: Tell) -> None:
        """Check the pairs, and add them."""
        del tell  # nothing is asked
        for where, record in self._records:
            try:
                into.add(Pair(*row_of(record, subject.function.spec.returns, where)))
            except DataError as error:
                into.refuse("malformed", because=error)


def pairs_file(path: Path) -> Source:
    """Read a file of pairs of either kind: with the arguments of calls, or with their texts.

    Raises:
        DataError: The file cannot be read, or a line of it is no pair; the message names the line.
    """
    _, first = next(numbered_records(path), ("", {}))
    return Kept(path) if set(first) == set(FIELDS) else Given.from_file(path)
