r"""Strings as language models write them: in any quotes, with raw line ends, with quotes inside that lack their escape.

Whether a quote ends a string or belongs to it is told by what follows it, and by whether the quotes within come in pairs; where
that leaves two readings, there is none.
"""

from __future__ import annotations

import re

from llm_brain.strategy.reading.broken import Broken

# What may end a string that was opened by each quote.
QUOTES = {'"': '"', "'": "'", "`": "`", "“": '”"', "„": '“”"', "‘": "’'"}  # noqa: RUF001 - they are what is meant
_STOPS = {opener: re.compile(rf"[\\{enders}]") for opener, enders in QUOTES.items()}
_BLANK = re.compile(r"(?:\s|\\[nrt])*")
_LONGEST_BLANK = 1_000

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([bfnrt\n\"'/\\`]))")
_CUT_ESCAPE = re.compile(r"\\?|\\u[0-9a-fA-F]{0,3}|\\x[0-9a-fA-F]?")
_HIGH_ESCAPE = re.compile(r"\\u[dD][89abAB]")
_SHORT_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "\n": ""}
_HIGH, _LOW = range(0xD800, 0xDC00), range(0xDC00, 0xE000)


class OpenString:
    """A string that is being read.

    Args:
        text: The text it stands in.
        at: Where its opening quote stands.
        is_key: Whether it is the key of a field.

    Attributes:
        known: What is known of its content.
        start: Where its content begins.
        next_key: The key that stood in it because the quote before was left out, as in `{"a": "x, "b": 1}`.

    Example:
        >>> text = '["say "hi" to me", "and"]'
        >>> string = OpenString(text, 1, is_key=False)
        >>> string.read(text, string.start, to_end=True), string.known
        ((True, 17), 'say "hi" to me')
    """

    def __init__(self, text: str, at: int, *, is_key: bool) -> None:
        quote = text[at]
        self.is_key = is_key
        self.known = ""
        self.next_key: str | None = None
        self.delimiter = quote
        if quote in "\"'":
            if text.startswith(quote * 3, at):
                self.delimiter = quote * 3
            elif text.startswith(quote * 2, at) and text[at + 2 : at + 3].isalnum():
                self.delimiter = quote * 2
        self.start = at + len(self.delimiter)
        self.inner: list[int] = []  # where in the content the quotes stand that lack their escape
        self._stop = _STOPS[quote]
        self._last = ""  # the content's last character that is not blank
        self._after_an_end = False  # whether the last inner quote follows what a string ends with

    def read(self, text: str, at: int, *, to_end: bool) -> tuple[bool, int]:
        """Read on; tell whether the string ended, and where the reader stands.

        Raises:
            Broken: Its end can be told in two ways.

        Example:
            >>> string = OpenString('"Hel', 0, is_key=False)
            >>> string.read('"Hel', 1, to_end=False), string.known
            ((False, 4), 'Hel')
        """
        # The content grows by one joined part a call: growing by each escape would take quadratic time.
        parts: list[str] = []
        length = len(self.known)
        ended: bool | None = None
        while ended is None:
            stop = self._stop.search(text, at)
            part, at = text[at : stop.start() if stop else None], stop.start() if stop else len(text)
            parts.append(part)
            length += len(part)
            self._last = part.rstrip()[-1:] or self._last
            if stop is None:
                ended = False
            elif stop.group() == "\\":
                part, at, ended = self._escaped(text, at, to_end=to_end)
            else:
                part, at, ended = self._quote(text, at, to_end=to_end, length=length)
            if ended is None:
                parts.append(part)
                length += len(part)
                self._last = part.strip() or self._last
        self.known += "".join(parts)
        if ended:
            self._finish(text, at)
        return ended, at

    @staticmethod
    def _escaped(text: str, at: int, *, to_end: bool) -> tuple[str, int, bool | None]:
        if not to_end and _is_cut(text, at):
            return "", at, False
        escape = _ESCAPE.match(text, at)
        if escape is None:  # LaTeX and paths are written so
            return text[at : at + 2], min(at + 2, len(text)), None
        code = escape.group(1) or escape.group(2)
        if code is None:
            char = escape.group(3)
            return _SHORT_ESCAPES.get(char, char), escape.end(), None
        value = int(code, 16)
        second = _ESCAPE.match(text, escape.end()) if value in _HIGH else None
        if second is not None and second.group(1) and int(second.group(1), 16) in _LOW:
            value = 0x10000 + ((value - _HIGH.start) << 10) + int(second.group(1), 16) - _LOW.start
            return chr(value), second.end(), None
        return chr(value), escape.end(), None

    def _quote(self, text: str, at: int, *, to_end: bool, length: int) -> tuple[str, int, bool | None]:
        ends = self._ends(text, at, to_end=to_end)
        if ends is None:
            return "", at, False
        if ends:
            return "", at + len(self.delimiter), True
        self.inner.append(length)
        self._after_an_end = self._last in {",", text[at]}
        return text[at], at + 1, None

    def _ends(self, text: str, at: int, *, to_end: bool) -> bool | None:
        """Tell whether a quote ends the string; None if what follows it is not known yet."""
        if len(self.delimiter) > 1:
            if text.startswith(self.delimiter, at):
                return True
            return None if not to_end and self.delimiter.startswith(text[at:]) else False
        if self.is_key:
            return True
        blank = _BLANK.match(text, at + 1)
        place = blank.end() if blank else at + 1
        follows = text[place : place + 3]
        if not to_end and len(follows) < (3 if follows[:1] in {"`", "/", "\\"} else 1):
            if place - at > _LONGEST_BLANK:
                raise Broken(text, at, "nothing follows a text")
            return None
        # A quote that opened within the text needs its partner before the text can end.
        settled = self.delimiter != '"' or len(self.inner) % 2 == 0
        if follows.startswith(":"):
            if not self.inner or (settled and not self._after_an_end):
                raise Broken(text, at, "a colon stands behind a value")
            return self._after_an_end
        is_behind = not follows or follows[0] in ",}])" or follows == "```" or follows[:2] in {"//", "/*"}
        # Or a comma is missing.
        is_before = "\n" in text[at:place] or (place > at + 1 and (follows[:1] in QUOTES or follows[:1] in "#[{0123456789"))
        return settled and (is_behind or is_before)

    def _finish(self, text: str, at: int) -> None:
        """Take off a key that was read as a part of the value before it, and refuse inner quotes that come in no pairs."""
        blank = _BLANK.match(text, at)
        if self._after_an_end and not self.is_key and text.startswith(":", blank.end() if blank else at):
            place = self.inner.pop()
            self.next_key = self.known[place + 1 :]
            value = self.known[:place].rstrip()
            self.known = value[:-1].rstrip() if value.endswith(",") else value[:-1]
            self.inner = [each for each in self.inner if each < len(self.known)]
        if self.delimiter == '"' and not _in_pairs(self.known, self.inner):
            raise Broken(text, at, "quotes within a text can be read in several ways")


