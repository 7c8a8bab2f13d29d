"""What came of teaching, and the folder from which it is read again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from llm_brain._atomic import write_atomically
from llm_brain.errors import CheckpointError, DataError
from llm_brain.training.call_form import parameters_read
from llm_brain.training.data import Pair, PairSet
from llm_brain.training.readers import described_reader
from llm_brain.training.reading import Reader
from llm_brain.training.student import Student
from llm_brain.training.subject import bound

PAIRS: Final = "pairs.jsonl"
CALIBRATION: Final = "calibration.jsonl"
STUDENT: Final = "student"
FILE: Final = "taught.json"
FORMAT: Final = 1


@dataclass(frozen=True)
class Taught:
    """What came of teaching.

    Attributes:
        student: The brain, which implements the function: `Interface.using(taught.student)`.
        score: Its validation score.
        history: The metrics of each epoch.
        pairs: All pairs that were accepted, and how many were refused, and why.
        calibration: Pairs that neither training nor validation saw: a cascade's threshold is calibrated with them.
        folder: Where all of it lies.

    Example:
        >>> Taught.__dataclass_fields__["score"].type
        'float'
    """

    student: Student
    score: float
    history: list[dict[str, float]]
    pairs: PairSet
    calibration: list[Pair]
    folder: Path

    def save(self) -> None:
        """Write it into its folder, the pairs excepted, which are there since they were gathered.

        Raises:
            CheckpointError: The folder cannot be written.
        """
        told = {
            "format": FORMAT,
            "score": self.score,
            "history": self.history,
            "refused": self.pairs.refused,
            "reader": self.student.reader.describe(),
        }
        apart = PairSet(self.pairs.kind)
        apart.pairs = self.calibration
        try:
            # A student beside the calibration of another one would be trusted too much: until all is there, nothing is.
            (self.folder / FILE).unlink(missing_ok=True)
            self.student.save(self.folder / STUDENT)
            apart.save(self.folder / CALIBRATION)
            write_atomically(self.folder / FILE, json.dumps(told))
        except OSError as error:
            message = f"what was taught cannot be written to {self.folder}: {error}"
            raise CheckpointError(message) from error

    @classmethod
    def load(cls, folder: Path | str, function: Callable[..., Any], reader: Reader | None = None) -> Self:
        """Read what was taught from its folder. Nothing is asked and nothing is trained.

        Args:
            folder: What was given to `teach`.
            function: What was taught.
            reader: How the brain reads, where that was a reader of one's own.

        Raises:
            CheckpointError: The folder holds no finished teaching of this function, or a damaged one.

        Example:
            >>> import tempfile
            >>> from llm_brain import llm_strategy
            >>> from llm_brain.training import ByteReader, Given, TrainingSettings, teach
            >>> @llm_strategy("local")
            ... def praises(message: str) -> bool:
            ...     '''Tell whether it praises.'''
            >>> pairs = Given([(f"good {n}", True) for n in range(8)] + [(f"bad {n}", False) for n in range(8)])
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     taught = teach(praises, pairs, folder=folder, reader=ByteReader(), settings=TrainingSettings(epochs=1))
            ...     again = Taught.load(folder, praises)
            >>> again.calibration == taught.calibration, again.score == taught.score
            (True, True)
        """
        folder, typed = Path(folder), bound(function)
        file = folder / FILE
        if not file.is_file():
            message = f"{folder} holds no finished teaching: `teach` with this folder goes on where it was"
            raise CheckpointError(message)
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
            if told["format"] != FORMAT:
                message = f"{file} was written by another version: teach again, into another folder"
                raise CheckpointError(message)
            reader = reader or described_reader(told["reader"], typed)
            student = Student.load(folder / STUDENT, reader, typed.spec.returns)
            if student.function != typed.spec.qualified_name:
                message = f"{folder} holds a brain that was taught {student.function}, and not {typed.spec.qualified_name}"
                raise CheckpointError(message)
            if student.form is not None and student.form.parameters != parameters_read(typed.spec):
                message = f"{folder} holds a brain that was taught {student.function}{student.form}, and not {typed.spec.line}"
                raise CheckpointError(message)
            pairs = PairSet.load(folder / PAIRS, student.kind, typed.spec.returns)
            pairs.refused.update({str(reason): int(number) for reason, number in told["refused"].items()})
            calibration = PairSet.load(folder / CALIBRATION, student.kind, typed.spec.returns).pairs
            return cls(student, float(told["score"]), list(told["history"]), pairs, calibration, folder)
        except (AttributeError, DataError, KeyError, OSError, TypeError, ValueError) as error:
            message = f"what was taught in {folder} is damaged: {error}"
            raise CheckpointError(message) from error
