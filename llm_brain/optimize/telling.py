"""What a study found, in plain words: the verdict as a sentence, what was changed, and texts line by line."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

from llm_brain.optimize.study import Verdict
from llm_brain.tracing.text import visible_text

Mark = Literal[" ", "+", "-", "…"]
CONTEXT: Final = 3
"""How many lines that stayed are shown around those that did not."""
LONGEST_WORD: Final = 40
ALIKE: Final = 0.5
"""How much two lines have in common at least, where they are compared word by word."""
MOST_WORDS: Final = 1_500
_WORDS: Final = re.compile(r"\w+|\s+|[^\w\s]")


class Change(NamedTuple):
    """A hyperparameter that has another value.

    Attributes:
        name: What it is called.
        before, after: Its values; None where a choice leaves it out.

    Example:
        >>> Change("rate", 0.1, 0.2).after
        0.2
    """

    name: str
    before: Any
    after: Any


class Line(NamedTuple):
    """A line of a text that was changed.

    Attributes:
        mark: "+": it is new; "-": it is gone; " ": it stayed; "…": lines that stayed are left out.
        text: What it says.
        words: Of a line that was rewritten, its pieces, each with whether it was changed; otherwise nothing.

    Example:
        >>> Line("+", "Be short.").mark
        '+'
    """

    mark: Mark
    text: str
    words: tuple[tuple[str, bool], ...] = ()


def verdict_words(verdict: Verdict | None) -> str:
    """Say what a study found.

    Example:
        >>> print(verdict_words(Verdict(3, 3, 0.1234, 0.0512, 0.2, 0.95, 24, True)))
        Trial 3 is better than the default by 0.1234 (95% interval 0.0512 to 0.2, 24 pairs of fresh runs).
        >>> print(verdict_words(Verdict(0, 3, 0.02, -0.1, 0.14, 0.95, 24, False)))
        Nothing was shown to be better than the default. The best other trial, number 3, differs from it by +0.02 (95% interval
        -0.1 to 0.14, 24 pairs of the runs that it was chosen by).
        >>> print(verdict_words(Verdict(3, 3, 0.0, None, None, 0.95, 0, True, "the default failed: ValueError")))
        Trial 3 is recommended, and was compared with nothing: the default failed: ValueError.
    """
    if verdict is None:
        return "Nothing is compared with the default yet: the study goes on."
    reason = visible_text(verdict.reason)  # it may tell of an error
    if verdict.pairs == 0 and verdict.trial:
        return f"Trial {verdict.trial} is recommended, and was compared with nothing: {reason}."
    if verdict.pairs == 0:
        return f"Nothing was shown to be better than the default: {reason or 'no other trial is complete'}."
    runs = "fresh runs" if verdict.is_fresh else "the runs that it was chosen by"
    if verdict.low is None or verdict.high is None:
        sure = f"{_pairs(verdict.pairs)} of {runs}: too few for an interval"
    else:
        interval = f"{number(verdict.low)} to {number(verdict.high)}"
        sure = f"{verdict.confidence:.0%} interval {interval}, {_pairs(verdict.pairs)} of {runs}"
    sure += f"; {reason}" if reason else ""
    if verdict.trial:
        better = "scored higher" if verdict.low is None else "is better"  # one pair may be luck
        return f"Trial {verdict.trial} {better} than the default by {number(verdict.gain)} ({sure})."
    other = f"The best other trial, number {verdict.candidate}, differs from it by {signed(verdict.gain)} ({sure})."
    return f"Nothing was shown to be better than the default. {other}"


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Give what differs between two points.

    Example:
        >>> changes({"rate": 0.1, "fast": True}, {"rate": 0.2, "fast": True})
        [Change(name='rate', before=0.1, after=0.2)]
    """
    names = [*before, *(name for name in after if name not in before)]
    return [Change(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)]


def changed_lines(before: str, after: str) -> list[Line]:
    r"""Compare two texts line by line.

    Example:
        >>> lines = changed_lines("Read it.\nSay yes.", "Read it.\nSay no.")
        >>> [line.mark + line.text for line in lines], lines[2].words
        ([' Read it.', '-Say yes.', '+Say no.'], (('Say ', False), ('no', True), ('.', False)))
    """
    return list(_lines(before.splitlines(), after.splitlines()))


