"""Text that comes piece by piece, changed on its way though the words that matter may be cut in two by a border."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from llm_brain.backends.contract import Reply
from llm_brain.errors import BackendError
from llm_brain.tracing.redaction import REDACTED

_MOST_PIECES: Final = 1000
_MOST_WAITING: Final = 100


def settled(text: str, words: Sequence[str]) -> int:
    """Tell how much of a text can be let go: what follows may be the beginning of one of the words.

    Example:
        >>> settled("to be or no", ["not", "nobody"])
        9
    """
    longest = max(map(len, words), default=0)
    for start in range(max(0, len(text) - longest + 1), len(text)):
        if any(word.startswith(text[start:]) for word in words):
            return start
    return len(text)


def whole_characters(text: str) -> tuple[str, str]:
    r"""Put the halves of a character together that some servers send apart; the half at the end waits for its other one.

    Example:
        >>> whole_characters("\ud83d\ude00 \ud83d")
        ('😀 ', '\ud83d')
    """
    if text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text):
        return text, ""
    units = text.encode("utf-16-le", "surrogatepass")
    joined = units.decode("utf-16-le", "surrogatepass")
    return (joined[:-1], joined[-1]) if "\ud800" <= joined[-1] <= "\udbff" else (joined, "")


class Growing:
    """A text that grows by pieces. However short they are, it takes little more memory than its characters.

    Example:
        >>> text = Growing()
        >>> for piece in ("to be", " or not"):
        ...     text.add(piece)
        >>> str(text), bool(text), bool(Growing())
        ('to be or not', True, False)
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._latest: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._parts or self._latest)

    def __str__(self) -> str:
        self._join()
        self._parts = ["".join(self._parts)] if self._parts else []
        return self._parts[0] if self._parts else ""

    def add(self, piece: str) -> None:
        """Take a piece, if it is not empty."""
        if piece:
            self._latest.append(piece)
            if len(self._latest) >= _MOST_PIECES:
                self._join()

    def _join(self) -> None:
        if self._latest:
            self._parts.append("".join(self._latest))
            self._latest = []


class Waiting:
    """Pieces that have come, and wait until they are asked for; those that are too many are put together.

    Example:
        >>> waiting = Waiting()
        >>> waiting.put("to be")
        >>> waiting.next(), waiting.next()
        ('to be', None)
    """

    def __init__(self) -> None:
        self._pieces: deque[str | Reply] = deque()
        self._more: asyncio.Future[None] | None = None

    def put(self, piece: str | Reply) -> None:
        """Add a piece, or the whole reply, which is the last one."""
        self._pieces.append(piece)
        if self._more is not None:
            self.wake()

    def next(self) -> str | Reply | None:
        """Return the next piece; None where there is none yet."""
        if len(self._pieces) > _MOST_WAITING:
            last = self._pieces.pop()
            text = "".join(piece for piece in self._pieces if isinstance(piece, str))
            self._pieces.clear()
            self._pieces.extend((text, last))
        return self._pieces.popleft() if self._pieces else None

    async def more(self) -> None:
        """Wait for the next piece."""
        self._more = asyncio.get_running_loop().create_future()
        try:
            await self._more
        finally:
            self._more = None

    def wake(self) -> None:
        """End the wait of whoever waits."""
        if self._more is not None and not self._more.done():
            self._more.set_result(None)


class Telling:
    """What one attempt at a stream tells, beside what earlier ones gave.

    Args:
        given: What they gave.
        waiting: Where new pieces are put.

    Attributes:
        left: How much of the call's time was left when the last piece came, in seconds.
        has_begun: Whether a piece has come.

    Example:
        >>> waiting = Waiting()
        >>> telling = Telling("to be", waiting)
        >>> telling.take("to")
        >>> telling.take(" be or")
        >>> waiting.next(), telling.given()
        (' or', 'to be or')
    """

    def __init__(self, given: str, waiting: Waiting) -> None:
        self.left = 0.0
        self.has_begun = False
        self._given = given
        self._same = 0  # how much of it has come again
        self._new = Growing()
        self._waiting = waiting

    def given(self) -> str:
        """Return all that was given so far."""
        return self._given + str(self._new)

    def take(self, piece: str) -> None:
        """Give what is new about a piece.

        Raises:
            BackendError: It is none of the reply that was given.
        """
        self.has_begun = True
        if self._same < len(self._given):
            again = self._given[self._same : self._same + len(piece)]
            if not piece.startswith(again):
                raise _other_reply(self._given)
            self._same += len(again)
            piece = piece[len(again) :]
        if piece:
            self._new.add(piece)
            self._waiting.put(piece)

    def end(self, reply: Reply) -> None:
        """Give what a whole reply has beyond its pieces.

        Raises:
            BackendError: It is another one than was given.
        """
        given = self.given()
        if not reply.text.startswith(given):
            raise _other_reply(given)
        if len(reply.text) > len(given):
            self._waiting.put(reply.text[len(given) :])


class Hiding:
    """Takes secrets out of a text.

    Args:
        secrets: What is replaced.

    Example:
        >>> hiding = Hiding(["abra-cadabra"])
        >>> [hiding.feed(piece) for piece in ("say abra", "-cad", "abra!")], hiding.rest()
        (['say ', '', '[redacted]!'], '')
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = secrets
        self._held = ""

    def feed(self, piece: str) -> str:
        """Take a piece, and return what is sure by now."""
        if not self._secrets:
            return piece
        self._held += piece
        for secret in self._secrets:
            self._held = self._held.replace(secret, REDACTED)
        sure = settled(self._held, self._secrets)
        text, self._held = self._held[:sure], self._held[sure:]
        return text

    def rest(self) -> str:
        """Return what was held back, when no more comes."""
        text, self._held = self._held, ""
        return text


class Stopping:
    """Ends a text before the first of some words.

    Args:
        words: The words that end it.

    Attributes:
        stopped: Whether one has come.

    Example:
        >>> stopping = Stopping(["END"])
        >>> [stopping.feed(piece) for piece in ("the E", "N", "D of it")], stopping.stopped
        (['the ', '', ''], True)
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._words = [word for word in words if word]
        self._held = ""
        self.stopped = False

    def feed(self, piece: str) -> str:
        """Take a piece, and return what is sure by now."""
        if self.stopped:
            return ""
        self._held += piece
        places = [place for word in self._words if (place := self._held.find(word)) >= 0]
        self.stopped = bool(places)
        sure = min(places) if places else settled(self._held, self._words)
        text, self._held = self._held[:sure], "" if places else self._held[sure:]
        return text

    def rest(self) -> str:
        """Return what was held back, when no more comes."""
        text, self._held = self._held, ""
        return text


def _other_reply(given: str) -> BackendError:
    message = "the reply broke off, and the next one begins with other words: nothing can be put together from both"
    return BackendError(message, kind="incomplete", raw=given)
