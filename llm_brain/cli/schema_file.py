"""`file.py:Name`: a type out of a Python file of the user's, for an answer to be checked against."""

from __future__ import annotations

import difflib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple, NewType, get_args, get_origin

from typing_extensions import TypeAliasType

from llm_brain.errors import DefinitionError

_NAME: Final = "llm_brain_schema_file"


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
    names = vars(_run(Path(path).expanduser()))
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


def _run(path: Path) -> ModuleType:
    if not path.is_file():
        message = f"there is no file {path}: --schema takes FILE.py:NAME"
        raise DefinitionError(message)
    spec = importlib.util.spec_from_file_location(_NAME, path)
    if spec is None or spec.loader is None:
        message = f"{path} is no Python file: --schema takes FILE.py:NAME"
        raise DefinitionError(message)
    module = importlib.util.module_from_spec(spec)
    # What stands beside the file can be imported by it, and its own classes are looked up by their module.
    sys.path.insert(0, str(path.resolve().parent))
    sys.modules[_NAME] = module
    try:
        spec.loader.exec_module(module)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # whatever the user's file raises, SystemExit included
        message = f"{path}{_line(error, path)} cannot be run: {type(error).__name__}: {error}"
        raise DefinitionError(message) from error
    return module


def _line(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}," if error.lineno else ""
    place, line = error.__traceback__, 0
    while place is not None:
        if place.tb_frame.f_code.co_filename == str(path.absolute()):
            line = place.tb_lineno
        place = place.tb_next
    return f", line {line}," if line else ""


def _is_type(value: Any) -> bool:
    return isinstance(value, type | TypeAliasType | NewType) or get_origin(value) is not None


def _suggestion(name: str, names: Mapping[str, Any]) -> str:
    types = [known for known, value in names.items() if not known.startswith("_") and _is_type(value) and _is_own(value)]
    near = difflib.get_close_matches(name, types, n=1)
    if near:
        return f": did you mean {near[0]!r}?"
    return f": it holds {', '.join(map(repr, types))}" if types else ": it holds none at all"


def _is_own(value: Any) -> bool:
    # What was imported is no suggestion: neither a class of another file, nor `typing.Iterator` without its item.
    return value.__module__ == _NAME if isinstance(value, type) else bool(get_args(value)) or not get_origin(value)
