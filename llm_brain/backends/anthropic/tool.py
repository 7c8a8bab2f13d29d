"""A JSON Schema as the one tool that a model has to call, and the call's input as the text of a reply.

Anthropic's API takes a schema for a tool's input, and that has to describe an object: what is none goes into a field of one.
The input is given word for word as it was sent: numbers keep all their digits, and what is odd about it stays visible.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TOOL: Final = "reply"
"""The tool's name."""

FIELD: Final = "value"
"""Where a reply stands that is no object."""

_MIXED: Final = ("anyOf", "oneOf", "allOf", "$ref")
_DEFINITIONS: Final = ("$defs", "definitions")
_MARKS: Final = re.compile(r'["\\{}\[\],]')
_INPUT: Final = re.compile(r'"input"\s*:\s*')
_BEGINNING: Final = re.compile(rf'\s*\{{\s*"{FIELD}"\s*:\s*')
_SPACE: Final = re.compile(r"\s+")
_LONGEST_BEGINNING: Final = 200
_MOST_INPUTS: Final = 200
_BY_MARKS: Final = 256
"""What is no longer than this is scanned mark by mark, which takes the least time there."""
_AT_ONCE: Final = 2**16


def is_wrapped(schema: Mapping[str, Any]) -> bool:
    """Tell whether replies to a schema stand in a field of an object, since the API takes no such schema as a tool's input.

    Example:
        >>> is_wrapped({"type": "array"}), is_wrapped({"type": "object", "properties": {}})
        (True, False)
    """
    is_object = schema.get("type") == "object" or ("type" not in schema and "properties" in schema)
    return not is_object or any(key in schema for key in _MIXED)


