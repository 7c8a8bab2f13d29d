"""What a schema demands of a value, in words: as a hint before it is typed, and as a complaint about what was typed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from typing import Any, Final
from uuid import UUID

from llm_brain.backends.human.schema import Part

Path = tuple[str | int, ...]

_NAMES: Final = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
_BOUNDS: Final[Mapping[str, tuple[str, Callable[[Any, Any], bool]]]] = {
    "minimum": ("at least", lambda value, bound: value >= bound),
    "exclusiveMinimum": ("above", lambda value, bound: value > bound),
    "maximum": ("at most", lambda value, bound: value <= bound),
    "exclusiveMaximum": ("below", lambda value, bound: value < bound),
}
_DURATION: Final = re.compile(
    r"[-+]?(P(?=[\dT])(\d+(\.\d+)?[YMWD])*(T(?=\d)(\d+(\.\d+)?[HMS])+)?|(\d+ ?d(ays?)?,? ?)?\d+:\d\d(:\d\d(\.\d+)?)?)",
    re.IGNORECASE,
)
_FORMATS: Final[Mapping[str, tuple[str, Callable[[str], object]]]] = {
    "date": ("date, as 2026-01-31", date.fromisoformat),
    "date-time": ("date and time, as 2026-01-31T14:30:00Z", datetime.fromisoformat),
    "time": ("time, as 14:30:00", time.fromisoformat),
    "duration": ("duration, as PT1H30M or 1:30:00", _DURATION.fullmatch),
    "uuid": ("UUID, as 123e4567-e89b-12d3-a456-426614174000", UUID),
}
_UNCHECKED_FORMATS: Final[Mapping[str, str]] = {
    "binary": "text",
    "email": "e-mail address",
    "password": "text",
    "uri": "address, as https://example.org",
}
_LONGEST_LIST: Final = 8
_LARGEST_EXACT: Final = 2**53


def hint(part: Part) -> str:
    """Say what is expected. Of texts that are numbers beside numbers, nothing is said: a number is what is typed.

    Example:
        >>> hint(Part({"type": "integer", "minimum": 1, "maximum": 5})), hint(Part({"items": {"type": "string"}}))
        ('whole number from 1 to 5', 'list of text')
        >>> hint(Part({"anyOf": [{"type": "number"}, {"type": "string", "maxLength": 9}]}))
        'number, or text of at most 9 characters'
    """
    if part.kind == "options":
        return ", ".join(word(value) for value in part.values[:_LONGEST_LIST]) + (
            "..." if len(part.values) > _LONGEST_LIST else ""
        )
    if len(part.alternatives) > 1:
        shown = [member for member in part.alternatives if not _is_number_in_quotes(member)] or part.alternatives
        return ", or ".join(dict.fromkeys(map(hint, shown)))
    if part.kind == "list":
        # Of what the items of items are, nothing is said: a type may hold itself.
        is_told = part.rest is not None and not part.first and part.rest.kind in {"entry", "options", "object"}
        return f"list of {hint(part.rest)}" if part.rest is not None and is_told else "list"
    if part.kind == "object":
        return part.name or ("keys and values" if part.takes_more else "object")
    if part.kind == "any":
        return "JSON, or text"
    told = [_named(part), *(f"of {length}" for length in [_length(part)] if length), *_bounds(part)]
    if "pattern" in part.schema:
        told.append(f"that matches {part.schema['pattern']}")
    return " ".join(told)


def demand(part: Part) -> str:
    """Say what is expected as a demand.

    Example:
        >>> demand(Part({"type": "integer"})), demand(Part({"type": "string"})), demand(Part({"enum": ["a", "b"]}))
        ('must be a whole number', 'must be text', 'must be one of: a, b')
    """
    told = hint(part)
    if part.kind == "options":
        return f"must be one of: {told}" if len(part.values) > 1 else f"must be {told}"
    if told.startswith(("text", "JSON", "keys")) or not told[:1].isalpha():
        return f"must be {told}"
    return f"must be a{'n' if told[0] in 'aeioAEIO' else ''} {told}"


def word(value: Any) -> str:
    """Write a value that can be chosen: text as it is, anything else as JSON.

    Example:
        >>> word("red"), word(True), word(None)
        ('red', 'true', 'null')
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def complaint(value: Any, part: Part) -> str | None:
    """Say what is wrong with a value, and where; None where nothing is.

    Example:
        >>> complaint({"items": [3, -1]}, Part({"properties": {"items": {"items": {"type": "integer", "minimum": 0}}}}))
        '`items[1]`: must be at least 0'
    """
    for path, problem in _problems(value, part, ()):
        return f"`{shown_path(path)}`: {problem}" if path else problem
    return None


