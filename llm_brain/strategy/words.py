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
    try:
        compact = to_json(value, inf_nan_mode="strings", fallback=_by_schema)
        text = json.dumps(json.loads(compact), ensure_ascii=False)
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


# JSON escapes the line ends that are ASCII, and leaves these, at which readers break a line, too.
_LINE_ENDS = {ord(end): f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"}


def _by_schema(value: Any) -> Any:
    if type(value).__module__ == "builtins":
        message = f"`{value!r:.60}` is no data"
        raise TypeError(message)
    return TypeAdapter(type(value)).dump_python(value, mode="json")


def explain(error: ValidationError) -> str:
    """Say in words what is wrong with a value: which place, what was expected, what was there.

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
        lines.append(f"{place}{problem['msg']}, got {_shown(problem['input'])}")
    return "; ".join(lines)


def _shown(value: Any) -> str:
    try:
        return f"{value!r:.120}"
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return f"a very long {type(value).__name__}"
