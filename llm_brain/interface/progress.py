"""A bar of epochs in the terminal, with what each one gave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def shown_epochs(epochs: int, *, shown: bool | None) -> Iterator[Callable[[str], None]]:
    """Show a bar while epochs go by.

    Args:
        epochs: How many there will be.
        shown: Whether there is one; None: where standard error is a terminal.

    Returns:
        What is told after each epoch, with a note to stand beside the bar.

    Example:
        >>> with shown_epochs(2, shown=False) as tell:
        ...     tell("loss 0.693")
    """
    if shown is False:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("epochs"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[note]}"))
    with Progress(*columns, console=console, disable=shown is None and not console.is_terminal) as bar:
        task = bar.add_task("epochs", total=epochs, note="")

        def tell(note: str) -> None:
            bar.update(task, advance=1, note=note)

        yield tell
