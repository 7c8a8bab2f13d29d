"""Whether a config's values fit their types, and what to say when they do not: which file, which key, what was expected.

No message quotes what may be a secret: what stands at a name like `api_key`, an address with a password, a mapping.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import typing
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Any, Final, TypeVar, Union

from pydantic import BaseModel, TypeAdapter, ValidationError
from typing_extensions import is_typeddict

from llm_brain.errors import DataError

Section = TypeVar("Section", bound=BaseModel)

_SECRET_ENDINGS: Final = ("key", "key_env", "token", "secret", "password")
_EXTRA: Final = "extra inputs are not permitted"
_MOST_PROBLEMS: Final = 5
_KINDS: Final[Mapping[type, str]] = {dict: "a mapping", list: "a list", str: "a text", type(None): "nothing"}


def check_section(kind: type[Section], data: Mapping[str, Any], where: str) -> Section:
    """Make a section of a config out of what its file says. A key without a value is one that is not given.

    Args:
        kind: The section's type.
        data: What the file says.
        where: The file's name, for messages.

    Raises:
        DataError: A key is unknown, or a value does not fit.

    Example:
        >>> class Section(BaseModel, extra="forbid"):
        ...     interval: int = 5
        >>> check_section(Section, {"intervall": 3}, "config.yaml")
        Traceback (most recent call last):
        ...
        llm_brain.errors.DataError: config.yaml: unknown key `intervall`: did you mean `interval`?
    """
    problems = _unknown(kind, data, ())
    try:
        made = kind.model_validate_json(json.dumps(_without_empty(data)), strict=True)
    except ValidationError as error:
        told = _words(error, ())
        # Of keys that are unknown, and have been told with the nearest one, pydantic says so once more.
        problems += [words for words in told if _EXTRA not in words] if problems else told
    else:
        if not problems:
            return made
    raise _error(where, problems)


def check_values(types: Mapping[str, Any], data: Mapping[str, Any], where: str, *, takes_more: bool = False) -> dict[str, Any]:
    """Check each value against its key's type.

    Args:
        types: The type of each key.
        data: The keys and values.
        where: The file's name, for messages.
        takes_more: Whether further keys are taken as they are.

    Raises:
        DataError: A key is unknown, or a value does not fit.

    Example:
        >>> check_values({"timeout": float}, {"timeout": 30}, "hf.yaml")
        {'timeout': 30.0}
        >>> check_values({"timeout": float}, {"timeout": "soon"}, "hf.yaml")
        Traceback (most recent call last):
        ...
        llm_brain.errors.DataError: hf.yaml: `timeout`: input should be a valid number, got 'soon'
    """
    checked, problems = {}, []
    for key, value in data.items():
        if key not in types:
            if takes_more:
                checked[key] = value
            else:
                problems.append(unknown_key(key, types))
            continue
        found = _unknown(types[key], value, (key,))
        problems += found
        if not found:
            try:
                checked[key] = TypeAdapter(types[key]).validate_json(json.dumps(value), strict=True)
            except ValidationError as error:
                problems += _words(error, (key,))
    if problems:
        raise _error(where, problems)
    return checked


def unknown_key(key: str, known: Iterable[str], path: tuple[str | int, ...] = ()) -> str:
    """Say that a key is unknown, and which one is nearest.

    Example:
        >>> unknown_key("modle_id", ["model_id", "timeout"])
        'unknown key `modle_id`: did you mean `model_id`?'
        >>> unknown_key("colour", ["model_id", "timeout"], ("llm",))
        'unknown key `llm.colour`: known are `model_id`, `timeout`'
    """
    names = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(key.casefold(), names, n=1)
    listed = f"known are {', '.join(f'`{name}`' for name in names.values())}" if names else "there are none here"
    meant = f"did you mean `{names[near[0]]}`?" if near else listed
    return f"unknown key `{_dotted((*path, key))}`: {meant}"


def _error(where: str, problems: list[str]) -> DataError:
    more = "" if len(problems) <= _MOST_PROBLEMS else f"; and {len(problems) - _MOST_PROBLEMS} more"
    return DataError(f"{where}: {'; '.join(problems[:_MOST_PROBLEMS])}{more}")


def _without_empty(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_empty(item) for key, item in value.items() if item is not None}
    return value


def _unknown(annotation: Any, value: Any, path: tuple[str | int, ...]) -> list[str]:
    """Find the keys that none of an annotation's records has; pydantic lets those of a dataclass or a TypedDict pass."""
    if not isinstance(value, Mapping):
        return []
    records = [fields for kind in _members(annotation) if (fields := _fields(kind)) is not None]
    if not records:
        return []
    known = {name: kind for fields in records for name, kind in fields.items()}
    problems = [unknown_key(key, known, path) for key in value if key not in known]
    for key in value.keys() & known.keys():
        problems += _unknown(known[key], value[key], (*path, key))
    return problems


def _members(annotation: Any) -> list[Any]:
    if typing.get_origin(annotation) is typing.Annotated:
        return _members(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (Union, UnionType):
        return [member for part in typing.get_args(annotation) for member in _members(part)]
    return [annotation]


def _fields(kind: Any) -> dict[str, Any] | None:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return {field.name: hints[field.name] for field in dataclasses.fields(kind) if field.init}
    return typing.get_type_hints(kind) if is_typeddict(kind) else None


def _words(error: ValidationError, path: tuple[str | int, ...]) -> list[str]:
    # One value may be wrong in several ways, once for each member of a union: the first one says enough.
    found: dict[str, str] = {}
    for problem in error.errors(include_url=False, include_context=False):
        where = _dotted((*path, *(part for part in problem["loc"] if _is_place(part))))
        said = problem["msg"].removeprefix("Value error, ")
        got = "" if ", got " in said else _got(where, problem["input"])  # a dataclass's own check has told what it got
        said = "is missing" if problem["type"] == "missing" else f"{said[:1].lower()}{said[1:]}{got}"
        found.setdefault(where, f"`{where}`{' ' if problem['type'] == 'missing' else ': '}{said}")
    return list(found.values())


def _is_place(part: str | int) -> bool:
    # Between keys, pydantic names the union's members ("constrained-str", "function-after[...]").
    return isinstance(part, int) or part.isidentifier()


def _got(where: str, value: Any) -> str:
    is_secret = where.casefold().endswith(_SECRET_ENDINGS) or (isinstance(value, str) and "@" in value)
    if isinstance(value, Mapping | list) or is_secret:
        return f", got {_KINDS.get(type(value), f'a value of type {type(value).__name__}')}"
    return f", got {value!r:.80}"


def _dotted(path: Iterable[str | int]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
