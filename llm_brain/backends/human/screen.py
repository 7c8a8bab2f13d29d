"""What a person sees: prompts in panels with their arguments laid out, menus, questions, and the answer before it is sent.

Every text goes through `visible_text`, and none is read as rich's markup, so that nothing in a prompt can act on the terminal.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from llm_brain.backends.human.entries import Option, is_numbered
from llm_brain.backends.human.lines import shown_on
from llm_brain.backends.human.text import outline, pretty, visible_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

_WIDEST: Final = 100  # columns: longer lines are hard to read
_WIDEST_NAME: Final = 20
_WIDEST_OPTION: Final = 24
_LONG_MENU: Final = 9


def person_console() -> Console:
    """Make the console that a person at the terminal looks at.

    Example:
        >>> person_console().width <= 100
        True
    """
    from rich.console import Console, ConsoleDimensions

    class PersonConsole(Console):
        def on_broken_pipe(self) -> None:
            raise  # noqa: PLE0704 - rich calls this where it has caught the error, and would end the program

    stream = shown_on()
    console = PersonConsole(file=stream)
    width, height = console.size
    if console.is_dumb_terminal:  # of which rich takes for granted that it has 80 columns
        with suppress(OSError):
            width = os.get_terminal_size(stream.fileno()).columns or width
    console.size = ConsoleDimensions(min(width, _WIDEST), height)
    return console


class Screen:
    """Shows things on a console.

    Args:
        console: The console.

    Example:
        >>> import io
        >>> from rich.console import Console
        >>> shown = io.StringIO()
        >>> Screen(Console(file=shown, width=60)).question("age", "In years.", "whole number")
        >>> print(shown.getvalue().strip())
        age  In years.  (whole number)
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def turn(self, title: str, parts: Iterable[tuple[str, Any] | str], style: str = "dim") -> None:
        """Show a turn of a conversation.

        Args:
            title: What it is.
            parts: Texts, and arguments as name and value. An empty text parts what comes before from what comes after.
            style: The frame's.
        """
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        blocks: list[RenderableType] = []
        is_parted = True
        for part in parts:
            if not part:
                is_parted = True
            elif isinstance(part, str):
                blocks.append(self._text(part))
                is_parted = True
            else:
                if is_parted:
                    blocks.append(_grid())
                    is_parted = False
                table = blocks[-1]
                if isinstance(table, Table):
                    table.add_row(*self._slot(*part))
        spaced = [shown for block in blocks for shown in (Text(), block)]
        self._panel(Group(*spaced[1:]), title, style)

    def question(self, place: str, description: str, hint: str) -> None:
        """Show what is asked next."""
        from rich.text import Text

        told = [self._text(place, "bold")]
        if description:
            told.append(self._text(description))
        if hint:
            told.append(self._text(f"({hint})", "dim"))
        self._console.print(Text("  ").join(told))

    def menu(self, options: Sequence[Option]) -> None:
        """Show what can be chosen from: a line each, or in columns where there are many short ones."""
        from rich.columns import Columns

        numbered = is_numbered(options)
        places = [f"{place:>3}  " if numbered else "  " for place in range(1, len(options) + 1)]
        lines = [self._option(place, option) for place, option in zip(places, options, strict=True)]
        is_short = all(len(line) <= _WIDEST_OPTION for line in lines) and not any(option.description for option in options)
        if is_short and (len(options) > _LONG_MENU or not numbered):
            self._console.print(Columns(lines, padding=(0, 2), column_first=numbered))
        else:
            for line in lines:
                self._console.print(line)

    def answer(self, value: Any) -> None:
        """Show the answer as it will be sent."""
        self._panel(self._text(pretty(value, self._console.width - 4, is_open=True)), "Your answer", "green")

    def problem(self, text: str) -> None:
        """Show why something has to be typed again."""
        self._console.print(self._text(f"! {text}", "red"))

    def note(self, text: str) -> None:
        """Show something in passing."""
        self._console.print(self._text(text, "dim"))

    def _panel(self, inner: RenderableType, title: str, style: str) -> None:
        from rich.panel import Panel

        self._console.print(Panel(inner, title=self._text(title), title_align="left", border_style=style))

    def _slot(self, name: str, value: Any) -> tuple[Text, RenderableType]:
        from rich.console import Group
        from rich.padding import Padding

        if isinstance(value, str) and value.strip():
            return self._text(name, "bold"), self._text(value)
        # Each line is wrapped by itself, below its own beginning.
        lines = [(line, len(line) - len(line.lstrip(" "))) for line in outline(value).split("\n")]
        return self._text(name, "bold"), Group(*(Padding(self._text(line[left:]), (0, 0, 0, left)) for line, left in lines))

    def _option(self, place: str, option: Option) -> Text:
        from rich.text import Text

        told = Text.assemble(self._text(place, "dim"), self._text(option.word))
        return told.append_text(self._text(f"  {option.description}", "dim")) if option.description else told

    def _text(self, text: str, style: str = "") -> Text:
        from rich.text import Text

        encoding = self._console.encoding
        told = visible_text(text).encode(encoding, "backslashreplace").decode(encoding)
        return Text(told, style)


def _grid() -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(max_width=_WIDEST_NAME, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    return table
