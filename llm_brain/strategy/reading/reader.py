r"""A reader of JSON with mistakes, as language models write it, piece by piece: text, tokens, an open structure, a value.

It takes what a careful reader would take: comments, any quotes or none, commas too many or missing, Python's words, raw line
ends, brackets left open at the end. It stops at what could be read in two ways, and never puts in what was not written: a key
without a value, an element left out, a text that never ends. Each character is looked at a bounded number of times.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from llm_brain.strategy.reading.blanks import read_blank
from llm_brain.strategy.reading.broken import Broken
from llm_brain.strategy.reading.strings import QUOTES, OpenString, unended
from llm_brain.strategy.reading.words import read_key, read_word

DEEPEST = 200  # as deep as pydantic reads JSON
_COLON = re.compile(r"=>|[:=]")
# As Python's repr writes a text of version 2, or bytes.
_PREFIX = re.compile(r"[ub](?=[\"'][^\s,:\]}\"'])")
_CLOSERS = {"{": "}", "[": "]", "(": ")"}
_FENCE = "```"


@dataclass(slots=True)
class Frame:
    """An array or object that is still open, with what it holds so far.

    Attributes:
        opener: The bracket that opened it.
        held: Its complete elements or fields.
        expects: What comes next in it.
        key: The key whose value comes next or is being read.

    Example:
        >>> Frame("[", [1, 2], "comma").held
        [1, 2]
    """

    opener: str
    held: Any
    expects: Literal["key", "colon", "value", "comma"]
    key: str = ""


class Reader:
    r"""Reads one object or array.

    Args:
        text: What is known of it, from its opening bracket.
        at: Where in the text it begins.
        braceless: Whether the braces around an object's fields were left out.

    Attributes:
        done: Whether the value is complete.
        value: The value, when it is.
        stack: The arrays and objects that are open, the innermost last.
        has_words: Whether a value is text without quotes, which prose in brackets has, too.
        at: Where in the text the reader stands: behind the value, when it is complete.

    Example:
        >>> reader = Reader("{'a': [1, 2")
        >>> reader.read()
        >>> reader.done, reader.stack[-1].held
        (False, [1])
        >>> reader.feed(", True], // three\n b: None,}")
        >>> reader.value
        {'a': [1, 2, True], 'b': None}
    """

    def __init__(self, text: str = "", at: int = 0, *, braceless: bool = False) -> None:
        self.at = at
        self.done = False
        self.value: Any = None
        self.has_words = False
        self.stack: list[Frame] = [Frame("{", {}, "key")] if braceless else []
        self._text = text
        self._string: OpenString | None = None
        self._hides_brackets = False

    @property
    def open_text(self) -> str | None:
        """The text value that is being read, as far as it is known; None when none is open.

        Example:
            >>> reader = Reader('["Hello, wor')
            >>> reader.read()
            >>> reader.open_text
            'Hello, wor'
        """
        return None if self._string is None or self.stack[-1].expects == "key" else self._string.known

    @property
    def rest(self) -> str:
        """The text that has not been read.

        Example:
            >>> reader = Reader("[1] and so on")
            >>> reader.read()
            >>> reader.rest
            ' and so on'
        """
        return self._text[self.at :]

    def feed(self, piece: str) -> None:
        """Read a further piece.

        Raises:
            Broken: It cannot be read any further.

        Example:
            >>> reader = Reader()
            >>> reader.feed("[1, [2")
            >>> [frame.held for frame in reader.stack]
            [[1], []]
        """
        self._text = self._text[self.at :] + piece
        self.at = 0
        self.read()

    def read(self, *, to_end: bool = False) -> None:
        """Read what is there, as far as it can be told.

        Args:
            to_end: Whether nothing more will come: then brackets that only lack their closing are closed.

        Raises:
            Broken: It cannot be read any further, or, at the end, more is missing than brackets.

        Example:
            >>> reader = Reader("[1, [2")
            >>> reader.read(to_end=True)
            >>> reader.value
            [1, [2]]
        """
        while not self.done:
            string = self._string
            if self._step(to_end=to_end) if string is None else self._go_on(string, to_end=to_end):
                continue
            if not to_end:
                return
            self._end()

    def _step(self, *, to_end: bool) -> bool:
        """Read the next token; False if there is none, or none that is known to be whole."""
        if not self.stack:
            return self.at < len(self._text) and self._open(self._text[self.at])
        blank = read_blank(self._text, self.at, to_end=to_end)
        self.at = blank.end
        self._hides_brackets |= blank.hides_brackets
        if blank.may_go_on:
            return False
        if not to_end and _is_cut(self._text, self.at):
            return False
        if self._text.startswith(_FENCE, self.at):
            self._end()
            return True
        return self._token(self._text[self.at], self.stack[-1], to_end=to_end)

    def _token(self, char: str, frame: Frame, *, to_end: bool) -> bool:
        if char in "}])":
            self._close(char, frame)
        elif char == ",":
            self._comma(frame)
        elif frame.expects == "colon":
            self._colon(frame)
        elif char in QUOTES:
            self._begin(frame)
            self._string = OpenString(self._text, self.at, is_key=frame.expects == "key")
            self.at = self._string.start
        elif _PREFIX.match(self._text, self.at):
            self.at += 1
        elif char in _CLOSERS:
            self._begin(frame)
            return self._open(char)
        else:
            return self._word(frame, to_end=to_end)
        return True

    def _open(self, char: str) -> bool:
        if len(self.stack) == DEEPEST:
            raise Broken(self._text, self.at, "it is nested too deeply")
        self.stack.append(Frame(char, {}, "key") if char == "{" else Frame(char, [], "value"))
        self.at += 1
        return True

    def _begin(self, frame: Frame) -> None:
        """Get ready for a key or a value, a comma before which may be missing."""
        if frame.expects == "comma":
            frame.expects = "key" if frame.opener == "{" else "value"
        if frame.expects == "key" and self._text[self.at] in _CLOSERS:
            raise Broken(self._text, self.at, "a key is expected")

    def _comma(self, frame: Frame) -> None:
        if frame.expects == "comma":
            frame.expects = "key" if frame.opener == "{" else "value"
        elif frame.expects != "key":
            raise Broken(self._text, self.at, "a value is missing before a comma")
        self.at += 1

    def _colon(self, frame: Frame) -> None:
        if colon := _COLON.match(self._text, self.at):
            self.at = colon.end()
        elif self._text[self.at] not in QUOTES and self._text[self.at] not in _CLOSERS and not self._text[self.at].isdigit():
            raise Broken(self._text, self.at, f"a colon is expected after the key {frame.key!r:.80}")
        frame.expects = "value"

    def _close(self, char: str, frame: Frame) -> None:
        openers = [_CLOSERS[each.opener] for each in self.stack]
        if char not in openers:  # one too many
            self.at += 1
            return
        is_its_own = _CLOSERS[frame.opener] == char
        self._leave(frame, is_implied=not is_its_own)
        self.at += is_its_own

    def _leave(self, frame: Frame, *, is_implied: bool) -> None:
        """Take the innermost structure as complete."""
        if is_implied and not frame.held:
            raise Broken(self._text, self.at, "an array or object is opened, and nothing is in it")
        if frame.expects == "colon" or (frame.expects == "value" and frame.opener == "{"):
            raise Broken(self._text, self.at, f"the key {frame.key!r:.80} has no value")
        self.stack.pop()
        self._add(frame.held)

    def _add(self, value: Any) -> None:
        if not self.stack:
            self.value, self.done = value, True
            return
        frame = self.stack[-1]
        frame.expects = "comma"
        if frame.opener != "{":
            frame.held.append(value)
        elif frame.held.setdefault(frame.key, value) != value:
            raise Broken(self._text, self.at, f"the key {frame.key!r:.80} stands there twice with different values")

    def _add_with_key(self, value: Any, next_key: str | None) -> None:
        frame = self.stack[-1]
        if next_key is not None and frame.opener != "{":
            raise Broken(self._text, self.at, "a colon stands behind an element of an array")
        self._add(value)
        if next_key is not None:
            frame.key, frame.expects = next_key, "colon"

    def _go_on(self, string: OpenString, *, to_end: bool) -> bool:
        """Read on in a string; False if its end is not known."""
        ended, self.at = string.read(self._text, self.at, to_end=to_end)
        if ended or to_end:
            self._string = None
        if not ended and to_end:
            whole = unended(string, "".join(_CLOSERS[frame.opener] for frame in reversed(self.stack)))
            if whole is None:
                raise Broken(self._text, self.at, "a text never ends")
            self._add(whole)
        elif ended and string.is_key:
            self.stack[-1].key, self.stack[-1].expects = string.known, "colon"
        elif ended:
            self._add_with_key(string.known, string.next_key)
        return ended or to_end

    def _word(self, frame: Frame, *, to_end: bool) -> bool:
        """Read a token without quotes: a key, a number, a constant, or text that lacks them; False if its end is not known."""
        self._begin(frame)
        if frame.expects == "key":
            key = read_key(self._text, self.at, to_end=to_end)
            if key is None:
                return False
            frame.key, self.at = key
            frame.expects = "colon"
            return True
        word = read_word(self._text, self.at, to_end=to_end)
        if word is None:
            return False
        self.at = word.end
        self.has_words |= isinstance(word.value, str)
        self._add_with_key(word.value, word.next_key)
        return True

    def _end(self) -> None:
        """Close what is open at the end of the text."""
        if not self.stack or self._hides_brackets:
            raise Broken(self._text, self.at, "it has no end")
        while self.stack:
            self._leave(self.stack[-1], is_implied=True)


def _is_cut(text: str, at: int) -> bool:
    """Tell whether more characters may change what those mean that the text ends with: a fence, three quotes, an escape."""
    last = text[at : at + len(_FENCE)]
    return last in {"`", "``", '"', '""', "'", "''", "\\", "u'", 'u"', "b'", 'b"'}
