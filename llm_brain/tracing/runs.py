"""Which runs there are: folders in which spans were recorded, the newest one first."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from llm_brain.errors import DataError
from llm_brain.tracing.writer import SPANS_FOLDER

DEEPEST: Final = 4
"""How many folders down runs are looked for."""


@dataclass(frozen=True, slots=True)
class Run:
    """A folder in which spans were recorded.

    Attributes:
        folder: The run's folder: what was given to `record`.
        began_ns: When its first process began to write, in nanoseconds since 1970.
        size: How many bytes of spans there are.
        processes: How many processes wrote them.

    Example:
        >>> Run(Path("runs/demo"), 1_700_000_000_000_000_000, 4096, 1).folder.name
        'demo'
    """

    folder: Path
    began_ns: int
    size: int
    processes: int


def find_runs(root: Path | str = ".") -> list[Run]:
    """Find the runs in a folder and at most `DEEPEST` folders down; hidden folders are left out.

    Example:
        >>> import tempfile
        >>> from llm_brain.tracing import record, span
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with record(Path(folder) / "first"), span("train"):
        ...         pass
        ...     [run.folder.name for run in find_runs(folder)]
        ['first']
    """
    top = Path(root)
    found = []
    for here, folders, _ in os.walk(top):
        place = Path(here)
        run = _run_in(place) if SPANS_FOLDER in folders else None
        if run is not None:
            found.append(run)
        deep = len(place.parts) - len(top.parts)
        folders[:] = [] if deep >= DEEPEST else [name for name in folders if not name.startswith(".") and name != SPANS_FOLDER]
    return sorted(found, key=lambda run: run.began_ns, reverse=True)


def newest_run(root: Path | str = ".") -> Path:
    """Return the folder of the run that began last.

    Raises:
        DataError: There is none.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     newest_run(folder)
        Traceback (most recent call last):
        ...
        llm_brain.errors.DataError: no run is recorded in ...
    """
    runs = find_runs(root)
    if not runs:
        message = f"no run is recorded in {Path(root).absolute()} or below it: name the folder that was given to `record`"
        raise DataError(message)
    return runs[0].folder


def _run_in(folder: Path) -> Run | None:
    began, size = [], 0
    for path in (folder / SPANS_FOLDER).glob("*.jsonl"):
        start = path.stem.rpartition("-")[2]
        if start.isdecimal():
            began.append(int(start))
            size += path.stat().st_size
    return Run(folder, min(began), size, len(began)) if began else None
