"""Keys never reach a file: what counts as a secret, and how it is cut out of text before it is written.

A secret is (1) the value of an environment variable whose name ends like a key's (`SECRET_ENDINGS`), (2) whatever was
handed to `keep_secret`, (3) anything that looks like a key: `sk-...`, `hf_...`, `Bearer ...`. The environment is read
again at every look, so a key that is set late is hidden too. A secret is found in its JSON and URL-quoted forms as
well, since servers echo keys in both.
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64encode
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import quote, quote_plus

from llm_brain.tracing.text import clean_text

JSON: TypeAlias = "str | int | float | bool | list[JSON] | dict[str, JSON] | None"
"""What `json.dumps` takes without a word."""

REDACTED: Final = "[redacted]"
SECRET_ENDINGS: Final = ("_API_KEY", "_TOKEN", "_SECRET", "_PASSWORD", "_ACCESS_KEY")
SHORTEST_SECRET: Final = 8
"""A shorter value (`ENABLE_TOKEN=1`) is no key, and hiding it would blacken half of the text."""

# A key starts at the start of a word; in quoted text the letter before it may belong to an escape (`%3Dsk-`, `\nsk-`).
_WORD_STARTS: Final = r"(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrtbf])|(?<=\\u[0-9A-Fa-f]{4}))"
_KEY_SHAPES: Final = rf"{_WORD_STARTS}(?:sk-[A-Za-z0-9_\-]{{8,}}|hf_[A-Za-z0-9]{{8,}})"
_BEARER: Final = r"(?P<bearer>(?:[Bb]earer|BEARER)(?:\s|\+|%20|\\[nrt])+)[A-Za-z0-9._~+/=%\-]{8,}"
_SHAPES: Final = re.compile(f"{_BEARER}|{_KEY_SHAPES}")
_HINTS: Final = ("sk-", "hf_", "earer", "EARER")

_kept: Final[set[str]] = set()


def keep_secret(secret: str) -> None:
    """Hide `secret` from now on, in every trace and report of this process. For keys that came as an argument.

    Args:
        secret: The key. Values shorter than `SHORTEST_SECRET` characters are ignored.

    Example:
        >>> keep_secret("correct horse battery")
        >>> redact("login: correct horse battery")
        'login: [redacted]'
    """
    if len(secret) >= SHORTEST_SECRET:
        _kept.add(secret)


def redact(text: str) -> str:
    """Replace each secret in `text` with `[redacted]`.

    Example:
        >>> redact("Authorization: Bearer abc123def456")
        'Authorization: Bearer [redacted]'
        >>> redact("the key sk-live-0123456789 was refused")
        'the key [redacted] was refused'
        >>> redact("task-specific")
        'task-specific'
    """
    if not may_hold_secret(text):
        return text
    known = _look().known
    # The known ones first: a shape may end in the middle of one and leave its tail.
    return _SHAPES.sub(_replacement, known.sub(REDACTED, text))


def redact_all(value: JSON) -> JSON:
    """Redact each string of a JSON value, keys of objects included, and each number whose digits hold a secret.

    Example:
        >>> redact_all({"headers": ["Bearer abc123def456"], "tokens": 12})
        {'headers': ['Bearer [redacted]'], 'tokens': 12}
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(key): redact_all(item) for key, item in value.items()}
    if isinstance(value, list):
        return [redact_all(item) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        digits = repr(value)
        return value if redact(digits) == digits else REDACTED
    return value


def may_hold_secret(text: str) -> bool:
    """Tell in microseconds whether `text`, or the JSON text of a value, may hold a secret. False is certain, True not.

    Example:
        >>> may_hold_secret('{"role": "user", "content": "hello"}')
        False
    """
    # CPython finds short words from behind in half the time; and `any` would make a generator for every span.
    find = text.rfind
    for hint in _look().hints:  # noqa: SIM110
        if find(hint) >= 0:
            return True
    return False


def _look() -> _Look:
    # `os.environ` decodes each name and value on the way, 20 microseconds for a hundred of them, and this runs at every
    # span: ask the dictionary behind it, where there is one (CPython).
    environment: Any = getattr(os.environ, "_data", os.environ)
    last = _last_look
    if last.environment == environment and last.kept == _kept:
        return last
    return _look_again(dict(environment), frozenset(_kept))


class _Look(NamedTuple):
    """What was secret at the last look.

    Attributes:
        hints: The substrings without which a text holds no secret.
        known: Finds the known secrets.
        environment, kept: Where they are from.
    """

    hints: tuple[str, ...]
    known: re.Pattern[str]
    environment: dict[str | bytes, str | bytes]
    kept: frozenset[str]


def _look_again(environment: dict[str | bytes, str | bytes], kept: frozenset[str]) -> _Look:
    global _last_look  # noqa: PLW0603 - asked at every span, and the environment hardly ever changes
    pairs = ((os.fsdecode(name), os.fsdecode(value)) for name, value in environment.items())
    secrets = {value for name, value in pairs if name.upper().endswith(SECRET_ENDINGS)}
    forms = {form for secret in secrets | kept for form in _written_forms(secret)}
    # A secret that starts with another one has to be tried first, or its tail would stay.
    longest_first = sorted(forms, key=lambda form: (-len(form), form))
    known = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
    _last_look = _Look((*_HINTS, *longest_first), known, environment, kept)
    return _last_look


def _written_forms(secret: str) -> set[str]:
    """Return the ways in which a text may spell `secret`: plain, in JSON, in JSON inside of JSON, in a URL, in base64."""
    clean = clean_text(secret)
    in_urls = {quote(clean, safe=""), quote(clean), quote_plus(clean)}
    forms = {secret, clean, secret.strip(), repr(clean)[1:-1], *in_urls}
    forms |= {re.sub("%..", lambda code: code.group().lower(), form) for form in in_urls}
    for ascii_only in (True, False):
        once = json.dumps(clean, ensure_ascii=ascii_only)[1:-1]
        twice = json.dumps(once, ensure_ascii=ascii_only)[1:-1]
        # PHP writes a slash with a backslash before it.
        forms |= {once, twice, once.replace("/", r"\/"), json.dumps(once.replace("/", r"\/"))[1:-1]}
    codes = [f"{ord(char):04x}" for char in clean]
    forms |= {"".join(rf"\u{code}" for code in codes), "".join(rf"\u{code.upper()}" for code in codes)}
    forms.add(b64encode(clean.encode()).decode().rstrip("="))
    return {form for form in forms if len(form) >= SHORTEST_SECRET}


def _replacement(match: re.Match[str]) -> str:
    return f"{match['bearer'] or ''}{REDACTED}"


_last_look = _look_again({}, frozenset())
