"""What a person reads of a prompt: arguments laid out instead of JSON lines, and no character that a terminal would obey."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, Final

_SLOT: Final = re.compile(r"(\w+): (\S.*)")
_JOINERS: Final = "\u200c\u200d"  # without them some scripts and emoji fall apart, and they move nothing
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_DEEPEST: Final = 20
_LONGEST_LINE: Final = 60


def visible_text(text: str) -> str:
    r"""Write every character that a terminal would obey, or that hides or turns its neighbours, as an escape.

    Line ends stay, and tabs become blanks.

    Example:
        >>> print(visible_text("red: \x1b[31m, turned: \u202e"))
        red: \x1b[31m, turned: \u202e
    """
    text = text.replace("\r\n", "\n").expandtabs(4)
    if text.isprintable():
        return text
    return "".join(letter if _is_harmless(letter) else letter.encode("unicode_escape").decode() for letter in text)


def paragraphs(text: str) -> Iterator[tuple[str, Any] | str]:
    r"""Take a prompt's text apart: the arguments, which stand as `name: JSON` on lines of their own, and what is between them.

    Example:
        >>> list(paragraphs('Judge it.\ntext: "good"\nlimit: 3'))
        ['Judge it.', ('text', 'good'), ('limit', 3)]
    """
    plain: list[str] = []
    for line in text.split("\n"):
        slot = _slot(line)
        if slot is None:
            plain.append(line)
            continue
        if any(plain):
            yield "\n".join(plain).strip("\n")
        plain = []
        yield slot
    if any(plain):
        yield "\n".join(plain).strip("\n")


def outline(value: Any) -> str:
    r"""Lay out a JSON value, a line each item, as people write lists; a text of several lines has a bar on its left.

    A short list of words or numbers stands on one line.

    Example:
        >>> orders = [{"product": "Tourer", "price": 899}]
        >>> print(outline({"name": "Ada", "tags": ["new", "kind"], "orders": orders, "note": "a\nb"}))
        name: Ada
        tags: [new, kind]
        orders:
          - product: Tourer
            price: 899
        note:
          | a
          | b
    """
    return "\n".join(_outlined(value, 0))


def pretty(value: Any, width: int, *, is_open: bool = False) -> str:
    """Write JSON over several lines, where what fits on one stands on one.

    Args:
        value: The value.
        width: In characters.
        is_open: Whether the items of the value itself get a line each, though they would fit on one.

    Example:
        >>> print(pretty({"tags": ["a", "b"], "note": "a longer text"}, 24))
        {
          "tags": ["a", "b"],
          "note": "a longer text"
        }
    """
    line = json.dumps(value, ensure_ascii=False)
    if not value or not isinstance(value, dict | list) or (len(line) <= width and not is_open):
        return line
    if isinstance(value, dict):
        parts = [f"{json.dumps(key, ensure_ascii=False)}: {pretty(item, width - len(key) - 6)}" for key, item in value.items()]
    else:
        parts = [pretty(item, width - 3) for item in value]
    inner = ",\n".join(parts).replace("\n", "\n  ")
    begin, end = "{}" if isinstance(value, dict) else "[]"
    return f"{begin}\n  {inner}\n{end}"


def _is_harmless(letter: str) -> bool:
    return letter == "\n" or letter in _JOINERS or unicodedata.category(letter) not in _HIDDEN


def _slot(line: str) -> tuple[str, Any] | None:
    found = _SLOT.fullmatch(line)
    if found is None:
        return None
    try:
        return found.group(1), json.loads(found.group(2))
    except (ValueError, RecursionError):
        return None


def _outlined(value: Any, depth: int) -> Sequence[str]:
    if depth < _DEEPEST and value and isinstance(value, dict):
        return [line for key, item in value.items() for line in _entry(f"{_word(key)}:", item, depth)]
    if isinstance(value, list) and (line := _line_of_words(value)):
        return [line]
    if depth < _DEEPEST and value and isinstance(value, list):
        return [line for item in value for line in _item(item, depth)]
    if isinstance(value, str) and "\n" in value.strip():
        return [f"| {line}".rstrip() for line in value.splitlines()]
    return [_word(value)]


def _line_of_words(items: list[Any]) -> str:
    """Write a list on one line; empty where it is too long, or where a comma in it would be taken for one between its items."""
    if any(isinstance(item, dict | list) for item in items):
        return ""
    words = [_word(item) for item in items]
    line = f"[{', '.join(words)}]"
    return line if words and len(line) <= _LONGEST_LINE and not any(set(told) & set(",[]\n") for told in words) else ""


def _entry(name: str, item: Any, depth: int) -> Sequence[str]:
    lines = _outlined(item, depth + 1)
    if len(lines) == 1 and not lines[0].startswith("- ") and not (item and isinstance(item, dict)):
        return [f"{name} {lines[0]}"]
    return [name, *(f"  {line}" for line in lines)]


def _item(item: Any, depth: int) -> Sequence[str]:
    first, *others = _outlined(item, depth + 1)
    return [f"- {first}", *(f"  {line}" for line in others)]


def _word(value: Any) -> str:
    return value if isinstance(value, str) and not _is_like_another(value) else json.dumps(value, ensure_ascii=False)


def _is_like_another(text: str) -> bool:
    """Tell whether a text without its quotes would look like nothing, like a number or like a list."""
    if not text or text != text.strip() or text[0] in '[{"' or text.startswith(("- ", "| ")):
        return True
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
