"""What lists look like on a terminal: groups of lines, each with a mark, a name, and what there is to say about it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from llm_brain.tracing.text import visible_text

if TYPE_CHECKING:
    from rich.table import Table

State = Literal["ok", "note", "warning", "broken"]
"""How a thing is. `note`: it is not there, and need not be. `broken`: it is set up, or needed, and cannot work."""

_MARKS: Final[dict[State, tuple[str, str]]] = {
    "ok": ("✓", "green"),
    "note": ("·", "dim"),
    "warning": ("!", "yellow"),
    "broken": ("✗", "red"),
}


class Line(NamedTuple):
    """A line of a list.

    Attributes:
        group: The heading that it stands under.
        state: How the thing is.
        name: What it is called.
        told: What there is to say about it.

    Example:
        >>> Line("Keys", "note", "OPENAI_API_KEY", "not set").state
        'note'
    """

    group: str
    state: State
    name: str
    told: str


def show_lines(lines: Iterable[Line]) -> None:
    """Print lines under their headings, as wide as the terminal is. Nothing is cut short: a path has to be copied whole.

    Example:
        >>> show_lines([Line("Keys", "note", "OPENAI_API_KEY", "not set")])
          Keys
        · OPENAI_API_KEY not set
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", max_width=max(12, console.width * 2 // 5))
    table.add_column(overflow="fold")
    for group, members in groupby(lines, key=lambda line: line.group):
        if table.row_count:
            table.add_row()
        table.add_row("", Text(group, style="bold"))
        for line in members:
            mark, style = _MARKS[line.state]
            told = Text(visible_text(line.told), style="" if line.state == "ok" else style)
            table.add_row(Text(mark, style=style), Text(visible_text(line.name)), told)
    show_table(table)


def show_table(table: Table) -> None:
    """Print a table, without the blanks that it fills its lines with, which whoever copies them does not want.

    Example:
        >>> from rich.table import Table
        >>> table = Table("name", "number", box=None, pad_edge=False)
        >>> table.add_row("one", "1")
        >>> show_table(table)
        name number
        one  1
    """
    from rich.console import Console

    console = Console()
    with console.capture() as shown:
        console.print(table)
    print("\n".join(line.rstrip() for line in shown.get().splitlines()))
