"""A study in Weights & Biases: a group, in which each trial is a run, and one more run has the study's tables.

    a trial that is over -> a queue -> a thread -> a W&B run of its own: hyperparameters, scores, what it cost
    the journal, in the end -> tables: trials, versions of texts, reflections, lessons, refusals

The journal is the truth, and W&B a view of it. When W&B is missing, slow or broken, one warning says so and the study goes on. A
trial that W&B has already is not shown again, so that what is missing can be caught up with.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from llm_brain.optimize.recorded import Recorded, read_events, read_recorded
from llm_brain.optimize.study import Trial
from llm_brain.optimize.study_tables import RUN_COLUMNS, run_rows, study_config, study_summary, study_tables
from llm_brain.tracing import names
from llm_brain.tracing.background import Background
from llm_brain.tracing.following import Following
from llm_brain.tracing.notice import notice
from llm_brain.tracing.wandb_run import INTERRUPTED_PATIENCE, PATIENCE, WandbRun
from llm_brain.tracing.wandb_service import WandbService
from llm_brain.tracing.wandb_values import cell, clean_config, clean_mapping, clean_text

RUN_AXIS: Final = "run/number"


class StudyRuns:
    """Shows a study in W&B while it goes on. Pass it as `on_trial`; it cannot fail, and nothing waits for it.

    Whether it is online is said by `WANDB_MODE`, as for `WandbRun`.

    Args:
        folder: Where `wandb` is written; that of `record`, so that the runs tell the spans of their trials.
        journal: The study's file.
        project: W&B's project.

    Attributes:
        lost: How many trials and tables did not arrive.

    Example:
        >>> import os, tempfile
        >>> os.environ["WANDB_MODE"] = "disabled"  # the example should not wait for W&B; leave this line out
        >>> with tempfile.TemporaryDirectory() as folder, StudyRuns(folder, Path(folder) / "study.jsonl") as runs:
        ...     runs(Trial(0, "default", None, {"rate": 0.5}, status="complete", score=0.8))
        >>> runs.lost
        0
        >>> del os.environ["WANDB_MODE"]
    """

    def __init__(self, folder: Path | str, journal: Path | str, *, project: str = "llm-brain") -> None:
        self.folder, self.journal = Path(folder).absolute(), Path(journal).absolute()
        self._project = project
        self._mode = os.environ.get("WANDB_MODE", "offline")
        self._background: Background | None = None
        self._whole: WandbRun | None = None
        self._group = self._id = ""
        self._following = Following(self.folder)
        self._spans: dict[int, tuple[str, str]] = {}

    @property
    def lost(self) -> int:
        """Trials and tables that W&B did not take."""
        here = 0 if self._background is None else self._background.lost
        return here + (0 if self._whole is None else self._whole.lost)

    def __call__(self, trial: Trial[Any]) -> None:
        """Show a trial that is over."""
        if self._background is not None:
            self._background.submit(lambda: self._show(trial))

    def catch_up(self, timeout: float = 600.0) -> bool:
        """Show the trials of the journal that W&B does not have: a study that is over, or was run without it.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            Whether W&B has been given all of them.

        Raises:
            DataError: The journal cannot be read.
        """
        if self._background is None:
            return False
        for trial in read_recorded(self.journal).finished:
            self(trial)
        done = threading.Event()
        return self._background.submit(done.set) and done.wait(timeout)

    def __enter__(self) -> Self:
        if self._mode != "disabled":
            self._background = Background("W&B")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        background = self._background
        if background is None:
            return
        interrupted = kind is KeyboardInterrupt
        if not interrupted:
            background.submit(self._finish)
        patience = INTERRUPTED_PATIENCE if interrupted else PATIENCE
        is_done = background.close(timeout=patience)
        if interrupted and self._whole is not None:
            self._whole.__exit__(kind, error, traceback)
        elif not is_done:
            notice(f"W&B did not finish within {patience:g} s; `StudyRuns(...).catch_up()` shows what is missing")

    def _show(self, trial: Trial[Any]) -> None:
        whole = self._opened()
        number = f"{self._id}-{trial.number}"
        if not whole.active or any(self.folder.glob(f"wandb/*run-*-{number}")):
            return
        for one in self._following.new():
            if one.kind == names.TRIAL_KIND and isinstance(told := one.attributes.get(names.TRIAL), int):
                self._spans[told] = (one.trace_id, one.span_id)
        service = self._service(trial, number)
        try:
            for place, outcome in enumerate(trial.outcomes):
                row = {"score": outcome.score, "seconds": outcome.seconds, "tokens": outcome.tokens, "dollars": outcome.dollars}
                told_row = {f"run/{name}": value for name, value in row.items() if value is not None}
                service.log(clean_mapping({**told_row, "run/case": outcome.case, RUN_AXIS: place}), RUN_AXIS)
            rows = [[cell(value) for value in row] for row in run_rows(trial)]
            service.log_table("runs", RUN_COLUMNS, rows)
            service.summarize(clean_mapping(self._found(trial)))
        finally:
            service.finish(exit_code=int(trial.status == "failed"))

    def _service(self, trial: Trial[Any], number: str) -> WandbService:
        told = {"trial": trial.number, "proposer": trial.proposer, "parents": list(trial.parents), "fidelity": trial.fidelity}
        trace, span = self._spans.get(trial.number, (None, None))
        where = {"folder": str(self.folder), "trace_id": trace, "span_id": span} if span else {}
        return WandbService(
            self.folder / "wandb",
            mode=self._mode,
            config=clean_config({**trial.point, "study": {**told, **where, "note": trial.note}}),
            project=clean_text(self._project),
            name=clean_text(f"trial {trial.number}, {trial.proposer}"),
            group=self._group,
            kind="trial",
            number=number,
        )

    def _found(self, trial: Trial[Any]) -> Mapping[str, object]:
        forecast = None if trial.forecast is None else trial.forecast.probability
        found = {"score": trial.score, "status": trial.status, "forecast": forecast, "refused": len(trial.refused)}
        spent = {"runs": len(trial.outcomes), "seconds": trial.seconds, "tokens": trial.tokens, "dollars": trial.dollars}
        return {name: value for name, value in {**found, **spent}.items() if value is not None}

    def _opened(self) -> WandbRun:
        """Give the run of the whole study. It stays open, and W&B's helper with it, so that each trial's run opens at once."""
        if self._whole is None:
            begun = read_events(self.journal)[0]
            self._id = _short_hash(begun)
            self._group = clean_text(f"{self.journal.stem} {self._id}")
            self._whole = WandbRun(
                self.folder,
                project=self._project,
                name=f"{self.journal.stem}, the study",
                config=study_config(begun),
                group=self._group,
                kind="study",
            )
            self._whole.__enter__()
            if self._whole.mode is not None:
                self._mode = self._whole.mode  # offline, where no server has answered
        return self._whole

    def _finish(self) -> None:
        whole = self._whole
        if whole is None:
            return
        try:
            recorded = read_recorded(self.journal)
            self._tell(whole, recorded)
        finally:
            whole.__exit__(None, None, None)

    def _tell(self, whole: WandbRun, recorded: Recorded) -> None:
        best = None
        for trial in recorded.finished:
            if trial.score is None:
                continue
            if trial.status == "complete" and trial.fidelity >= 1 and (best is None or trial.score > best):
                best = trial.score
            told = {"study/score": trial.score, "study/best": best, "study/trial": trial.number}
            whole.log({name: value for name, value in told.items() if value is not None}, step=trial.number)
        for name, (columns, rows) in study_tables(recorded, self._spans).items():
            if rows:
                whole.table(f"study/{name}", columns, rows)
        whole.summary(study_summary(recorded))


def _short_hash(begun: Mapping[str, Any]) -> str:
    """Give the name of a study, which another one in the same file would not have."""
    return hashlib.sha256(json.dumps(begun, sort_keys=True).encode()).hexdigest()[:8]
