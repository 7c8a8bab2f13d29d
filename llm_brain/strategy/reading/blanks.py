r"""What stands between tokens: blanks, line ends that were escaped once too often, and comments of three kinds."""

from __future__ import annotations

import re
from dataclasses import dataclass

from llm_brain.strategy.reading.broken import Broken

_BLANK = re.compile(r"(?:\s|\\[nrt])+")
_LINE_COMMENT = re.compile(r"(?:/(?:/|\Z)|#)[^\n]*")
_BLOCK_COMMENT = re.compile(r"/\*(?:.*?\*/|.*)", re.DOTALL)
_LONGEST_COMMENT = 10_000


@dataclass(frozen=True, slots=True)
class Blank:
    r"""What was passed over.

    Attributes:
        end: Where it ends.
        may_go_on: Whether more of the text may belong to it.
        hides_brackets: Whether a comment holds closing brackets: where lines were joined, it swallows what followed it.

    Example:
        >>> read_blank(" // one\n 2", 0, to_end=True)
        Blank(end=9, may_go_on=False, hides_brackets=False)
    """

    end: int
    may_go_on: bool
    hides_brackets: bool


def read_blank(text: str, at: int, *, to_end: bool) -> Blank:
    """Pass over blanks and comments.

    Raises:
        Broken: A comment says that something was left out, or never ends.

    Example:
        >>> read_blank("  # so", 0, to_end=False).may_go_on
        True
    """
    hides_brackets = False
    while True:
        if blank := _BLANK.match(text, at):
            at = blank.end()
        comment = (_BLOCK_COMMENT if text.startswith("/*", at) else _LINE_COMMENT).match(text, at)
        if comment is None or (to_end and comment.group() == "/"):
            return Blank(at, at == len(text), hides_brackets)
        said = comment.group()
        is_whole = said.endswith("*/") and len(said) > len("/*/") if said.startswith("/*") else comment.end() < len(text)
        if not is_whole and not to_end:
            if len(said) > _LONGEST_COMMENT:
                raise Broken(text, at, "a comment never ends")
            return Blank(at, may_go_on=True, hides_brackets=hides_brackets)
        if said.lstrip("/#* ").startswith(("...", "…")):
            raise Broken(text, at, "something is left out")
        hides_brackets = hides_brackets or "]" in said or "}" in said
        at = comment.end()
