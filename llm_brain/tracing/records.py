"""The fields of dataclasses and pydantic models that a trace shows: their class says which, once, and each object is read."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary


class Record(NamedTuple):
    """How the objects of a class are read.

    Attributes:
        names: The fields that their author keeps in the repr: what is kept out of it is kept out of the trace.
        is_model: Whether they are models, which may hold more than their fields.

    Example:
        >>> Record(("city",), is_model=False).names
        ('city',)
    """

    names: tuple[str, ...]
    is_model: bool


def record_of(kind: type) -> Record | None:
    """Tell how the objects of a class are read; None where they are no records. Looked up once for each class.

    Example:
        >>> @dataclasses.dataclass
        ... class Shop:
        ...     city: str
        ...     api_key: str = dataclasses.field(repr=False)
        >>> record_of(Shop), record_of(int)
        (Record(names=('city',), is_model=False), None)
    """
    try:
        return _records[kind]
    except KeyError:
        record = _records[kind] = _look_at(kind)
        return record


def fields_of(value: Any, record: Record) -> dict[str, Any]:
    """Give the fields of an object, and what else a model holds.

    Example:
        >>> @dataclasses.dataclass
        ... class Shop:
        ...     city: str
        >>> fields_of(Shop("Oslo"), record_of(Shop))
        {'city': 'Oslo'}
    """
    shown = {name: getattr(value, name) for name in record.names}
    if record.is_model and (extra := value.model_extra):
        shown.update(extra)
    return shown


_records: WeakKeyDictionary[type, Record | None] = WeakKeyDictionary()


def _look_at(kind: Any) -> Record | None:
    if dataclasses.is_dataclass(kind):
        return Record(tuple(field.name for field in dataclasses.fields(kind) if field.repr), is_model=False)
    if hasattr(kind, "model_fields"):
        fields = kind.model_fields.items()
        return Record(tuple(name for name, field in fields if field.repr and not field.exclude), is_model=True)
    return None
