"""Any Python value in, a value that JSON can hold out: small, finite, valid UTF-8, a copy that nobody changes later.

`json_safe` copies containers, dataclasses and pydantic models, and says of everything else what it is in a few words.
It reads no tensor's numbers beyond a scalar, runs no iterator, and calls no `repr` of a stranger's class. It never
raises.

Limits, each of them marked in the text where it was met: a string keeps its first 65,536 characters (`MAX_TEXT`), a
container its first 1,000 items (`MAX_ITEMS`), a value 20,000 nodes (`MAX_NODES`) and 24 levels (`MAX_DEPTH`).
"""

from __future__ import annotations

import decimal
import enum
import fractions
import json
import math
import os
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import date, time, timedelta
from itertools import islice
from typing import Any, Final
from weakref import WeakKeyDictionary

from llm_brain.tracing.records import fields_of, record_of
from llm_brain.tracing.redaction import JSON, redact
from llm_brain.tracing.text import clean_text

MAX_TEXT: Final = 65_536
MAX_ITEMS: Final = 1_000
MAX_NODES: Final = 20_000
MAX_DEPTH: Final = 24

# A number of more bits prints in more digits than any reader of JSON takes (CPython itself stops at 4,300).
_MAX_INT_BITS: Final = 1_024
# Longer than any key: text is redacted this far beyond the cut, so that no key is cut in two and its head kept.
_REDACTION_MARGIN: Final = 8_192


def json_safe(value: Any) -> JSON:
    r"""Copy `value` into plain JSON types.

    Args:
        value: Anything.

    Returns:
        A value that `json.dumps(..., allow_nan=False)` takes and that encodes to valid UTF-8. NaN and the infinities
        become strings, lone surrogates become `\ufffd`, tensors and arrays a summary of their shape. Secrets are left
        alone: see `redact_all`.

    Example:
        >>> json_safe({"loss": float("nan"), "ids": (1, 2), "raw": b"ok"})
        {'loss': 'NaN', 'ids': [1, 2], 'raw': 'ok'}
        >>> loop: list[object] = [1]
        >>> loop.append(loop)
        >>> json_safe(loop)
        [1, '<list: contains itself>']
    """
    kind = type(value)
    if kind is str:
        return value if value.isascii() and len(value) <= MAX_TEXT else _text(value)
    plain = _PLAIN.get(kind)
    if plain is not None:
        return plain(value)
    try:
        return _ordinary(value, MAX_NODES)
    except Exception:
        # It holds something odd, or too much, or another thread changes it: with more care, at several times the cost.
        return _careful(value)


def _ordinary(value: Any, room: int) -> JSON:
    """Copy what most spans hold: dictionaries, lists, tuples and records of plain values, well within the limits.

    Each item of n gets an equal share of the room, `room // (n + 1)`. So there are never more nodes than room, and no more levels
    than room has bits: a value that holds itself runs out of room.

    Raises:
        ValueError: It is nothing of the kind.
    """
    kind = type(value)
    if kind is not dict and kind is not list and kind is not tuple:
        record = record_of(kind)
        if record is None or not _is_only_record(value, kind):
            raise ValueError(kind)
        value, kind = fields_of(value, record), dict
    size = len(value)
    share = room // (size + 1)
    if size > MAX_ITEMS or not share:
        raise ValueError(size)
    if kind is dict:
        copied: dict[str, JSON] = {}
        for key, item in value.items():
            if type(key) is not str or not key.isascii() or len(key) > MAX_TEXT:
                raise ValueError(size)
            if type(item) is str and item.isascii() and len(item) <= MAX_TEXT:
                copied[key] = item
            else:
                copied[key] = _PLAIN[type(item)](item) if type(item) in _PLAIN else _ordinary(item, share)
        return copied
    items: list[JSON] = []
    for item in value:
        if type(item) is str and item.isascii() and len(item) <= MAX_TEXT:
            items.append(item)
        else:
            items.append(_PLAIN[type(item)](item) if type(item) in _PLAIN else _ordinary(item, share))
    return items


def _is_only_record(value: Any, kind: type) -> bool:
    """Tell whether an object is nothing else that is said in a way of its own; asked once for each class."""
    told = _only_records.get(kind)
    if told is None:
        is_else = isinstance(value, (enum.Enum, Mapping, *_CONTAINERS, *(kinds for kinds, _ in _SPOKEN)))
        told = _only_records[kind] = not (is_else or _is_array(value))
    return told


def _careful(value: Any) -> JSON:
    try:
        return _Copier().copy(value, 0)
    except Exception:
        return _unreadable(value)


