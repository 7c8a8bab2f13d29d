"""The text of tokens that come one after the other: each piece as soon as it is certain, and nothing decoded twice over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

_UNFINISHED: Final = "\N{REPLACEMENT CHARACTER}"  # what a tokenizer makes of a character whose last bytes are still to come


class GrowingText:
    """Turns growing tokens into pieces of text.

    Only the last tokens are decoded, with some before them, as a word's first piece may be written differently at the
    beginning of a text.

    Args:
        decode: Turns tokens into text.

    Attributes:
        said: How many characters have been given.

    Example:
        >>> text = GrowingText(lambda tokens: bytes(tokens).decode("utf-8", "replace"))
        >>> [text.piece(list("né".encode())[:count]) for count in (1, 2, 3)], text.said
        (['n', '', 'é'], 2)
    """

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self.said = 0
        self._decode = decode
        self._begin = 0
        self._given = 0

    def piece(self, tokens: Sequence[int]) -> str:
        """Return what a text has more than at the last call.

        Args:
            tokens: All tokens so far.
        """
        before, now = self._decode(tokens[self._begin : self._given]), self._decode(tokens[self._begin :])
        if now.endswith(_UNFINISHED) or len(now) <= len(before):
            return ""
        self._begin, self._given = self._given, len(tokens)
        self.said += len(now) - len(before)
        return now[len(before) :]
