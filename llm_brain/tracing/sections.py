"""What a report is made of: small records of numbers and words, without a thought of how they look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from llm_brain.errors import DataError

Number: TypeAlias = int | float


@dataclass(frozen=True, slots=True)
class Curve:
    """Lines over a common axis.

    Attributes:
        series: Name of each line and its `(xs, ys)`, of equal length. A NaN makes a gap.
        note: A sentence below it.

    Raises:
        DataError: The `xs` and `ys` of a line differ in length.

    Example:
        >>> Curve("Loss", "epoch", "loss", {"train": ([1, 2], [0.9, 0.4])}).series["train"][1]
        [0.9, 0.4]
    """

    title: str
    x_label: str
    y_label: str
    series: Mapping[str, tuple[Sequence[Number], Sequence[Number]]]
    note: str = ""

    def __post_init__(self) -> None:
        for name, (xs, ys) in self.series.items():
            if len(xs) != len(ys):
                message = f"curve {self.title!r}: line {name!r} has {len(xs)} xs and {len(ys)} ys"
                raise DataError(message)


@dataclass(frozen=True, slots=True)
class Bars:
    """A number for each name, drawn as bars from zero.

    Attributes:
        values: Name and number, in the order in which they are shown.
        unit: What the numbers count, shown behind the title.

    Example:
        >>> Bars("Calls", {"chat": 120, "embeddings": 8}).values["chat"]
        120
    """

    title: str
    values: Mapping[str, Number]
    unit: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class ConfusionMatrix:
    """How often each actual class was taken for each predicted one.

    Attributes:
        labels: The classes.
        counts: `counts[actual][predicted]`, in the order of `labels`.

    Raises:
        DataError: `counts` is not square, or not as large as `labels`.

    Example:
        >>> ConfusionMatrix("Mood", ["glad", "sad"], [[8, 1], [2, 9]]).counts[0]
        [8, 1]
    """

    title: str
    labels: Sequence[str]
    counts: Sequence[Sequence[int]]
    note: str = ""

    def __post_init__(self) -> None:
        size = len(self.labels)
        if [len(row) for row in self.counts] != [size] * size:
            message = f"confusion matrix {self.title!r}: {size} labels want {size} rows of {size} counts"
            raise DataError(message)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns.

    Attributes:
        rows: A value for each column. Columns that hold nothing but numbers are set to the right.

    Raises:
        DataError: A row has more or fewer values than there are columns.

    Example:
        >>> Table("Best", ["metric", "value"], [["accuracy", 0.93]]).rows
        [['accuracy', 0.93]]
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]] = field(default_factory=list)
    note: str = ""

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                message = f"table {self.title!r}: row {number} has {len(row)} values for {len(self.columns)} columns"
                raise DataError(message)


@dataclass(frozen=True, slots=True)
class Prose:
    """Plain text; an empty line begins a new paragraph.

    Example:
        >>> Prose("What was trained", "A brain of 64 units.").text
        'A brain of 64 units.'
    """

    title: str
    text: str


Section: TypeAlias = Curve | Bars | ConfusionMatrix | Table | Prose
"""Any part of a report."""
