"""A run's spans, shown in W&B while it goes on: curves as they come, and at the end the calls, the trees and the files.

    spans on disk -> Following -> rows of curves, at once
                               -> kept for the end: the last calls, the trials, confusion matrices, trees worth a look

It reads the files as anybody else would, from their beginning, so it shows all of a folder: what earlier processes of the
run wrote as well, and a run that is long over.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from shutil import disk_usage
from typing import Any, Final

from llm_brain.errors import DataError
from llm_brain.tracing import names
from llm_brain.tracing.background import Background
from llm_brain.tracing.following import Following
from llm_brain.tracing.reader import SpanRecord
from llm_brain.tracing.sections import ConfusionMatrix
from llm_brain.tracing.wandb_curves import Curves, Row
from llm_brain.tracing.wandb_service import WandbService
from llm_brain.tracing.wandb_tables import CALL_COLUMNS, TRIAL_COLUMNS, call_row, trial_row
from llm_brain.tracing.wandb_trees import Forest, Sample
from llm_brain.tracing.wandb_values import cell, clean_mapping, table_name
from llm_brain.tracing.writer import SPANS_FOLDER

MAX_ROWS: Final = 10_000
"""The most rows of one table: W&B shows no more, and the spans on disk have them all."""

SLOW: Final = 5.0
"""Seconds after which a sink that fails is not tried again."""
ROOM: Final = 64_000
"""The least bytes of a disk that is not full."""


class Follower:
    """Reads the spans of a run and logs what they tell. All of it happens on the thread of `background`.

    Args:
        folder: The run's folder.
        service: The open W&B run.
        background: What the failures are counted by.

    Example:
        >>> from types import SimpleNamespace
        >>> from llm_brain.tracing import record, span
        >>> import tempfile
        >>> rows: list[object] = []
        >>> service, background = SimpleNamespace(log=lambda row, axis: rows.append((row, axis))), Background("W&B")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with record(folder), span("training", {"llm_brain.step": 3, "llm_brain.metric.loss": 0.5}):
        ...         pass
        ...     follower = Follower(Path(folder), service, background)
        ...     follower.follow(), follower.follow()
        (True, False)
        >>> rows
        [({'training/loss': 0.5, 'step': 3}, 'step')]
    """

    def __init__(self, folder: Path, service: WandbService, background: Background) -> None:
        self._folder = folder
        self._service = service
        self._background = background
        self._following = Following(folder)
        self._curves = Curves()
        self._forest = Forest()
        self._sample = Sample()
        self._stopped = False
        self._disk_was_full = False
        self._calls: deque[list[Any]] = deque(maxlen=MAX_ROWS)
        self._trials: deque[list[Any]] = deque(maxlen=MAX_ROWS)

    def follow(self) -> bool:
        """Log what some of the new spans tell, and say whether there were any.

        Raises:
            DataError: The spans were written by a later version. They are not followed any further.
        """
        self._watch_disk()
        if self._stopped:
            return False
        try:
            spans = self._following.new()
        except DataError:
            self.stop()
            raise
        for one in spans:
            if self._stopped:
                return False
            self._background.do(lambda one=one: self._see(one))  # type: ignore[misc] # bound for this turn of the loop
        return bool(spans)

    def stop(self) -> None:
        """Leave what has not been logged yet. May be called from any thread."""
        self._stopped = True

    def catch_up(self) -> None:
        """Log what all spans tell that have been written by now."""
        while self.follow():
            pass

    def finish(self) -> None:
        """Log what can be told when all has been seen: calls and trials, the confusion matrices, the trees and the files."""
        self._do(self.catch_up)
        for tree in self._forest.rest():
            self._sample.offer(tree)
        for reason, tree in self._sample.kept():
            self._do(lambda name=f"traces/{reason}", tree=tree: self._service.log_tree(name, tree))  # type: ignore[misc]
        for job in (self._finish_calls, self._finish_trials, *self._finish_confusions(), self._finish_files):
            begin = time.monotonic()
            self._do(job)
            # Tables and artefacts make W&B ask its server, and it waits ten seconds for one that has died.
            if time.monotonic() - begin > SLOW and self._background.lost:
                return

    def _watch_disk(self) -> None:
        # W&B says nothing when it cannot write, and writes nothing more when there is room again.
        with suppress(OSError):
            if not self._disk_was_full and disk_usage(self._folder).free < ROOM:
                self._disk_was_full = True
                self._background.lose(f"the disk of {self._folder} is full; of what comes now W&B shows nothing")

    def _do(self, job: Callable[[], object]) -> None:
        self._background.do(job)

    def _see(self, one: SpanRecord) -> None:
        for tree in self._forest.add(one):
            self._sample.offer(tree)
        if one.is_call:
            self._calls.append(call_row(one))
        if one.kind == names.TRIAL_KIND:
            self._trials.append(trial_row(one))
        for row in self._curves.rows(one):
            self._log(row)

    def _log(self, row: Row) -> None:
        self._service.log(clean_mapping(row.values), row.axis)

    def _finish_calls(self) -> None:
        if self._calls:
            self._log(self._curves.totals.row())
            self._log_table("calls", CALL_COLUMNS, self._calls)

    def _finish_trials(self) -> None:
        if self._trials:
            self._log_table("trials", TRIAL_COLUMNS, self._trials)

    def _log_table(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        self._service.log_table(name, columns, [[cell(value) for value in row] for row in rows])

    def _finish_confusions(self) -> list[Callable[[], None]]:
        matrices = self._curves.confusions.items()
        return [partial(log_confusion, self._service, name, matrix) for name, matrix in matrices]

    def _finish_files(self) -> None:
        files = sorted((self._folder / SPANS_FOLDER).glob("*.jsonl"))
        if files:
            self._service.log_files("spans", "spans", files)


def log_confusion(service: WandbService, name: str, matrix: ConfusionMatrix) -> None:
    """Log a confusion matrix as a chart.

    Example:
        >>> from types import SimpleNamespace
        >>> service = SimpleNamespace(log_confusion=lambda name, title, rows: print(name, rows))
        >>> log_confusion(service, "mood", ConfusionMatrix("Mood", ["glad", "sad"], [[8, 1], [2, 9]]))
        mood [['glad', 'glad', 8], ['glad', 'sad', 1], ['sad', 'glad', 2], ['sad', 'sad', 9]]
    """
    labels = [cell(label) for label in matrix.labels]
    rows = [
        [actual, predicted, cell(count)]
        for actual, counts in zip(labels, matrix.counts, strict=True)
        for predicted, count in zip(labels, counts, strict=True)
    ]
    service.log_confusion(table_name(name), table_name(matrix.title), rows)
