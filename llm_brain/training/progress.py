"""What the terminal shows while a brain is taught: a bar for each stage, and what each epoch gave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from llm_brain.training.callbacks import Callback

SHOWN = (("loss", "loss"), ("reward", "reward"), ("score", "validation_score"))


class Shown(Callback):
    """Shows stages and epochs on a terminal.

    Args:
        bars: Where they are shown.
        epochs: How many there will be.
        training: What the bar of the epochs is called.

    Example:
        >>> shown = Shown(Progress(disable=True), epochs=3)
        >>> tick = shown.stage("the model answers", 2)
        >>> tick(); shown.on_epoch({"epoch": 1, "loss": 0.7})
    """

    def __init__(self, bars: Progress, epochs: int, training: str = "training the brain") -> None:
        self._bars, self._epochs, self._name = bars, epochs, training
        self._training: TaskID | None = None

    def stage(self, name: str, total: int) -> Callable[[], None]:
        """Begin a stage; what is returned is called at each step of it."""
        task = self._bars.add_task(name, total=total, note="")
        return lambda: self._bars.advance(task)

    def on_epoch(self, metrics: Mapping[str, float]) -> None:
        """Show what an epoch gave."""
        if self._training is None:
            self._training = self._bars.add_task(self._name, total=self._epochs, note="")
        said = [f"{label} {metrics[name]:.3f}" for label, name in SHOWN if name in metrics]
        self._bars.update(self._training, completed=int(metrics["epoch"]), note=", ".join(said))


@contextmanager
def shown_lesson(epochs: int, *, shown: bool | None, training: str = "training the brain") -> Iterator[Shown]:
    """Show a lesson while a `with` block runs.

    Args:
        epochs: How many there will be.
        shown: Whether it is shown; None: where standard error is a terminal.
        training: What the bar of the epochs is called.

    Example:
        >>> with shown_lesson(3, shown=False) as bars:
        ...     bars.on_epoch({"epoch": 1, "loss": 0.7})
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    hidden = not console.is_terminal if shown is None else not shown
    with Progress(*columns, console=console, disable=hidden) as bars:
        yield Shown(bars, epochs, training)
