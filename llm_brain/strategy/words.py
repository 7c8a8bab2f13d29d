"""Values and errors as a language model reads them: JSON on one line, plain words for an option, a complaint about a reply."""

from __future__ import annotations

import json
from typing import Any

from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import to_json

from llm_brain.errors import ArgumentError


def json_text(value: Any) -> str:
    """Write any value that pydantic can serialise as JSON, on one line, whatever it holds.

    Raises:
        ArgumentError: The value has no JSON form.

    Example:
        >>> json_text({"a": (1, 2), "b": "é", "c": float("nan")})
        '{"a": [1, 2], "b": "é", "c": "NaN"}'
    """
    if type(value) is str and value.isascii():
        return _WRITER.encode(value)
    try:
        compact = to_json(value, inf_nan_mode="strings", fallback=by_schema)
        text = _WRITER.encode(json.loads(compact))
    except (ValueError, TypeError, RecursionError, PydanticUserError) as error:
        message = f"a {type(value).__qualname__} cannot be written as JSON, which a prompt is made of: {error}"
        raise ArgumentError(message) from error
    return text if text.isascii() else text.translate(_LINE_ENDS)


def plain_text(value: Any) -> str:
    """Write a member of a closed set as a reader expects it: text without quotes, anything else as JSON.

    Example:
        >>> plain_text("happy"), plain_text(True)
        ('happy', 'true')
    """
    text = json_text(value)
    return str(json.loads(text)) if text.startswith('"') else text


def is_json(value: Any) -> bool:
    """Tell whether a value has a JSON form.

    Example:
        >>> is_json({"a": 1}), is_json(object())
        (True, False)
    """
    try:
        json_text(value)
    except ArgumentError:
        return False
    return True


_WRITER = json.JSONEncoder(ensure_ascii=False)
# JSON escapes the line ends that are ASCII, and leaves these, at which readers break a line, too.
_LINE_ENDS = {ord(end): f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"}


def by_schema(value: Any) -> Any:
    """Write a value of which the serializer knows nothing by the schema of its class; the `fallback` of a serializer.

    Raises:
        TypeError: It is no data, such as a function.

    Example:
        >>> from collections import deque
        >>> by_schema(deque([1, 2]))
        [1, 2]
    """
    if type(value).__module__ == "builtins":
        # By its name alone: the repr of a method, or of a view of a dictionary, says what the object holds.
        message = f"a {type(value).__qualname__} is no data"
        raise TypeError(message)
    return TypeAdapter(type(value)).dump_python(value, mode="json")


def explain(error: ValidationError, *, quiet: bool = False) -> str:
    """Say in words what is wrong with a value: which place, what was expected, what was there.

    Of an object only the type is said, since it may hold what is hidden.

    Args:
        error: What pydantic says.
        quiet: Whether only the type is said of any other value, too: for types that hide something.

    Example:
        >>> try:
        ...     TypeAdapter(list[int]).validate_python([1, "x"])
        ... except ValidationError as error:
        ...     print(explain(error))
        `[1]`: Input should be a valid integer, unable to parse string as an integer, got 'x'
    """
    lines = []
    for problem in error.errors(include_url=False, include_context=False)[:5]:
        path = ""
        for part in problem["loc"]:
            path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
        place = f"`{path}`: " if path else ""
        lines.append(f"{place}{problem['msg']}, got {_type_of(problem['input']) if quiet else _shown(problem['input'])}")
    return "; ".join(lines)


def _shown(value: Any) -> str:
    if not _is_simple(value):
        return _type_of(value)
    try:
        return f"{value!r:.120}"
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return f"a very long {type(value).__name__}"


def _is_simple(value: Any, depth: int = 0) -> bool:
    kind = type(value)
    if kind in _SIMPLE:
        return True
    if kind not in _CONTAINERS or depth > _DEEPEST:
        return False
    items = [*value, *value.values()] if kind is dict else value
    return all(_is_simple(item, depth + 1) for item in items)


def _type_of(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__qualname__.rpartition('<locals>.')[2]}"


_SIMPLE = frozenset({str, bytes, int, float, bool, type(None)})
_CONTAINERS = frozenset({list, tuple, dict, set, frozenset})
_DEEPEST = 8
