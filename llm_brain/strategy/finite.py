"""Whether a value is free of numbers that are not finite, which no loss and no sum survives."""

from __future__ import annotations

import cmath
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from types import NoneType
from typing import Any

from pydantic import BaseModel

_NOT_NUMBERS = {str, int, bool, NoneType, bytes, date, datetime}
_FLOATS = (float, complex)
_ITEMS = (list, tuple, set, frozenset, deque)


def is_finite(value: Any) -> bool:
    """Tell whether every number in a value is finite, the defaults of models aside, which are not the reply's.

    Example:
        >>> is_finite({"a": [1.5, Decimal("NaN")]}), is_finite([1, "NaN"])
        (False, True)
    """
    todo = [value]
    seen: set[int] = set()  # a validator may have made the value hold itself
    for each in todo:
        if type(each) in _NOT_NUMBERS:
            continue
        if isinstance(each, _FLOATS):
            if not cmath.isfinite(each):
                return False
        elif isinstance(each, Decimal):
            if not each.is_finite():
                return False
        elif id(each) not in seen:
            seen.add(id(each))
            todo += _parts(each)
    return True


def _parts(value: Any) -> Iterable[Any]:
    if BaseModel in type(value).__mro__:  # `isinstance` would ask its metaclass, which takes ten times as long
        held = vars(value)
        return [held.get(name) for name in value.__pydantic_fields_set__] + [value.__pydantic_extra__]
    if isinstance(value, _ITEMS):
        return value
    if isinstance(value, Mapping):
        return [*value, *value.values()]
    if is_dataclass(value):
        return [getattr(value, each.name, None) for each in fields(value)]
    return ()
