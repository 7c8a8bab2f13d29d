"""What the terminal shows while the demo runs: the stages, the training, and the model's calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

from llm_brain.training import Callback

SHOWN = (("loss", "loss"), ("reward", "reward"), ("score", "validation_score"))


class Display:
    """A progress bar for each stage, and a line that counts the model's calls."""

    def __init__(self, console: Console) -> None:
        self.console = console
        columns = (
            SpinnerColumn(finished_text="[green]✓[/]"),
            TimeElapsedColumn(table_column=Column(no_wrap=True, min_width=7)),
            TextColumn("{task.description}", table_column=Column(no_wrap=True, min_width=35)),
            MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=9)),
            TextColumn("{task.fields[note]}", style="dim", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
        )
        self._progress = Progress(*columns, console=console, refresh_per_second=4, expand=True)
        self._calls: TaskID | None = None
        self._asked = 0
        self._kept = 0

    def __enter__(self) -> Self:
        self._progress.start()
        self._calls = self._progress.add_task("the language model's calls", total=None, note="")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._calls is not None:
            self._progress.update(self._calls, total=self._asked + self._kept)
        self._progress.stop()

    def call(self, cached: bool) -> None:  # noqa: FBT001 - what a traced backend tells
        """Count a call of the model."""
        if cached:
            self._kept += 1
        else:
            self._asked += 1
        if self._calls is not None:
            note = f"asked {self._asked:,}, kept {self._kept:,}"
            self._progress.update(self._calls, completed=self._asked + self._kept, note=note)

    def stage(self, name: str, total: int) -> Callable[[], None]:
        """Show a stage; what is returned is called at each step of it."""
        task = self._progress.add_task(name, total=total, note="")
        return lambda: self._progress.advance(task)

    def training(self, name: str, epochs: int) -> Callback:
        """Show a training; what is returned hears of each epoch."""
        return _Training(self._progress, self._progress.add_task(name, total=epochs, note=""))


class _Training(Callback):
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def on_epoch(self, metrics: Mapping[str, float]) -> None:
        said = [f"{label} {metrics[name]:.3f}" for label, name in SHOWN if name in metrics]
        if pending := int(metrics.get("feedback_pending", 0)):
            said.append(f"{pending} evaluations on their way")
        self._progress.update(self._task, completed=int(metrics["epoch"]), note=", ".join(said))
