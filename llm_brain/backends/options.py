"""Which of some options a reply in words names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

THOUGHTS_END: Final = "</think>"


def option_in(text: str, options: Sequence[str]) -> str | None:
    """Return the option that a reply consists of; None where it is none of them, or several.

    Quotes, marks and case count only where they tell options apart; what a model thinks aloud before it answers is left out.

    Example:
        >>> option_in('"Yes."', ["yes", "no"]), option_in("yes and no", ["yes", "no"]), option_in("A", ["a", "A"])
        ('yes', None, 'A')
        >>> option_in('{"return_value": true}', ["true", "false"])
        'true'
    """
    answer = _unwrapped(text.rpartition(THOUGHTS_END)[2])
    for read in (str.strip, _bare, lambda said: _bare(said).casefold()):
        found = [option for option in options if read(option) == read(answer)]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _unwrapped(text: str) -> str:
    """Take the answer out of JSON: a text in quotes, or an object with one field, which models that were told of JSON write."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, dict) and len(value) == 1:
        (value,) = value.values()
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    return value if isinstance(value, str) else text


def _bare(text: str) -> str:
    return text.strip().strip("\"'`.*!").strip()
