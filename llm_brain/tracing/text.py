"""Text that any file and any screen can take: valid UTF-8 for traces, and nothing unseen on a page."""

from __future__ import annotations

import re
from typing import Final

_SURROGATES: Final = re.compile("[\ud800-\udfff]")
# Control characters but tab and newline, and the marks that turn the direction of the text around them.
_UNSEEN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def clean_text(text: str) -> str:
    r"""Replace the lone surrogates in `text`, which no UTF-8 file can hold.

    Example:
        >>> clean_text("caf\u00e9 \ud800") == "caf\u00e9 \ufffd"
        True
    """
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return _SURROGATES.sub("\ufffd", text)
    return text


def visible_text(text: str) -> str:
    r"""Write out what a reader would not see: control characters and the marks that reverse text.

    Example:
        >>> print(visible_text("red \x1b[31m text\r\n"))
        red ⟨1B⟩[31m text
        <BLANKLINE>
        >>> print(visible_text("user\u202etxt.exe"))
        user⟨202E⟩txt.exe
    """
    return _UNSEEN.sub(lambda match: f"⟨{ord(match[0]):02X}⟩", clean_text(text.replace("\r\n", "\n")))
