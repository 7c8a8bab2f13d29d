"""Texts that are the same but for how they are written, and texts that no file can hold."""

from __future__ import annotations

import unicodedata


def normalized(text: str) -> str:
    """Write a text without what does not tell it from another: case, punctuation, blanks, the two ways to write an accent.

    Punctuation at a number stays (a sign, a decimal point), and so does all of it where there is nothing else. Marks stay, since
    they are the vowels of many scripts, and so do symbols: an emoji may be all that tells two texts apart.

    Example:
        >>> normalized("It  BROKE!"), normalized("It is -1.5 degrees."), normalized("(()")
        ('it broke', 'it is -1.5 degrees', '(()')
        >>> normalized(" ")
        ''
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(letter if _tells(letter, after) else " " for letter, after in zip(folded, f"{folded[1:]} ", strict=False))
    return " ".join(kept.split()) or " ".join(folded.split())


def is_unicode(text: str) -> bool:
    """Tell whether a text can be written as UTF-8.

    Example:
        >>> is_unicode("é"), is_unicode(chr(0xD800))
        (True, False)
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _tells(letter: str, after: str) -> bool:
    kind = unicodedata.category(letter)[0]
    return kind not in "PZC" or (kind == "P" and after.isdecimal())