def change_words(change: Change, texts: tuple[str, ...] = ()) -> str:
    r"""Say a change in a few words; of a text, how many of its lines are new and gone.

    Example:
        >>> change_words(Change("rate", 0.1, 0.25)), change_words(Change("prompt", "a\nb", "a\nc"), ("prompt",))
        ('rate 0.25', 'prompt +1 -1 lines')
    """
    if change.name in texts and isinstance(change.before, str) and isinstance(change.after, str):
        lines = changed_lines(change.before, change.after)
        new, gone = (sum(line.mark == mark for line in lines) for mark in "+-")
        told = f"+{new} -{gone} lines"
    else:
        told = "not there" if change.after is None else number(change.after)
    return f"{change.name} {told if len(told) <= LONGEST_WORD else told[: LONGEST_WORD - 1] + '…'}"


def number(value: Any) -> str:
    """Write a number with four digits that count; anything else as it is.

    Example:
        >>> number(0.123456), number(12), number(1234567.0), number("plain"), number(True)
        ('0.1235', '12', '1,234,567', 'plain', 'yes')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:,.0f}" if 10_000 <= abs(value) < 1e15 else f"{value:.4g}"  # noqa: PLR2004 - four digits


def alike(values: Iterable[float | None]) -> Callable[[float], str]:
    """Give a way to write numbers of a column, all with as many decimals: so many that their differences are seen.

    Example:
        >>> write = alike([0.5, 0.7123])
        >>> write(0.7), write(0.7123)
        ('0.7000', '0.7123')
    """
    known = [value for value in values if value is not None]
    width = (max(known) - min(known) if known else 0.0) or max(map(abs, known), default=1.0) or 1.0
    decimals = max(0, min(8, 3 - math.floor(math.log10(width))))
    return lambda value: f"{value:,.{decimals}f}"


def signed(value: float) -> str:
    """Write a difference.

    Example:
        >>> signed(0.25), signed(-0.25)
        ('+0.25', '-0.25')
    """
    return ("+" if value >= 0 else "") + number(value)


def _pairs(count: int) -> str:
    return f"{count:,} pair{'' if count == 1 else 's'}"


def _left_out(count: int) -> Line:
    return Line("…", f"{count:,} line{'' if count == 1 else 's'}")


def _lines(old: list[str], new: list[str]) -> Iterator[Line]:
    groups = list(difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(CONTEXT))
    place = 0
    for group in groups:
        if group[0][1] > place:
            yield _left_out(group[0][1] - place)
        for kind, begin, end, other_begin, other_end in group:
            if kind == "equal":
                yield from (Line(" ", line) for line in old[begin:end])
                continue
            gone, fresh = _rewritten(old[begin:end], new[other_begin:other_end])
            yield from gone
            yield from fresh
        place = group[-1][2]
    if groups and place < len(old):
        yield _left_out(len(old) - place)


def _rewritten(old: list[str], new: list[str]) -> tuple[list[Line], list[Line]]:
    """Compare lines that took the place of others, each with the one at its place, word by word."""
    gone, fresh = [Line("-", line) for line in old], [Line("+", line) for line in new]
    for place, (before, after) in enumerate(zip(old, new, strict=False)):
        words, others = _WORDS.findall(before), _WORDS.findall(after)
        if len(words) > MOST_WORDS or len(others) > MOST_WORDS:
            continue
        matcher = difflib.SequenceMatcher(None, words, others, autojunk=False)
        if matcher.ratio() < ALIKE:
            continue
        opcodes = matcher.get_opcodes()
        gone[place] = Line("-", before, tuple(("".join(words[i:j]), kind != "equal") for kind, i, j, _, _ in opcodes if j > i))
        fresh[place] = Line("+", after, tuple(("".join(others[i:j]), kind != "equal") for kind, _, _, i, j in opcodes if j > i))
    return gone, fresh
