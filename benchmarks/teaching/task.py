"""A task that a brain is taught: an interface, inputs to learn from, and a gold set that no training sees.

task = TASKS["routing"]()          # benchmarks.teaching.tasks
task.function                      # the typed function, implemented by the model that the interface names
task.inputs                        # what a teacher labels
task.true_pairs                    # the same with their true answers: what a stronger teacher would say
accuracy(answers, task.gold)       # share of wholly right answers; `field_accuracy` tells the fields of records apart
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from llm_brain import typed
from llm_brain.errors import DataError
from llm_brain.strategy import TypedFunction

DATA = Path(__file__).parent / "data"

Example = tuple[str, Any]


@dataclass(frozen=True)
class TeachingTask:
    """A task.

    Attributes:
        name: What it is called in tables.
        interface: The decorated class that states the task.
        function_name: Its method; it takes one text.
        pool: Texts to learn from, with their true answers. Such an answer is None where nobody knows it.
        gold: Texts that no training sees, with their true answers.
        dev: Texts by which the wording of the interface was chosen, with their true answers.
        topics: Values of what a teacher is told to write about, by parameter: its own pairs are varied by them.
        hard: Indices of the gold texts that were written to be hard.
    """

    name: str
    interface: type
    function_name: str
    pool: Sequence[Example]
    gold: Sequence[Example]
    dev: Sequence[Example] = ()
    topics: Mapping[str, Sequence[str]] = field(default_factory=dict)
    hard: Sequence[int] = ()

    @property
    def function(self) -> TypedFunction[..., Any]:
        """The typed function, of a new object of the interface."""
        function: TypedFunction[..., Any] = typed(getattr(self.interface(), self.function_name))
        return function

    @property
    def inputs(self) -> list[str]:
        """The texts of the pool, without answers."""
        return [text for text, _ in self.pool]

    @property
    def true_pairs(self) -> list[Example]:
        """The pool's texts whose true answers are known."""
        return [(text, answer) for text, answer in self.pool if answer is not None]


def read_lines(path: Path, *fields: str) -> list[dict[str, Any]]:
    """Read a file of JSON lines.

    Args:
        path: The file.
        fields: What each record must have.

    Raises:
        DataError: A line is no record, or lacks a field.
    """
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            message = f"{path}, line {number}: no JSON ({error}); restore the file from the repository"
            raise DataError(message) from error
        missing = [name for name in fields if not isinstance(record, dict) or name not in record]
        if missing:
            message = f"{path}, line {number}: no {' and no '.join(missing)}; restore the file from the repository"
            raise DataError(message)
        records.append(record)
    return records


def accuracy(answers: Sequence[Any], gold: Sequence[Example]) -> float:
    """Return the share of right answers. A record is right where all its fields are."""
    return sum(bool(answer == true) for answer, (_, true) in zip(answers, gold, strict=True)) / len(gold)


def field_accuracy(answers: Sequence[Any], gold: Sequence[Example]) -> dict[str, float]:
    """Return the share of right values of each field; of answers that are no records, nothing.

    An answer that is no record of the type (an error in its place, say) has no field right.
    """
    true = gold[0][1]
    if not isinstance(true, BaseModel):
        return {}
    missing = object()
    return {
        name: sum(
            getattr(answer, name, missing) == getattr(right, name) for answer, (_, right) in zip(answers, gold, strict=True)
        )
        / len(gold)
        for name in type(true).model_fields
    }
