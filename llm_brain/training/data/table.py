"""The counts of a set of pairs, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_brain.tracing.text import visible_text

if TYPE_CHECKING:
    from rich.table import Table

    from llm_brain.training.data.pairs import PairSet


def refusals_table(pairs: PairSet) -> Table:
    """Show how many pairs were accepted, by source and by answer, and how many were refused, by reason.

    Example:
        >>> from rich.console import Console
        >>> from llm_brain.training.answers import answer_for
        >>> from llm_brain.training.data import Pair, PairSet
        >>> pairs = PairSet(answer_for(bool))
        >>> _ = pairs.add(Pair("It works.", True)), pairs.add(Pair("it works", True))
        >>> Console(width=40).print(refusals_table(pairs))
        accepted  given      1
        answer    true       1
                  false      0
        refused   duplicate  1
    """
    from rich.table import Table
    from rich.text import Text

    counts = pairs.counts()
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    for heading, group in (("accepted", counts.accepted), ("answer", counts.answers), ("refused", counts.refused)):
        told = heading
        for name, number in group.items() or [("nothing", 0)] * (heading == "accepted"):
            table.add_row(told, Text(visible_text(name)), str(number))
            told = ""
    return table