class _Copier:
    """One walk over one value: how many nodes are left, and which containers are being walked."""

    __slots__ = ("_left", "_open")

    def __init__(self) -> None:
        self._left = MAX_NODES
        self._open: set[int] = set()

    def copy(self, value: Any, depth: int) -> JSON:
        self._left -= 1
        plain = _PLAIN.get(type(value))
        if plain is not None:
            return plain(value)
        if type(value) in _CONTAINERS:
            return self._container(value, depth)
        try:
            return self._other(value, depth)
        except Exception:  # a stranger's property, iterator or `__len__` may raise whatever it likes
            return _unreadable(value)

    def _container(self, value: Any, depth: int) -> JSON:
        if depth >= MAX_DEPTH or self._left <= 0:
            return f"<{_type_name(value)}: left out>"
        if id(value) in self._open:
            return f"<{_type_name(value)}: contains itself>"
        self._open.add(id(value))
        try:
            if type(value) is dict or (type(value) is not list and isinstance(value, Mapping)):
                return self._mapping(value, depth)
            return self._sequence(value, depth)
        finally:
            self._open.discard(id(value))

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, JSON]:
        copied: dict[str, JSON] = {}
        for taken, (key, item) in enumerate(value.items()):
            if taken >= MAX_ITEMS or self._left <= 0:
                copied["<left out>"] = len(value) - taken
                break
            name = _text(key) if type(key) is str else _key(self.copy(key, MAX_DEPTH - 1))
            copied[f"{name} <{taken}>" if name in copied else name] = self.copy(item, depth + 1)
        return copied

    def _sequence(self, value: Iterable[Any], depth: int) -> list[JSON]:
        copied: list[JSON] = []
        for item in islice(value, MAX_ITEMS):
            if self._left <= 0:
                break
            copied.append(self.copy(item, depth + 1))
        total = len(value)  # type: ignore[arg-type]
        if total > len(copied):
            copied.append(f"<{total - len(copied)} items left out>")
        # The order of a set changes from one process to the next; a trace should not.
        return sorted(copied, key=str) if isinstance(value, (set, frozenset)) else copied

    def _other(self, value: Any, depth: int) -> JSON:
        if isinstance(value, enum.Enum):
            return self.copy(value.value, depth + 1) if depth < MAX_DEPTH else value.name
        for kinds, say in _SPOKEN:
            if isinstance(value, kinds):
                return say(value)
        if _is_array(value):
            return self._array(value, depth)
        if isinstance(value, (Mapping, *_CONTAINERS)):
            return self._container(value, depth)
        return self._record(value, depth)

    def _array(self, value: Any, depth: int) -> JSON:
        """A number where it is a scalar in memory (one on a device would have to be waited for), a shape elsewhere."""
        shape = tuple(value.shape)
        device = str(getattr(value, "device", "cpu"))
        if not shape and device == "cpu" and depth < MAX_DEPTH:
            return self.copy(value.item(), MAX_DEPTH)
        dtype = str(value.dtype).removeprefix("torch.")
        return f"<{type(value).__name__} {dtype} {list(shape)}{'' if device == 'cpu' else ' ' + device}>"

    def _record(self, value: Any, depth: int) -> JSON:
        record = record_of(type(value))
        return f"<{_type_name(value)}>" if record is None else self._of(value, fields_of(value, record), depth)

    def _of(self, owner: object, fields: object, depth: int) -> JSON:
        """Copy the fields of a record, with the record itself marked as open: a record may hold itself."""
        if id(owner) in self._open:
            return f"<{_type_name(owner)}: contains itself>"
        self._open.add(id(owner))
        try:
            return self.copy(fields, depth)
        finally:
            self._open.discard(id(owner))


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _text(text: str) -> str:
    if len(text) > MAX_TEXT:
        head = text[: MAX_TEXT + _REDACTION_MARGIN]
        redacted = redact(clean_text(head))
        whole = len(redacted) if len(head) == len(text) else len(redacted) - _REDACTION_MARGIN
        return f"{redacted[: min(whole, MAX_TEXT)]}<{len(text) - MAX_TEXT} characters left out>"
    return text if text.isascii() else clean_text(text)


def _integer(number: int) -> JSON:
    bits = number.bit_length()
    return number if bits <= _MAX_INT_BITS else f"<int of {bits} bits>"


def _real(number: float) -> JSON:
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else ("Infinity" if number > 0 else "-Infinity")


def _binary(value: bytes | bytearray) -> str:
    if len(value) <= MAX_TEXT:
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            pass
    return f"<{len(value)} bytes>"


def _key(copied: JSON) -> str:
    return copied if isinstance(copied, str) else json.dumps(copied, ensure_ascii=False)


def _type_name(value: object) -> str:
    return clean_text(type(value).__qualname__)


def _unreadable(value: object) -> str:
    return f"<{_type_name(value)}: unreadable>"


def _as_it_is(value: JSON) -> JSON:
    return value


def _error(error: BaseException) -> str:
    return _text(f"{type(error).__qualname__}: {error}")


def _said(value: object) -> str:
    return _text(str(value))


_PLAIN: Final[dict[type, Callable[[Any], JSON]]] = {
    str: _text,
    int: _integer,
    float: _real,
    bool: _as_it_is,
    type(None): _as_it_is,
}
_only_records: Final[WeakKeyDictionary[type, bool]] = WeakKeyDictionary()
_CONTAINERS: Final = (dict, list, tuple, set, frozenset)
_SPOKEN: Final[tuple[tuple[type | tuple[type, ...], Callable[[Any], JSON]], ...]] = (
    (str, lambda text: _text(str.__str__(text))),
    (int, lambda number: _integer(int(number))),
    (float, lambda number: _real(float(number))),
    ((bytes, bytearray), _binary),
    (type, lambda kind: _text(f"{kind.__module__}.{kind.__qualname__}")),
    (BaseException, _error),
    ((date, time, timedelta, uuid.UUID, decimal.Decimal, fractions.Fraction, complex, range, os.PathLike), _said),
)
