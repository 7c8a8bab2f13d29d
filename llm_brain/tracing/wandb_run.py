"""One run in Weights & Biases: offline, inside the run's own folder, and never in the way.

    what is logged -> made safe and redacted, on the caller's thread -> a queue -> W&B, on a thread of its own -> folder/wandb
    folder/spans   -> followed on that thread, about a second behind ------------> W&B

The run's spans on disk are the truth; W&B is a view of them. When it is missing, slow or broken, one warning says so
and the run goes on. `wandb sync FOLDER/wandb/offline-run-*` uploads an offline run later.

W&B itself loses rows without a word: those on their way to its helper process where this one is killed, those of the last
second where the helper is killed too, every row from the moment when the disk is full (also when there is room again), and
artefacts whose files are not where they were when they were logged. `folder/spans` has them: entering a `WandbRun` on the
folder again shows all of it once more, as a new run.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from llm_brain.tracing.background import Background
from llm_brain.tracing.notice import notice
from llm_brain.tracing.sections import ConfusionMatrix
from llm_brain.tracing.wandb_follower import MAX_ROWS, Follower, log_confusion
from llm_brain.tracing.wandb_service import WandbService
from llm_brain.tracing.wandb_values import cell, clean_config, clean_mapping, clean_text, table_name

PATIENCE: Final = 40.0
"""Seconds that the end of a run waits for W&B."""
INTERRUPTED_PATIENCE: Final = 0.5
"""The same after Ctrl-C."""


class WandbRun:
    """A W&B run that shows a run's spans, can be logged to, and cannot fail. Entering it starts W&B, leaving it finishes.

    What the spans of the folder tell is shown without another line of code: metrics as curves, what calls cost, a table of
    the last calls, trees of calls that failed, were slow or were drawn as a sample, and the files of the spans as an artefact.

    Whether it is online is for the user to say, with `WANDB_MODE=online`; without that variable nothing leaves the
    machine. Steps are our own (`step` is a metric like the others, and the axis of all of them), so they may come in
    any order.

    Args:
        folder: The run's folder, as for `record`. Everything that W&B writes is in `folder/wandb`.
        project: W&B's project.
        name: What the run is called there; W&B thinks of a name when there is none.
        config: The run's settings, shown beside it. Keys in them are redacted, and so is what is named like one.
        group: What the run is shown together with, such as the trials of a study.
        kind: W&B's job type.

    Attributes:
        lost: How many values and tables did not arrive.
        active: Whether W&B is there at all.
        mode: As `WANDB_MODE`, but "offline" where no server has answered; None where no run was opened.

    Example:
        >>> import os, tempfile
        >>> os.environ["WANDB_MODE"] = "disabled"  # the example should not wait for W&B; leave this line out
        >>> with tempfile.TemporaryDirectory() as folder, WandbRun(folder, config={"width": 64}) as run:
        ...     run.log({"loss": 0.3}, step=7)
        ...     run.table("replies", ["prompt", "score"], [["2 + 2", 1.0]])
        ...     run.summary({"best": 0.3})
        >>> run.lost
        0
        >>> del os.environ["WANDB_MODE"]
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        project: str = "llm-brain",
        name: str | None = None,
        config: Mapping[str, object] | None = None,
        group: str | None = None,
        kind: str | None = None,
    ) -> None:
        self.folder = Path(folder).absolute()
        identity = {"project": project, "name": name, "group": group, "kind": kind}
        self._identity = {key: None if value is None else clean_text(value) for key, value in identity.items()}
        self._config = clean_config(config or {})
        self.mode: str | None = None
        self._service: WandbService | None = None
        self._background: Background | None = None
        self._follower: Follower | None = None

    @property
    def active(self) -> bool:
        """Whether a W&B run is open."""
        return self._service is not None

    @property
    def lost(self) -> int:
        """Values and tables that W&B did not take while the run was open."""
        return 0 if self._background is None else self._background.lost

    def log(self, values: Mapping[str, object], *, step: int | None = None) -> None:
        """Log metrics.

        Args:
            values: Numbers, strings and nested mappings of them; a list of numbers is shown as a histogram, and anything else
                is logged as a few words about it.
            step: Where on the axis they stand. Without it they stand at the last step that was logged.
        """
        if self.active:
            row = clean_mapping(values if step is None else {**values, "step": step})
            self._submit(lambda run: run.log(row))

    def table(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Log a table; of more than `MAX_ROWS` rows the last ones.

        Args:
            name: The table's name in W&B.
            columns: Names of the columns.
            rows: A value for each column. Values that are not plain are shown as JSON text.
        """
        if self.active:
            key = table_name(name)
            head = [clean_text(column) for column in columns]
            body = [[cell(value) for value in row] for row in deque(rows, MAX_ROWS)]
            self._submit(lambda run: run.log_table(key, head, body))

    def confusion(self, name: str, matrix: ConfusionMatrix) -> None:
        """Log a confusion matrix, shown as a chart.

        Args:
            name: The chart's name in W&B.
            matrix: Its classes and counts.
        """
        if self.active:
            self._submit(lambda run: log_confusion(run, name, matrix))

    def summary(self, values: Mapping[str, object]) -> None:
        """Set values of the run as a whole: a best score, a total."""
        if self.active:
            row = clean_mapping(values)
            self._submit(lambda run: run.summarize(row))

    def catch_up(self, timeout: float = 600.0) -> bool:
        """Wait until W&B has been given all that the spans tell that are on disk by now.

        While a run goes on there is no need to. A run of a million spans that is over takes longer to show than leaving the
        block waits for.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            Whether it has been given all.
        """
        done, follower = threading.Event(), self._follower
        if follower is None:
            return False
        taken = self._submit(lambda _: follower.catch_up()) and self._submit(lambda _: done.set())
        return taken and done.wait(timeout)

    def __enter__(self) -> Self:
        mode = os.environ.get("WANDB_MODE", "offline")
        if mode == "disabled":
            return self
        # Better kept on disk than not at all, where a server does not answer.
        for attempt in (mode, "offline") if mode in {"online", "run", "shared"} else (mode,):
            try:
                self._service = WandbService(self.folder / "wandb", mode=attempt, config=self._config, **self._identity)
            except (Exception, SystemExit) as error:
                notice(f"W&B ({attempt}) did not start, and the run goes on: {type(error).__name__}: {error}")
            else:
                self.mode = attempt
                self._follow(self._service)
                break
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        service, background = self._service, self._background
        if service is None or background is None:
            return
        interrupted = kind is KeyboardInterrupt
        if background.is_here:
            self._end_following(background, interrupted=interrupted)
        self._service = None
        # Whoever pressed Ctrl-C wants to leave now; what was logged is on its way to the disk already.
        patience = INTERRUPTED_PATIENCE if interrupted else PATIENCE
        service.close(background, exit_code=0 if kind is None else 1, patience=patience)

    def _end_following(self, background: Background, *, interrupted: bool) -> None:
        follower = self._follower
        if follower is None:
            return
        background.between_jobs(None)
        if interrupted:
            follower.stop()
        else:
            background.submit(follower.finish)

    def _follow(self, service: WandbService) -> None:
        self._background = Background("W&B")
        self._follower = Follower(self.folder, service, self._background)
        self._background.between_jobs(self._follower.follow)

    def _submit(self, job: Callable[[WandbService], object]) -> bool:
        service = self._service
        return service is not None and self._background is not None and self._background.submit(lambda: job(service))
