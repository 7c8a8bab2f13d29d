"""What no grammar can say: that the items of a set differ, and the names of an object. A reply is watched as it is written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from llm_brain.backends.local.json_schemas import canonical, parts, resolved

_QUOTE, _ESCAPE, _COMMA, _COLON = b'"\\,:'
_OPENING, _CLOSING = b"[{", b"]}"
_UNIONS: Final = ("anyOf", "oneOf", "allOf")


def needs_watching(schema: Mapping[str, Any]) -> bool:
    """Tell whether a schema has sets, or objects whose names the model makes.

    Example:
        >>> needs_watching({"type": "array", "uniqueItems": True}), needs_watching({"type": "string"})
        (True, False)
    """
    return any(part.get("uniqueItems") is True or _makes_names(part) for part in parts(schema))


@dataclass(frozen=True, slots=True)
class _Container:
    """An array or an object that is open.

    Attributes:
        schemas: What may describe it.
        unique: Whether its items must differ.
        seen: Its items, or its names, so far.
        begin: Where its present item or name begins in the text.
        index: How many items it has before that.
        name: The present name; None where one is still to come, or in an array.
        done: Whether the present item has been seen to its end.
    """

    is_array: bool
    schemas: tuple[Mapping[str, Any], ...]
    unique: bool
    seen: frozenset[str] = frozenset()
    begin: int = 0
    index: int = 0
    name: str | None = None
    done: bool = False


@dataclass(frozen=True, slots=True)
class _State:
    stack: tuple[_Container, ...] = ()
    in_string: bool = False
    escaped: bool = False


class _RepeatedError(Exception):
    """An item or a name was there before."""


class Watch:
    """Follows a reply, compact JSON, byte by byte, and tells which tokens would end an item that is there already.

    Args:
        schema: What the reply is to fulfil.
        pieces: The bytes of each token.

    Example:
        >>> pieces = [b'["a"', b',"', b'a', b'"', b'b', b']']
        >>> watch = Watch({"type": "array", "uniqueItems": True}, pieces)
        >>> for token in (0, 1, 2):
        ...     watch.accept(token)
        >>> watch.refuses(3), watch.refuses(4)
        (True, False)
    """

    def __init__(self, schema: Mapping[str, Any], pieces: Sequence[bytes]) -> None:
        self._schema = schema
        self._pieces = pieces
        self._text = bytearray()
        self._states: list[tuple[_State, int]] = [(_State(), 0)]

    @property
    def is_settled(self) -> bool:
        """Whether nothing that was written may have to be taken back."""
        stack = self._states[-1][0].stack
        in_name = bool(stack) and not stack[-1].is_array and stack[-1].name is None and stack[-1].index > 0
        return not in_name and not any(container.unique for container in stack)

    def refuses(self, token: int) -> bool:
        """Tell whether a token would end an item or a name that is there already."""
        try:
            self.accept(token)
        except _RepeatedError:
            return True
        self.rollback(1)
        return False

    def accept(self, token: int) -> None:
        """Follow a token that was drawn, and is not refused."""
        state, begin = self._states[-1][0], len(self._text)
        self._text += self._pieces[token]
        try:
            for offset in range(begin, len(self._text)):
                state = self._after(state, offset)
        except _RepeatedError:
            del self._text[begin:]
            raise
        self._states.append((state, len(self._text)))

    def rollback(self, tokens: int) -> None:
        """Take back the last tokens."""
        del self._states[len(self._states) - tokens :]
        del self._text[self._states[-1][1] :]

    def _after(self, state: _State, offset: int) -> _State:
        byte = self._text[offset]
        if state.in_string:
            return self._in_string(state, byte, offset)
        if byte == _QUOTE:
            return replace(state, in_string=True)
        if byte in _OPENING:
            return self._opened(state, is_array=byte == _OPENING[0], offset=offset)
        if byte not in (*_CLOSING, _COMMA) or not state.stack:
            return state
        top = state.stack[-1]
        ended = self._ended(top, offset) if top.is_array and offset > top.begin else top
        if byte == _COMMA:
            return _with_top(state, replace(ended, begin=offset + 1, index=top.index + 1, name=None, done=False))
        below = replace(state, stack=state.stack[:-1])
        return _with_top(below, self._ended(below.stack[-1], offset + 1)) if below.stack else below

    def _in_string(self, state: _State, byte: int, offset: int) -> _State:
        if state.escaped or byte == _ESCAPE:
            return replace(state, escaped=not state.escaped)
        if byte != _QUOTE:
            return state
        ended = replace(state, in_string=False)
        top = state.stack[-1] if state.stack else None
        if top is None or (top.name is not None and not top.is_array):
            return ended
        if top.is_array:
            return _with_top(ended, self._ended(top, offset + 1))
        name = json.loads(self._text[top.begin : offset + 1])
        if name in top.seen:
            raise _RepeatedError
        return _with_top(ended, replace(top, name=name, seen=top.seen | {name}))

    def _opened(self, state: _State, *, is_array: bool, offset: int) -> _State:
        schemas = tuple(self._inside(state.stack[-1]) if state.stack else self._expanded(self._schema))
        unique = is_array and any(schema.get("uniqueItems") for schema in schemas)
        return replace(state, stack=(*state.stack, _Container(is_array, schemas, unique, begin=offset + 1)))

    def _ended(self, container: _Container, end: int) -> _Container:
        """Note the end of a container's present item."""
        if not container.unique or container.done:
            return replace(container, done=True)
        item = canonical(json.loads(self._text[container.begin : end]))
        if item in container.seen:
            raise _RepeatedError
        return replace(container, seen=container.seen | {item}, done=True)

    def _inside(self, container: _Container) -> Iterator[Mapping[str, Any]]:
        """Give what may describe the present item of a container."""
        for schema in container.schemas:
            if container.is_array:
                first = schema.get("prefixItems", [])
                found = [first[container.index] if container.index < len(first) else schema.get("items")]
            else:
                found = _field(schema, container.name or "")
            for part in found:
                yield from self._expanded(part)

    def _expanded(self, schema: Any, depth: int = 16) -> Iterator[Mapping[str, Any]]:
        if not isinstance(schema, Mapping) or depth == 0:
            return
        yield schema
        if "$ref" in schema:
            with suppress(LookupError):
                yield from self._expanded(resolved(schema, self._schema), depth - 1)
        for key in _UNIONS:
            for part in schema.get(key, ()):
                yield from self._expanded(part, depth - 1)


def _makes_names(schema: Mapping[str, Any]) -> bool:
    if "patternProperties" in schema or "propertyNames" in schema:
        return True
    others = schema.get("additionalProperties", schema.get("type") == "object")
    return others is not False and not schema.get("properties")


def _field(schema: Mapping[str, Any], name: str) -> list[Any]:
    if name in schema.get("properties", {}):
        return [schema["properties"][name]]
    matching = [part for pattern, part in schema.get("patternProperties", {}).items() if _matches(pattern, name)]
    return matching or [schema.get("additionalProperties")]


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:  # written for another engine: it may be meant
        return True


def _with_top(state: _State, top: _Container) -> _State:
    return replace(state, stack=(*state.stack[:-1], top))