def unended(string: OpenString, closers: str) -> str | None:
    """Return the content of a string whose closing quote is missing before the last brackets; None if that is not what happened.

    Example:
        >>> text = '{"city": "Paris}'
        >>> string = OpenString(text, 9, is_key=False)
        >>> _ = string.read(text, string.start, to_end=True)
        >>> unended(string, "}")
        'Paris'
    """
    content = string.known.rstrip().removesuffix("```").rstrip()
    if string.is_key or string.inner or len(string.delimiter) > 1 or any(bracket in content for bracket in "{["):
        return None
    for closer in reversed(closers):
        if not content.endswith(closer):
            return None
        content = content[:-1].rstrip()
    return content or None


def _is_cut(text: str, at: int) -> bool:
    """Tell whether the text may end within an escape, or between the two that make one character."""
    start = text[at : at + 12]
    if _CUT_ESCAPE.fullmatch(start):
        return True
    # A character beyond the first 65,536 is written as two escapes.
    return _HIGH_ESCAPE.match(start) is not None and _CUT_ESCAPE.fullmatch(start, 6) is not None


def _in_pairs(content: str, places: list[int]) -> bool:
    """Tell whether quotes within a text open before a word and close behind one."""
    if len(places) % 2:
        return False
    for opening, closing in zip(places[::2], places[1::2], strict=True):
        quoted = content[opening + 1 : closing]
        outside = content[opening - 1 : opening] + content[closing + 1 : closing + 2]
        if not quoted or quoted[0].isspace() or quoted[-1].isspace() or any(char.isalnum() for char in outside):
            return False
    return True
