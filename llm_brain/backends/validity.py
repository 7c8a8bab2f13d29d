"""What is wrong with a part of a question: said before any model is asked. Contracts look, and only what is wrong comes here."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Sequence
from typing import Any, Final

from llm_brain.errors import ArgumentError

ROLES: Final = ("system", "user", "assistant")
FORMS: Final = ("chat", "completion")


def is_sampling(temperature: Any, top_p: Any, max_tokens: Any) -> bool:
    """Tell whether tokens can be drawn so.

    Example:
        >>> is_sampling(0.7, 1.0, 256), is_sampling(-1, 1.0, 256), is_sampling(0.7, 1.0, 0)
        (True, False, False)
    """
    try:
        return bool(0 <= temperature < math.inf and 0 <= top_p <= 1 and max_tokens >= 1)
    except TypeError:
        return False


def wrong_sampling(temperature: Any, top_p: Any, max_tokens: Any) -> ArgumentError:
    """Say which number of a `Sampling` cannot be.

    Example:
        >>> wrong_sampling(0.0, 2, 256)
        ArgumentError('top_p is from 0 to 1, got 2')
    """
    if not is_sampling(temperature, 1.0, 1):
        return ArgumentError(f"temperature is 0 or more, got {temperature!r:.80}")
    if not is_sampling(0.0, top_p, 1):
        return ArgumentError(f"top_p is from 0 to 1, got {top_p!r:.80}")
    return ArgumentError(f"max_tokens is 1 or more, got {max_tokens!r:.80}")


def unknown_word(what: str, word: object, known: Collection[str]) -> ArgumentError:
    """Say that a word is none of those that are known, and which one is nearest.

    Example:
        >>> unknown_word("role", "usr", ROLES)
        ArgumentError("the role 'usr' is not known: did you mean 'user'?")
    """
    near = difflib.get_close_matches(str(word), known, n=1)
    meant = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(map(repr, known))}"
    return ArgumentError(f"the {what} {word!r:.80} is not known: {meant}")


def check_texts(texts: Sequence[str], what: str) -> None:
    """Refuse one text where several are taken: it would be taken for a list of its letters.

    Args:
        texts: What was given.
        what: What it should be, in words.

    Raises:
        ArgumentError: It is one text, or one of them is none.

    Example:
        >>> check_texts(["hello"], "texts")
        >>> check_texts("hello", "texts")
        Traceback (most recent call last):
        ...
        llm_brain.errors.ArgumentError: give a list of texts, and not one text: ['hello']
    """
    if isinstance(texts, str):
        message = f"give a list of {what}, and not one text: [{texts!r:.80}]"
        raise ArgumentError(message)
    for text in texts:
        if not isinstance(text, str):
            message = f"{what} are texts, and one of them is of type {type(text).__name__}"
            raise ArgumentError(message)


def check_choices(options: Sequence[str]) -> None:
    """Refuse options that cannot be told apart.

    Raises:
        ArgumentError: They are one text, or one of them stands twice.

    Example:
        >>> check_choices(["yes", "no", "yes"])
        Traceback (most recent call last):
        ...
        llm_brain.errors.ArgumentError: the option 'yes' stands twice: give each one once
    """
    check_texts(options, "options")
    if len(set(options)) < len(options):
        twice = next(option for place, option in enumerate(options) if option in options[:place])
        message = f"the option {twice!r:.80} stands twice: give each one once"
        raise ArgumentError(message)
