r"""From what a person typed on one line to a JSON value.

A text is taken as it is, and needs no quotes. In quotes it is a JSON string, so that everything can be typed: `""` is the empty
text, `"5"` a text that is no number, `"one\ntwo"` two lines.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from typing import Any, Final

from llm_brain.backends.human.rules import complaint, demand, word
from llm_brain.backends.human.schema import Part

_NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_WHOLE: Final = re.compile(r"[-+]?\d+")
_LONGEST_SHOWN: Final = 40
_DEEPEST: Final = 100
_TOO_DEEP: Final = "it is nested too deeply"
_YES_OR_NO: Final = {"true": ("yes",), "false": ("no",)}


class Misread(ValueError):  # noqa: N818 - it never leaves the form, which asks again with its text
    """What was typed does not answer the question; the message says why.

    Example:
        >>> str(Misread("must be a whole number"))
        'must be a whole number'
    """


@dataclass(frozen=True, slots=True)
class Option:
    """One line of a menu.

    Attributes:
        word: What it is called, and can be typed.
        value: What it stands for.
        description: What is said of it.
        synonyms: What can be typed, too.

    Example:
        >>> Option("red", "#f00").word
        'red'
    """

    word: str
    value: Any
    description: str = ""
    synonyms: Sequence[str] = ()


def menu_of(values: Sequence[Any]) -> tuple[Option, ...]:
    """Make a menu of JSON values.

    Example:
        >>> [option.word for option in menu_of(["red", 5, None])]
        ['red', '5', 'null']
    """
    words = [word(value) for value in values]
    # A text that cannot be typed as it is, or reads like another option, stands in quotes.
    words = [
        told if told and told == told.strip() and told.isprintable() and words.count(told) == 1 else json.dumps(value)
        for told, value in zip(words, values, strict=True)
    ]
    answers_yes_or_no = {told.casefold() for told in words} == _YES_OR_NO.keys()
    synonyms = _YES_OR_NO if answers_yes_or_no else {}
    return tuple(
        Option(told, value, synonyms=synonyms.get(told.casefold(), ())) for told, value in zip(words, values, strict=True)
    )


def is_numbered(options: Sequence[Option]) -> bool:
    """Tell whether the lines of a menu can be chosen by number: not where an option is a number itself.

    Example:
        >>> is_numbered(menu_of(["red", "blue"])), is_numbered(menu_of([1, 2, 3]))
        (True, False)
    """
    return not any(_WHOLE.fullmatch(option.word.strip()) for option in options)


def chosen(line: str, options: Sequence[Option]) -> Any:
    """Read which line of a menu is meant: its number, its word, or a beginning that no other one has.

    Raises:
        Misread: None is, or several are.

    Example:
        >>> chosen("2", menu_of(["red", "blue"])), chosen("r", menu_of(["red", "blue"]))
        ('blue', 'red')
    """
    if is_numbered(options) and line.isdecimal():
        if not 1 <= int(line[:9]) <= len(options):
            message = f"there is no number {line[:9]}: choose from 1 to {len(options)}"
            raise Misread(message)
        return options[int(line) - 1].value
    for is_meant in (_is_word, _is_folded_word, _is_beginning) if line else ():
        meant = [option for option in options if any(is_meant(line, told) for told in (option.word, *option.synonyms))]
        if len(meant) == 1 or (meant and is_meant is _is_word):
            return meant[0].value
        if meant:
            message = f"{line!r} may be {' or '.join(repr(option.word) for option in meant[:5])}: type more of it"
            raise Misread(message)
    if not line:
        message = "something must be chosen"
        raise Misread(message)
    message = f"{_clipped(line)} is none of them: type {'a number or ' if is_numbered(options) else ''}a word of the list"
    raise Misread(message)


def entered(line: str, part: Part) -> Any:
    """Read a value that is typed on one line, and check it.

    Args:
        line: What was typed, without blanks around it.
        part: What it should be.

    Raises:
        Misread: It is no such value.

    Example:
        >>> entered("5", Part({"type": "integer"})), entered("5", Part({"type": "string"}))
        (5, '5')
        >>> entered("-3", Part({"type": "number", "minimum": 0}))
        Traceback (most recent call last):
        ...
        llm_brain.backends.human.entries.Misread: must be at least 0
    """
    problems = []
    for value in _readings(line, part):
        problem = complaint(value, part)
        if problem is None:
            return value
        problems.append(problem)
    if problems:
        raise Misread(problems[0])
    if _NUMBER.fullmatch(line.replace(",", ".", 1)) and "," in line:
        message = f"must be a number, with a point: {line.replace(',', '.', 1)}"
        raise Misread(message)
    raise Misread(demand(part))


def anything(line: str) -> Any:
    """Read a value of any type: JSON where it is JSON, and text otherwise.

    Raises:
        Misread: It holds characters that cannot be seen.

    Example:
        >>> anything("[1, 2]"), anything("one, two")
        ([1, 2], 'one, two')
    """
    try:
        return json_of(line)
    except ValueError:
        return text_of(line)


def text_of(line: str) -> str:
    """Read a text: as it was typed, or from the JSON string that it is.

    Raises:
        Misread: It holds characters that cannot be seen, as the keys of a terminal leave them.

    Example:
        >>> text_of('say "hello"'), text_of('"5"')
        ('say "hello"', '5')
    """
    text = _quoted(line)
    if text is not None:
        return text
    return visible(line)


def visible(text: str) -> str:
    """Return a text in which every character can be seen.

    Raises:
        Misread: It holds characters that cannot be seen, as the keys of a terminal leave them.

    Example:
        >>> visible("one")
        'one'
    """
    hidden = [letter for letter in text if unicodedata.category(letter) in {"Cc", "Cs"} and letter not in "\n\t"]
    if hidden:
        message = f"holds a character that cannot be seen ({hidden[0].encode('unicode_escape').decode()}): type it without"
        raise Misread(message)
    return text


def json_of(line: str) -> Any:
    """Read JSON.

    Raises:
        ValueError: It is none, or holds a number that is not finite.

    Example:
        >>> json_of("[1, 2]")
        [1, 2]
    """
    try:
        value = json.loads(line, parse_constant=_refused, parse_float=_finite)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    if _is_deep(value):
        raise ValueError(_TOO_DEEP)
    return value


def _readings(line: str, part: Part) -> Iterator[Any]:
    """Give what a line may mean, likeliest first."""
    members = part.alternatives
    types = {member.type for member in members}
    text = _quoted(line)
    if text is not None:
        if any(member.type == "string" or member.kind == "options" for member in members):
            yield text
        return
    yield from (value for member in members if member.kind == "options" for value in member.values if word(value) == line)
    if "boolean" in types and line.casefold() in _YES_OR_NO:
        yield line.casefold() == "true"
    takes_text = "string" in types
    if _NUMBER.fullmatch(line) and types & {"integer", "number"}:
        number = _number(line)
        if isinstance(number, float) and number.is_integer() and "number" not in types:
            number = int(number)
        # Where digits can be kept as text, a number that has more of them than a float holds is kept so.
        if isinstance(number, int) or not takes_text or Decimal(line) == Decimal(repr(number)):
            yield number
    if takes_text:
        yield visible(line)


def _number(line: str) -> int | float:
    try:
        return int(line) if _WHOLE.fullmatch(line) else _finite(line)
    except ValueError as error:  # Python reads no integer of more than 4,300 digits
        message = "is too large a number"
        raise Misread(message) from error


def _quoted(line: str) -> str | None:
    if not (line.startswith('"') and line.endswith('"')):
        return None
    try:
        value = json_of(line)
    except ValueError:
        return None
    return value if isinstance(value, str) else None


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        inner = [held.values() if isinstance(held, dict) else held for held in level if isinstance(held, dict | list)]
        level = list(chain.from_iterable(inner))
    return bool(level)


def _finite(number: str) -> float:
    value = float(number)
    if value in (float("inf"), float("-inf")):
        message = f"{number} is too large"
        raise ValueError(message)
    return value


def _refused(constant: str) -> float:
    message = f"{constant} is not JSON"
    raise ValueError(message)


def _clipped(line: str) -> str:
    return repr(line if len(line) <= _LONGEST_SHOWN else f"{line[:_LONGEST_SHOWN]}...")


def _is_word(line: str, told: str) -> bool:
    return line == told.strip()


def _is_folded_word(line: str, told: str) -> bool:
    return line.casefold() == told.strip().casefold()


def _is_beginning(line: str, told: str) -> bool:
    return told.strip().casefold().startswith(line.casefold())
