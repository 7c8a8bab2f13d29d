"""`file.py:Name`: a type out of a Python file of the user's, for an answer to be checked against."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, NamedTuple, NewType, get_args, get_origin

from typing_extensions import TypeAliasType

from llm_brain.cli.python_file import run_file
from llm_brain.errors import DefinitionError


class LoadedType(NamedTuple):
    """A type, and the names of its file, which its annotations may mean.

    Example:
        >>> LoadedType(int, {}).kind
        <class 'int'>
    """

    kind: Any
    names: Mapping[str, Any]


def load_type(place: str) -> LoadedType:
    """Run a Python file, as `python file.py` would but for `__main__`, and take a type out of it.

    Args:
        place: The file's path, a colon, and the type's name; a dot leads into a class.

    Raises:
        DefinitionError: There is no such file or type, or the file cannot be run.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "moods.py"
        ...     _ = file.write_text("from typing import Literal; Mood = Literal['happy', 'unhappy']")
        ...     load_type(f"{file}:Mood").kind
        typing.Literal['happy', 'unhappy']
    """
    path, colon, name = place.rpartition(":")
    if not colon or not path or not name:
        message = f"{place!r} names no type: write FILE.py:NAME, the file that holds the type, and its name"
        raise DefinitionError(message)
    names = vars(run_file(path, "--schema takes FILE.py:NAME"))
    found: Any = names.get(name)
    outer, *inner = name.split(".")
    if inner:
        found = names.get(outer)
        for part in inner:
            found = getattr(found, part, None)
    if not _is_type(found):
        message = f"{path} holds no type {name!r}{_suggestion(name, names)}"
        raise DefinitionError(message)
    return LoadedType(found, names)


def _is_type(value: Any) -> bool:
    return isinstance(value, type | TypeAliasType | NewType) or get_origin(value) is not None


def _suggestion(name: str, names: Mapping[str, Any]) -> str:
    types = [known for known, value in names.items() if not known.startswith("_") and _is_type(value) and _is_own(value, names)]
    near = difflib.get_close_matches(name, types, n=1)
    if near:
        return f": did you mean {near[0]!r}?"
    return f": it holds {', '.join(map(repr, types))}" if types else ": it holds none at all"


def _is_own(value: Any, names: Mapping[str, Any]) -> bool:
    # What was imported is no suggestion: neither a class of another file, nor `typing.Iterator` without its item.
    return value.__module__ == names["__name__"] if isinstance(value, type) else bool(get_args(value)) or not get_origin(value)
