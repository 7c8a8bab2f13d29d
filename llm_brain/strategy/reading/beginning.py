"""Where in a reply that is still coming the answer begins: past the thinking, and for JSON past the prose and a fence."""

from __future__ import annotations

import re

from llm_brain.strategy.reading.broken import Broken
from llm_brain.strategy.reading.finding import DATA, MARK, THINKING, THOUGHT
from llm_brain.strategy.reading.reader import Reader

_TAGS = [f"<{name}>" for name in ("think", "thinking", "thought", "reasoning")] + ["[think]", "◁think▷"]
_LONGEST_TAG = 20
# An array is only taken for the answer where one may stand: prose has numbers and notes in brackets, too.
_BEFORE_ARRAY = re.compile(r"(?:\A|[:>\n]|```\w*)\s*\Z")
_LOOKED_BACK = 40
_PROSE_BRACES = 200
_MOST_TRIES = 1_000


class AfterThinking:
    """Gives a text from where its thinking has ended, and the blanks around that.

    Example:
        >>> after = AfterThinking()
        >>> [after.feed(piece) for piece in ("<thi", "nk>Hm. </th", "ink> ", "Yes", ", ok")]
        ['', '', '', 'Yes', ', ok']
    """

    def __init__(self) -> None:
        self._held = ""
        self._is_thinking = False
        self._has_begun = False

    def feed(self, piece: str) -> str:
        r"""Take a piece, and return what of the text so far is no thinking and was not returned yet.

        Example:
            >>> AfterThinking().feed("\n <b>")
            '<b>'
        """
        if self._has_begun:
            return piece
        self._held += piece
        while True:
            if self._is_thinking:
                thought = THOUGHT.search(self._held)
                if thought is None:
                    self._held = self._held[-_LONGEST_TAG:]
                    return ""
                self._held = self._held[thought.end() :]
                self._is_thinking = False
            self._held = self._held.lstrip("\ufeff").lstrip()
            opening = THINKING.match(self._held)
            if opening is None:
                break
            self._held = self._held[opening.end() :]
            self._is_thinking = True
        if any(tag.startswith(self._held.lower()) for tag in _TAGS):
            return ""
        self._has_begun = True
        return self._held


class JsonStream:
    r"""Finds the object or array in a text that is coming, and reads it.

    Attributes:
        reader: What reads it; None before it begins.
        problem: Why it cannot be read, once that is clear.

    Example:
        >>> stream = JsonStream()
        >>> stream.feed('Sure {sic}: ```json\\n{"a"')
        >>> stream.feed(": [1, 2]}")
        >>> stream.reader.value
        {'a': [1, 2]}
    """

    def __init__(self) -> None:
        self.reader: Reader | None = None
        self.problem: Broken | None = None
        self._thinking = AfterThinking()
        self._text = ""
        self._begun = ""  # by the reader: prose has braces, too, and what stands in them is looked at again
        self._is_long = False
        self._tries = 0

    def feed(self, piece: str) -> None:
        """Take a piece.

        Example:
            >>> stream = JsonStream()
            >>> stream.feed("no JSON yet")
            >>> stream.reader is None
            True
        """
        if self.problem is not None:
            return
        if self.reader is None:
            self._text += self._thinking.feed(piece)
        else:
            self._read(piece)
        self._search()

    def skip(self) -> None:
        """Look on behind what was read, which is not the answer.

        Example:
            >>> stream = JsonStream()
            >>> stream.feed('{"a": 1} or {"b"')
            >>> stream.skip()
            >>> stream.reader.done
            False
        """
        self._text = "" if self.reader is None or self._tries > _MOST_TRIES else self.reader.rest
        self.reader = None
        self._search()

    def _search(self) -> None:
        """Begin to read where an answer may begin, until one is being read."""
        place = 0
        while self.reader is None and self.problem is None:
            mark = MARK.search(self._text, place)
            if mark is None:
                self._text = self._text[-_LOOKED_BACK:] if len(self._text) > 2 * _LOOKED_BACK else self._text
                return
            place = mark.end()
            kind = mark.group()
            if THINKING.match(kind):
                self._thinking = AfterThinking()
                self._text, place = self._thinking.feed(self._text[mark.start() :]), 0
            elif kind == "{" or (kind == "[" and _BEFORE_ARRAY.search(self._text[max(0, place - _LOOKED_BACK) : place - 1])):
                text, self._text = self._text[place - 1 :], self._text[place:]
                place = 0
                self.reader, self._begun, self._is_long = Reader(), "", False
                self._tries += 1
                self._read(text)

    def _read(self, piece: str) -> None:
        reader = self.reader
        if reader is None or reader.done:
            return
        if len(self._begun) < _PROSE_BRACES:
            self._begun += piece
        else:
            self._is_long = True
        try:
            reader.feed(piece)
        except Broken as problem:
            if DATA.match(self._begun) or self._is_long or self._tries > _MOST_TRIES:
                self.problem = problem
            else:
                self.reader, self._text = None, self._begun[1:]