def tool_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the tool whose input fulfils a schema.

    Example:
        >>> tool_of({"type": "integer"})["input_schema"]
        {'type': 'object', 'properties': {'value': {'type': 'integer'}}, 'required': ['value'], 'additionalProperties': False}
    """
    if is_wrapped(schema):
        definitions = {key: _inside(schema[key]) for key in _DEFINITIONS if key in schema}
        value = _inside({key: part for key, part in schema.items() if key not in definitions})
        whole = {"type": "object", "properties": {FIELD: value}, "required": [FIELD], "additionalProperties": False}
        described = {**whole, **definitions}
    else:
        described = {"type": "object", **schema}
    return {"name": TOOL, "description": "Gives the answer.", "input_schema": described}


def cut_inputs(body: str) -> tuple[str, list[str]]:
    """Cut the inputs of tools out of a reply's JSON; where one stood is its number.

    Nothing is left of a body with more of them than any reply has: it would hold up other calls.

    Example:
        >>> cut_inputs('{"type": "tool_use", "input": {"price": 1.10}}')
        ('{"type": "tool_use", "input": 0}', ['{"price": 1.10}'])
    """
    parts: list[str] = []
    inputs: list[str] = []
    done = 0
    while (key := _INPUT.search(body, done)) is not None:
        if len(inputs) == _MOST_INPUTS:
            return "", []
        end = key.end() + _Scan().feed(body, key.end())
        parts.append(f"{body[done : key.end()]}{len(inputs)}")
        inputs.append(body[key.end() : end].rstrip())
        done = end
    return "".join(parts) + body[done:], inputs


class Unwrapping:
    """Takes the value out of the object that it was put into, while it comes piece by piece.

    What is no such object stays as it is.

    Example:
        >>> unwrapping = Unwrapping()
        >>> [unwrapping.feed(piece) for piece in ('{"val', 'ue": [1', ", 2]", "}")], unwrapping.rest()
        (['', '[1', ', 2]', ''], '')
    """

    def __init__(self) -> None:
        self._held: str | None = ""  # None once it is known what comes
        self._scan: _Scan | None = None

    def feed(self, piece: str) -> str:
        """Take a piece, and return what is sure by now."""
        if self._held is not None:
            self._held += piece
            piece = self._begin(self._held)
        return piece[: self._scan.feed(piece)] if self._scan is not None else piece

    def rest(self) -> str:
        """Return what was held back, when no more comes."""
        text, self._held = self._held or "", None
        return text

    def _begin(self, text: str) -> str:
        beginning = _BEGINNING.match(text)
        if beginning is not None:
            self._scan, self._held = _Scan(), None
            return text[beginning.end() :]
        if len(text) < _LONGEST_BEGINNING and f'{{"{FIELD}":'.startswith(_SPACE.sub("", text)):
            return ""
        self._held = None
        return text


class _Scan:
    """Finds the end of a JSON value, however deep it is, and though it may come in pieces."""

    def __init__(self) -> None:
        self._depth = 0
        self._is_quoted = False
        self._is_escaped = False
        self._has_ended = False

    def feed(self, text: str, start: int = 0) -> int:
        """Take more text, from `start` on, and return how many of its characters belong to the value."""
        place = start
        while place < len(text) and not self._has_ended:
            # Most inputs are short, and end near their beginning.
            longest = _BY_MARKS if place == start else _AT_ONCE
            part = text[place : place + longest]
            place += self._marks(part) if len(part) <= _BY_MARKS else self._all_at_once(part)
        return place - start

    def _marks(self, text: str) -> int:
        place = 1 if self._is_escaped else 0
        self._is_escaped = False
        while (mark := _MARKS.search(text, place)) is not None:
            place = mark.end()
            if mark[0] == "\\":
                self._is_escaped = place == len(text)
                place += 1
            elif mark[0] == '"':
                self._is_quoted = not self._is_quoted
            elif not self._is_quoted and self._ends_with(mark[0]):
                return mark.start()
        return len(text)

    def _all_at_once(self, text: str) -> int:
        import numpy as np

        # A byte a character: what is not ASCII is no mark, and becomes a question mark.
        told = text.encode("ascii", "replace")
        if self._is_escaped:
            told = b"?" + told[1:]
        told = told.replace(b"\\\\", b"??").replace(b'\\"', b"??")
        self._is_escaped = told.endswith(b"\\")
        codes = np.frombuffer(told, np.uint8)
        quotes = np.cumsum(codes == ord('"'), dtype=np.int32) + self._is_quoted
        steps = _steps()[codes]
        steps[quotes % 2 == 1] = 0
        depths = self._depth + np.cumsum(steps, dtype=np.int32)
        ends = (depths < 0) | ((depths == 0) & (quotes % 2 == 0) & (codes == ord(",")))
        end = int(ends.argmax())
        self._has_ended = bool(ends[end])
        self._depth, self._is_quoted = int(depths[-1]), bool(quotes[-1] % 2)
        return end if self._has_ended else len(text)

    def _ends_with(self, mark: str) -> bool:
        if mark in "{[":
            self._depth += 1
        elif self._depth == 0:
            self._has_ended = True
        elif mark != ",":
            self._depth -= 1
        return self._has_ended


@cache
def _steps() -> NDArray[np.int8]:
    """Return by how much each character, by its code, makes a value deeper."""
    import numpy as np

    steps = np.zeros(256, np.int8)
    steps[list(b"{[")] = 1
    steps[list(b"}]")] = -1
    return steps


def _inside(schema: Any) -> Any:
    """Let references to the root lead to where it stands now; those to definitions lead there as before."""
    if isinstance(schema, dict):
        return {key: _moved(value) if key == "$ref" else _inside(value) for key, value in schema.items()}
    return [_inside(item) for item in schema] if isinstance(schema, list) else schema


def _moved(reference: Any) -> Any:
    is_inner = isinstance(reference, str) and reference.startswith("#") and reference[1:2] in ("", "/")
    if not is_inner or reference.startswith(tuple(f"#/{key}/" for key in _DEFINITIONS)):
        return reference if isinstance(reference, str) else _inside(reference)
    return f"#/properties/{FIELD}{reference[1:]}"
