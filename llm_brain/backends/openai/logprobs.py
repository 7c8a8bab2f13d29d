"""What a chat completion's log-probabilities say about a closed set of answers: tokens -> probabilities of the answers.

    the reply's tokens -> the first one that begins an answer -> the likeliest tokens in its place -> a share for each answer

An answer is met in many spellings ("yes", " Yes", "YES"), each a token of its own: their probabilities are added up. What
the listed tokens give to no answer is left out, and the rest is made to add up to 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import Any, Final

from llm_brain.backends.hosted.events import read_json
from llm_brain.backends.options import THOUGHTS_END

LEAST_MASS: Final = 0.5
"""The least probability that the answers have together for their shares to be believed."""
_MOST_BLURRED: Final = 0.01
_AROUND: Final = " \t\r\n\"'`*_.,:;!?()[]{}<>#-\u2013\u2014\u2018\u2019\u201c\u201d\u00ab\u00bb"


@dataclass(frozen=True, slots=True)
class ScoredToken:
    """A token of a reply, and the likeliest tokens that could have stood in its place, with their log-probabilities.

    Example:
        >>> ScoredToken("yes", (("yes", -0.1), ("no", -2.4))).text
        'yes'
    """

    text: str
    instead: tuple[tuple[str, float], ...]


def scored_tokens(content: bytes) -> list[ScoredToken]:
    """Take the scored tokens out of a chat completion; none, where the server gave no log-probabilities, or junk.

    Args:
        content: The answer's body.

    Example:
        >>> listed = b'{"token": "yes", "logprob": -0.1, "top_logprobs": [{"token": "yes", "logprob": -0.1}]}'
        >>> scored_tokens(b'{"choices": [{"logprobs": {"content": [' + listed + b']}}]}')
        [ScoredToken(text='yes', instead=(('yes', -0.1),))]
        >>> scored_tokens(b'{"choices": [{"logprobs": null}]}')
        []
    """
    logprobs = _part(_part(_part(read_json(content), "choices", list), 0, dict), "logprobs", dict)
    listed = _part(logprobs, "content", list)
    if listed is not None:
        return [ScoredToken(_text(token), _instead(token.get("top_logprobs"))) for token in listed if isinstance(token, dict)]
    # The older form, that some servers keep to: lists beside each other.
    texts, tops = _part(logprobs, "tokens", list) or [], _part(logprobs, "top_logprobs", list) or []
    return [ScoredToken(text, _instead(top)) for text, top in zip(texts, tops, strict=False) if isinstance(text, str)]


def probabilities(answers: Sequence[str], tokens: Sequence[ScoredToken], *, after: str = "") -> tuple[float, ...] | None:
    """Tell how likely each answer is; None where the tokens do not say.

    An answer that is not among the listed tokens is given what is left for it at the most, and no more than the least of them.

    Args:
        answers: The answers.
        tokens: The reply's.
        after: Where the reply has this text, the answer comes behind it.

    Example:
        >>> likeliest = (("yes", -0.36), (" Yes", -2.3), ("no", -1.9), ("perhaps", -5.0))
        >>> [round(share, 2) for share in probabilities(["yes", "no"], [ScoredToken("yes", likeliest)])]
        [0.84, 0.16]
        >>> probabilities(["yes", "no"], [ScoredToken("It", (("It", -0.1), ("yes", -3.0)))]) is None
        True
    """
    mass, blurred, instead = _mass(answers, tokens, after)
    if sum(mass) < LEAST_MASS or blurred:
        return None
    unlisted = mass.count(0.0)
    if unlisted:
        left = max(0.0, 1 - sum(exp(logprob) for _, logprob in instead))
        little = min(left / unlisted, *(exp(logprob) for _, logprob in instead))
        mass = [share or little for share in mass]
    return tuple(share / sum(mass) for share in mass)


def is_blurred(answers: Sequence[str], tokens: Sequence[ScoredToken]) -> bool:
    """Tell whether the tokenizer cuts several answers so that they begin with the same token, which stands for none of them.

    Example:
        >>> is_blurred(["unsure", "unkind"], [ScoredToken("un", (("un", -0.2), ("It", -2.0))), ScoredToken("sure", ())])
        True
    """
    return _mass(answers, tokens, "")[1]


def begins_with(text: str, answer: str) -> bool:
    r"""Tell whether a text gives an answer at once, in whatever spelling: marks may stand around it, and a reason after it.

    Example:
        >>> [begins_with(text, "no") for text in ('"No."', "No, for it is late", "no\nIt is late", "Nobody", "No idea")]
        [True, True, True, False, False]
    """
    said, meant = text.lstrip(_AROUND).casefold(), answer.strip(_AROUND).casefold()
    if not meant or not said.startswith(meant):
        return False
    after = said[len(meant) :].lstrip(" \t")
    return not after[:1].isalnum()


def tells_apart(answers: Sequence[str]) -> bool:
    """Tell whether an answer can be known by its first word, and is no other one's beginning.

    Example:
        >>> tells_apart(["yes", "no"]), tells_apart(["very good", "very bad"]), tells_apart(["1", "10"]), tells_apart(["+", "-"])
        (True, False, False, False)
    """
    bare = [answer.strip(_AROUND).casefold() for answer in answers]
    words = {re.split(r"\W", text, maxsplit=1)[0] for text in bare}
    if "" in words or len(words) < len(bare):
        return False
    return not any(one is not other and other.startswith(one) for one in bare for other in bare)


def _mass(
    answers: Sequence[str], tokens: Sequence[ScoredToken], after: str
) -> tuple[list[float], bool, tuple[tuple[str, float], ...]]:
    """Add up what the tokens give to each answer, in the place of the first one that begins an answer.

    Returns:
        The probability of each answer, whether several share some, and the tokens that are listed for that place.
    """
    mass, shared = [0.0] * len(answers), 0.0
    instead, shortest = _place(answers, tokens, after)
    if len(instead) < 2:  # noqa: PLR2004 - of one token nothing can be told about the others
        return mass, False, ()
    for text, logprob in instead:
        begun = [index for index, answer in enumerate(answers) if _is_piece(text, answer, shortest)]
        if len(begun) == 1:
            mass[begun[0]] += exp(logprob)
        elif begun:
            shared += exp(logprob)
    return mass, shared > _MOST_BLURRED * (sum(mass) + shared), instead


def _place(answers: Sequence[str], tokens: Sequence[ScoredToken], after: str) -> tuple[tuple[tuple[str, float], ...], int]:
    """Find the token that begins an answer; return what could stand instead, and how short a piece of an answer may be."""
    texts = [token.text for token in tokens]
    whole = "".join(texts)
    first = len(whole) - len(whole.rpartition(THOUGHTS_END)[2].rpartition(after or THOUGHTS_END)[2])
    at = 0
    for token, text in zip(tokens, texts, strict=True):
        begun, at = at, at + len(text)
        bare = text.strip(_AROUND)
        if begun >= first and bare and any(begins_with(whole[begun:], answer) for answer in answers):
            # A lone letter begins many a word; it is a piece of an answer where this tokenizer cuts words so.
            return token.instead, min(len(bare), 2)
    return (), 0


def _is_piece(token: str, answer: str, shortest: int) -> bool:
    piece, meant = token.strip(_AROUND), answer.strip(_AROUND)
    if not piece or not meant.casefold().startswith(piece.casefold()):
        return False
    return len(piece) >= min(shortest, len(meant)) or not piece.isalpha()


def _text(token: Mapping[str, Any]) -> str:
    """Read a token's text, by its bytes where it has some: a token may be a part of a character only."""
    units, text = token.get("bytes"), token.get("token")
    if isinstance(units, list) and units and all(type(unit) is int and 0 <= unit < 256 for unit in units):  # noqa: PLR2004
        return bytes(units).decode("utf-8", "ignore")
    return text if isinstance(text, str) else ""


def _instead(top: object) -> tuple[tuple[str, float], ...]:
    pairs: list[tuple[Any, Any]]
    if isinstance(top, dict):
        pairs = list(top.items())
    else:
        listed = top if isinstance(top, list) else []
        pairs = [(_text(token), token.get("logprob")) for token in listed if isinstance(token, dict)]
    # At most 0, but for a rounding error; a number too large for a float is junk, too.
    return tuple((text, float(logprob)) for text, logprob in pairs if type(logprob) in (int, float) and -1e6 < logprob < 0.01)  # noqa: PLR2004


def _part(body: Any, key: str | int, kind: type) -> Any:
    try:
        part = body[key]
    except (TypeError, KeyError, IndexError):
        return None
    return part if isinstance(part, kind) else None
