"""Who rewrites patterns: a rule that reads feedback as a language model would, and is sometimes wrong, worse or invalid.

All optimisers ask the same rewriter. The luck of its k-th reply depends on the seed and on k, not on who asks.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from random import Random

from benchmarks.optimize.texts_fields import LONGEST

# How often a reply is of which kind.
QUALITIES: dict[str, dict[str, float]] = {
    "good": {"general": 0.60, "literal": 0.12, "broad": 0.10, "shorter": 0.08, "invalid": 0.07, "same": 0.03},
    "poor": {"general": 0.20, "literal": 0.20, "broad": 0.20, "shorter": 0.20, "invalid": 0.12, "same": 0.08},
}
_EXPECTED = re.compile(r"^(\w+): expected ('.*?'|\".*?\"), found ", re.MULTILINE)
_PIECE = re.compile(r"\d+|[A-Z][a-z]+|[A-Z]+|[a-z]+|\s+|.")


class Rewriter:
    """Rewrites patterns.

    Args:
        quality: One of `QUALITIES`.
        seed: Of its luck.
    """

    def __init__(self, quality: str, seed: int) -> None:
        self._quality = QUALITIES[quality]
        self._seed = seed
        self.asked = 0

    def rewrite(self, name: str, pattern: str, feedbacks: Sequence[str]) -> str:
        """Write another pattern, given what was said about some runs."""
        random = Random(f"rewriter {self._seed} {self.asked}")
        self.asked += 1
        missed = [ast.literal_eval(found[2]) for said in feedbacks for found in _EXPECTED.finditer(said) if found[1] == name]
        kind = random.choices(list(self._quality), weights=list(self._quality.values()))[0]
        if not missed and kind in {"general", "literal"}:  # nothing was said about this one
            kind = random.choice(("same", "broad", "shorter"))
        new = _KINDS[kind](pattern, random.choice(missed) if missed else "", random)
        return new if len(new) <= LONGEST else pattern


def general(pattern: str, missed: str, random: Random) -> str:
    """Allow everything that looks like what was missed."""
    exact = random.random() < 0.3
    pieces = [_general(piece, exact=exact) for piece in _PIECE.findall(missed)]
    return _with("".join(pieces), pattern, random)


def _general(piece: str, *, exact: bool) -> str:
    if piece.isdigit():
        return rf"\d{{{len(piece)}}}" if exact else r"\d+"
    if piece.isupper():
        return f"[A-Z]{{{len(piece)}}}"
    if piece.istitle():
        return "[A-Z][a-z]+"
    return re.escape(piece)


def _with(alternative: str, pattern: str, random: Random) -> str:
    return f"{alternative}|{pattern}" if random.random() < 0.5 else f"{pattern}|{alternative}"


def _shorter(pattern: str, _missed: str, random: Random) -> str:
    parts = pattern.split("|")
    parts.pop(random.randrange(len(parts)))
    return "|".join(parts) or pattern


_KINDS: dict[str, Callable[[str, str, Random], str]] = {
    "general": general,
    "literal": lambda pattern, missed, random: _with(re.escape(missed), pattern, random),
    "broad": lambda pattern, _missed, random: _with(random.choice((r"\d+", r"\S+", r"\w+-\d+", r"[A-Z]\w+")), pattern, random),
    "shorter": _shorter,
    "invalid": lambda pattern, _missed, random: pattern + random.choice(("|(", "|[a-z", "|*")),
    "same": lambda pattern, _missed, _random: f"(?:{pattern})" if "(" not in pattern else pattern,
}
