"""The shortest way to the end of a JSON value, for a reply that has few tokens left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from llguidance import LLMatcher

    from llm_brain.backends.local.unique import Watch

Place = int
"""Where a text ends: `OUTSIDE` of a string, `IN_STRING`, or behind the backslash of an `ESCAPED` character."""
OUTSIDE: Final = 0
IN_STRING: Final = 1
ESCAPED: Final = 2

_FIRST_OUTSIDE: Final = ("]", "}", ",", "null", "true", "false", '"', *"1234567890", ".", "-", ":", "[", "{")
_FIRST_INSIDE: Final = ("@", ".", "/", ":", "-", "T", "Z", *"1234567890", "a")
_CHARACTERS: Final = [bytes([byte]) for byte in range(0x20, 0x7F) if byte not in b'"\\']
_MOST_DEAD_ENDS: Final = 100
_FEW: Final = 12
_FAR: Final = 500
_FREE: Final = 0.8  # the part of a vocabulary that a text without a pattern lets through

_Branch = tuple["LLMatcher", Place, Iterator[int]]


class Closing:
    """Finds the way, for one tokenizer.

    Outside of strings, what closes comes before what goes on. In a string whose end is not allowed yet, each character is tried
    that may lead to it. Where a few may come, as in the names of fields, they are compared by what is behind them. Or else the
    string gets what patterns ask for, and where they ask for nothing, a long piece of text. It is no search of everything, and
    may miss a shorter way.

    Args:
        pieces: The bytes of each token.

    Example:
        >>> from llm_brain.backends.embedded import weights_folder
        >>> from llm_brain.backends.local.grammar import GrammarCompiler
        >>> from transformers import AutoTokenizer
        >>> tokenizer = AutoTokenizer.from_pretrained(weights_folder())
        >>> compiler = GrammarCompiler(tokenizer, len(tokenizer))
        >>> tokenizer.decode(compiler.compile({"type": "array", "items": {"type": "null"}, "minItems": 2}).shortest_end(9))
        '[null,null]'
    """

    def __init__(self, pieces: Sequence[bytes]) -> None:
        places = {piece: token for token, piece in reversed(list(enumerate(pieces)))}
        self._pieces = pieces
        self._quote = places.get(b'"')
        self._outside = [places[text.encode()] for text in _FIRST_OUTSIDE if text.encode() in places]
        self._inside = [places[text.encode()] for text in _FIRST_INSIDE if text.encode() in places]
        self._characters = [places[piece] for piece in _CHARACTERS if piece in places]
        self._longest_first = np.argsort([-len(piece) for piece in pieces], kind="stable")

    def way(self, matcher: LLMatcher, watch: Watch | None, most: int, place: Place) -> list[int] | None:
        """Find a way to the end in tokens; none where it would take more than `most`.

        Args:
            matcher: The state of the grammar, which is left as it is.
            watch: What else is to be seen to, which is left as it is, too.
            most: The most tokens.
            place: Where the text so far ends.
        """
        way: list[int] = []
        branches: list[_Branch] = []
        ahead, candidates, dead_ends = matcher.deep_copy(), self._candidates(matcher, place), 0
        while not ahead.is_accepting() and len(way) < most and dead_ends <= _MOST_DEAD_ENDS:
            token = next((token for token in candidates if watch is None or not watch.refuses(token)), None)
            if token is not None:
                branches.append((ahead.deep_copy(), place, candidates))
                ahead.consume_token(token)
                way.append(token)
                place = after(self._pieces[token], place)
                if watch is not None:
                    watch.accept(token)
                candidates = self._candidates(ahead, place)
            elif branches:
                dead_ends += 1
                ahead, place, candidates = branches.pop()
                way.pop()
                if watch is not None:
                    watch.rollback(1)
            else:
                break
        if watch is not None:
            watch.rollback(len(way))
        return way if ahead.is_accepting() else None

    def _candidates(self, ahead: LLMatcher, place: Place, *, compares: bool = True) -> Iterator[int]:
        """Give the tokens that may come next, the most promising first."""
        forced = ahead.compute_ff_tokens()
        if forced:
            yield forced[0]
            return
        mask = ahead.compute_bitmask()
        if place == OUTSIDE:
            yield from (token for token in self._outside if _allows(mask, token))
        elif self._quote is not None:
            yield from self._in_string(ahead, mask, self._quote, compares=compares)
        bits = np.unpackbits(np.frombuffer(mask, np.uint8), bitorder="little")
        yield from self._longest_first[bits[self._longest_first] == 1][:_MOST_DEAD_ENDS].tolist()

    def _in_string(self, ahead: LLMatcher, mask: bytes, quote: int, *, compares: bool) -> Iterator[int]:
        if _allows(mask, quote):
            yield quote
        possible = [token for token in self._characters if _allows(mask, token)]
        yield from (token for token in possible if ahead.validate_tokens([token, quote]) == 2)  # noqa: PLR2004 - both of them
        if compares and 1 < len(possible) <= _FEW:  # names of fields, of which some may be left out, or listed values
            yield from sorted(possible, key=lambda token: self._length_behind(ahead, token))
        if int.from_bytes(mask, "little").bit_count() < _FREE * len(self._pieces):
            yield from (token for token in self._inside if _allows(mask, token))

    def _length_behind(self, ahead: LLMatcher, token: int) -> int:
        """Count the tokens to the end behind one of several tokens, without comparing anything on the way."""
        beyond, place, length = ahead.deep_copy(), IN_STRING, 0
        while length < _FAR:
            beyond.consume_token(token)
            place = after(self._pieces[token], place)
            if beyond.is_accepting():
                break
            found = next(self._candidates(beyond, place, compares=False), None)
            if found is None:
                return _FAR
            token, length = found, length + 1
        return length


def after(piece: bytes, place: Place) -> Place:
    r"""Tell where a text ends, by where it ended before its last token.

    Example:
        >>> after(b'":"a', IN_STRING), after(b'a"', IN_STRING), after(b"\\", IN_STRING), after(b'"', ESCAPED)
        (1, 0, 2, 1)
    """
    for byte in piece:
        if place == ESCAPED:
            place = IN_STRING
        elif byte == ord('"'):
            place = OUTSIDE if place else IN_STRING
        elif place and byte == ord("\\"):
            place = ESCAPED
    return place


def _allows(mask: bytes, token: int) -> bool:
    return bool(mask[token >> 3] >> (token & 7) & 1)
