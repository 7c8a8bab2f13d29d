"""What is said of a text that cannot be read as JSON, not even with mistakes."""

from __future__ import annotations


class Broken(ValueError):  # noqa: N818 - it says what the text is, and never leaves this room
    """A text cannot be read as JSON, not even with mistakes; the message says why and where.

    Example:
        >>> str(Broken('{"a": , "b": 1}', 6, "a value is missing"))
        'a value is missing at `, "b": 1}`'
    """

    def __init__(self, text: str, at: int, reason: str) -> None:
        # Half of a pair of surrogates cannot be sent on as a character.
        place = text[at : at + 40].strip().encode("utf-8", "backslashreplace").decode()
        super().__init__(f"{reason} at `{place}`" if place else f"{reason} at the end")
