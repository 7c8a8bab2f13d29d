"""Text that comes piece by piece, changed on its way though the words that matter may be cut in two by a border."""

from __future__ import annotations

from collections.abc import Sequence

from llm_brain.tracing.redaction import REDACTED


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