def shown_path(path: Path) -> str:
    """Write the way to a place; what has no name of its own is called the answer.

    Example:
        >>> shown_path(("orders", 1, "price")), shown_path(("prices", "a b")), shown_path((0,))
        ('orders[1].price', 'prices["a b"]', 'answer[0]')
    """
    shown = "" if path and isinstance(path[0], str) else "answer"
    for step in path:
        if isinstance(step, int):
            shown += f"[{step}]"
        elif re.fullmatch(r"[\w-]+", step):
            shown += f".{step}" if shown else step
        else:
            shown += f"[{json.dumps(step, ensure_ascii=False)}]"
    return shown


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same JSON: true is not 1.

    Example:
        >>> same({"a": 1, "b": 2}, {"b": 2, "a": 1}), same(True, 1)
        (True, False)
    """
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _problems(value: Any, part: Part, path: Path) -> Iterator[tuple[Path, str]]:
    if value is None and part.nullable:
        return
    if part.kind == "options":
        if not any(same(value, option) for option in part.values):
            yield path, demand(part)
    elif len(part.alternatives) > 1:
        if all(any(_problems(value, member, path)) for member in part.alternatives):
            yield path, demand(part)
    elif part.kind == "list":
        yield from _problems_of_list(value, part, path)
    elif part.kind == "object":
        yield from _problems_of_object(value, part, path)
    elif part.kind == "null" and value is not None:
        yield path, "must be null"
    elif part.kind == "entry" and (problem := _problem_of_scalar(value, part)):
        yield path, problem


def _problems_of_list(value: Any, part: Part, path: Path) -> Iterator[tuple[Path, str]]:
    if not isinstance(value, list):
        yield path, "must be a list"
        return
    if not part.fewest <= len(value) <= part.most:
        yield path, f"must have {_range(part.fewest, part.most)} items"
    for place, item in enumerate(value):
        held = part.first[place] if place < len(part.first) else part.rest
        if held is not None:
            yield from _problems(item, held, (*path, place))
    if part.schema.get("uniqueItems") and any(same(item, other) for i, item in enumerate(value) for other in value[:i]):
        yield path, "must hold no item twice"


def _problems_of_object(value: Any, part: Part, path: Path) -> Iterator[tuple[Path, str]]:
    if not isinstance(value, dict):
        yield path, "must be an object"
        return
    for name in part.required:
        if name not in value:
            yield (*path, name), "is missing"
    if not part.fewest <= len(value) <= part.most:
        yield path, f"must have {_range(part.fewest, part.most)} entries"
    for name, item in value.items():
        if name in part.properties:
            yield from _problems(item, part.properties[name], (*path, name))
            continue
        problem = problem_of_key(name, part)
        if problem:
            yield (*path, name), problem
        elif (held := part_of_key(name, part)) is not None:
            yield from _problems(item, held, (*path, name))


def problem_of_key(key: str, part: Part) -> str | None:
    """Say what is wrong with a further key of an object.

    Example:
        >>> problem_of_key("red", Part({"propertyNames": {"enum": ["blue"]}, "additionalProperties": {}}))
        'the key must be blue'
    """
    if part_of_key(key, part) is None:
        patterns = ", or ".join(part.patterns)
        return f"the key must match {patterns}" if patterns else "is not a field of it"
    problem = complaint(key, part.key)
    return None if problem is None else f"the key {problem}"


def part_of_key(key: str, part: Part) -> Part | None:
    """Return what stands under a further key of an object; None where the key must not be there.

    Example:
        >>> part_of_key("x1", Part({"type": "object", "patternProperties": {"^x": {"type": "integer"}}})).type
        'integer'
    """
    return next((held for pattern, held in part.patterns.items() if _matches(pattern, key)), part.more)


def _problem_of_scalar(value: Any, part: Part) -> str | None:
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    is_number = is_integer or (isinstance(value, float) and math.isfinite(value))
    is_whole = is_integer or (isinstance(value, float) and value.is_integer())
    fits = {"string": isinstance(value, str), "integer": is_whole, "number": is_number}
    if not fits[part.type]:
        return "must be text" if part.type == "string" else f"must be a {_NAMES[part.type]}"
    if isinstance(value, str):
        return _problem_of_text(value, part)
    for key, (words, holds) in _BOUNDS.items():
        if key in part.schema and not holds(value, part.schema[key]):
            return f"must be {words} {_number(part.schema[key])}"
    step = part.schema.get("multipleOf")
    if step and min(value % step, step - value % step) > abs(value) / 1e9:
        return f"must be a multiple of {_number(step)}"
    return None


def _problem_of_text(value: str, part: Part) -> str | None:
    least, most = part.schema.get("minLength", 0), part.schema.get("maxLength", float("inf"))
    if not least <= len(value) <= most:
        return f"must have {_length(part)}, and has {len(value)}"
    if "pattern" in part.schema and not _matches(part.schema["pattern"], value):
        return f"must match {part.schema['pattern']}"
    words, read = _FORMATS.get(part.schema.get("format", ""), ("", bool))
    if words:
        try:
            is_read = read(value) is not None
        except ValueError:
            is_read = False
        return None if is_read else f"must be a {words}"
    return None


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:
        return True  # another dialect's pattern: whoever reads the answer knows it


def _named(part: Part) -> str:
    told = part.schema.get("format", "")
    if told in _FORMATS:
        return _FORMATS[told][0]
    return _UNCHECKED_FORMATS.get(told) or told or _NAMES.get(part.type, "")


def _bounds(part: Part) -> list[str]:
    schema = part.schema
    told = [f"{words} {_number(schema[key])}" for key, (words, _) in _BOUNDS.items() if key in schema]
    if "minimum" in schema and "maximum" in schema:
        told = [f"from {_number(schema['minimum'])} to {_number(schema['maximum'])}"]
    bounds = [" and ".join(told)] if told else []
    return [*bounds, f"in steps of {_number(schema['multipleOf'])}"] if "multipleOf" in schema else bounds


def _is_number_in_quotes(part: Part) -> bool:
    pattern = part.schema.get("pattern")
    return pattern is not None and _matches(pattern, "-1.5") and not _matches(pattern, "a")


def _length(part: Part) -> str:
    least, most = part.schema.get("minLength", 0), part.schema.get("maxLength", float("inf"))
    if not least and most == float("inf"):
        return ""
    return f"{_range(least, most)} character{'' if (least or most) == 1 and most in (1, float('inf')) else 's'}"


def _range(least: int, most: float) -> str:
    if least == most:
        return str(least)
    if most == float("inf"):
        return f"at least {least}"
    return f"{least} to {most:.0f}" if least else f"at most {most:.0f}"


def _number(value: float) -> str:
    return str(int(value)) if abs(value) < _LARGEST_EXACT and int(value) == value else str(value)
