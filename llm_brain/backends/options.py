"""Which of some options a reply in words names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

THOUGHTS_END: Final = "</think>"


def option_in(text: str, options: Sequence[str]) -> str | None:
    """Return the option that a reply consists of; None where it is none of them, or several.

    Quotes, marks and case count only where they tell options apart; what a model thinks aloud before it answers is left out.

    Example:
        >>> option_in('"Yes."', ["yes", "no"]), option_in("yes and no", ["yes", "no"]), option_in("A", ["a", "A"])
        ('yes', None, 'A')
    """
    answer = text.rpartition(THOUGHTS_END)[2]
    for read in (str.strip, _bare, lambda said: _bare(said).casefold()):
        found = [option for option in options if read(option) == read(answer)]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _bare(text: str) -> str:
    return text.strip().strip("\"'`.*!").strip()
