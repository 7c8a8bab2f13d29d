"""Words without quotes: keys, numbers however they are written, the constants of JSON and Python, text that lacks its quotes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from llm_brain.strategy.reading.broken import Broken

# They are bounded, as a reader may have to begin one again when more of the text is known.
_LONGEST_WORD = 2_000
_KEY = re.compile(rf"[^:=,{{}}\[\]()\n\"'`“”„‘’\\]{{1,{_LONGEST_WORD}}}")  # noqa: RUF001 - they are what is meant
_WORD = re.compile(rf"(?:(?!\s(?://|\#|/\*))[^,:{{}}\[\]()\n\"`“”„\\]|:(?=[^\s\"'“\[{{,}}])){{1,{_LONGEST_WORD}}}")
_PLAIN = r"(?:[+-]?(?:\.\d|0(?!\d)|[1-9])[\w.+-]{0,30}|true|false|null|True|False|None)"
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2} \d{3}\b")
_TWO_VALUES = re.compile(rf"({_PLAIN})\s+{_PLAIN}[\s,\]]")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_LOOSE_NUMBER = re.compile(r"[+-]?(?!0[\d_])(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?", re.ASCII)
_HEX_NUMBER = re.compile(r"[+-]?0[xX][0-9a-fA-F]+")
_BEHIND_QUOTE = re.compile(r"\"\s{0,1000}")
_CONSTANTS = {"true": True, "false": False, "null": None, "none": None}
_NO_VALUES = {"nan", "inf", "infinity", "undefined"}


@dataclass(frozen=True, slots=True)
class Word:
    """A token without quotes.

    Attributes:
        value: What it stands for: a number, a constant, or text.
        end: Where it ends.
        next_key: The key that follows it without a comma, as in `{a: 1 b: 2}`.

    Example:
        >>> read_word("{a: New York}", 4, to_end=True)
        Word(value='New York', end=12, next_key=None)
    """

    value: Any
    end: int
    next_key: str | None = None


def read_key(text: str, at: int, *, to_end: bool) -> tuple[str, int] | None:
    """Read a key without quotes, and where it ends; None if its end is not known yet.

    Raises:
        Broken: There is no key.

    Example:
        >>> read_key("{name: 3}", 1, to_end=True)
        ('name', 5)
    """
    found = _KEY.match(text, at)
    end = found.end() if found else at
    if end == len(text) and not to_end and end - at < _LONGEST_WORD:
        return None
    if found is None or text[end : end + 1] not in {":", "="}:
        raise Broken(text, at, "a key and a colon are expected")
    return found.group().strip(), end


def read_word(text: str, at: int, *, to_end: bool) -> Word | None:
    """Read a value without quotes; None if its end is not known yet.

    Raises:
        Broken: There is no value, or one that stands for none.

    Example:
        >>> read_word("[1_000, None]", 1, to_end=True), read_word("[None]", 1, to_end=True)
        (Word(value=1000, end=6, next_key=None), Word(value=None, end=5, next_key=None))
    """
    if _THOUSANDS.match(text, at):
        raise Broken(text, at, "one number with a blank in it, or two")
    if two := _TWO_VALUES.match(text, at):  # the comma between them is missing
        return Word(_meaning(two.group(1), text, at), two.end(1))
    found = _WORD.match(text, at)
    end = found.end() if found else at
    if end - at == _LONGEST_WORD:
        raise Broken(text, at, "a text without quotes is too long")
    behind = _BEHIND_QUOTE.match(text, end)
    is_cut = end == len(text) or text[end:] == ":" or (behind is not None and behind.end() == len(text))
    if is_cut and not to_end:
        return None
    raw = found.group().rstrip() if found else ""
    if not any(char.isalnum() for char in raw) or raw.startswith(("...", "…")):
        reason = "something is left out" if raw.startswith(("...", "…")) else "a value is expected"
        raise Broken(text, at, reason)
    if behind is not None and text[end - 1] == raw[-1] and text[behind.end() : behind.end() + 1] in {",", "}", "]", ""}:
        return Word(raw, end + 1)  # only the quote before it was left out
    if text[end : end + 1] != ":":
        return Word(_whole(raw, text, at, end), end)
    raw, _, key = raw.rpartition(" ")
    if not raw:
        raise Broken(text, end, "a colon stands behind a value")
    return Word(_whole(raw.rstrip(), text, at, end), end, key)


def _whole(raw: str, text: str, at: int, end: int) -> Any:
    """Tell what a word stands for, and refuse text that may not be all of it."""
    value = _meaning(raw, text, at)
    if end == len(text) and isinstance(value, float) and raw[-1] == ".":
        raise Broken(text, at, "a number ends at its point")
    if isinstance(value, str):
        if end == len(text):
            raise Broken(text, at, "a text without quotes may go on")
        if text[end] in "{[(" or (text[end] == '"' and not text[end - 1].isspace()):
            raise Broken(text, at, "a text without quotes runs into another value")
    return value


def _meaning(raw: str, text: str, at: int) -> Any:
    """Tell what a word stands for."""
    if raw.lower() in _CONSTANTS:
        return _CONSTANTS[raw.lower()]
    if raw.lower().lstrip("+-") in _NO_VALUES:
        raise Broken(text, at, f"{raw} is no value that JSON has")
    plain = raw.replace("_", "")
    try:
        if exact := _JSON_NUMBER.fullmatch(raw):
            number: float = float(raw) if exact.group(1) or exact.group(2) else int(raw)
        elif _HEX_NUMBER.fullmatch(raw):
            number = int(raw, 16)
        elif _LOOSE_NUMBER.fullmatch(raw):
            number = float(plain) if any(char in plain for char in ".eE") else int(plain)
        else:
            return raw
    except ValueError as error:  # Python reads no integer of more than 4,300 digits
        raise Broken(text, at, "a number is too long") from error
    if math.isinf(number):
        raise Broken(text, at, "a number is too large")
    return number
