"""`file.py:Class.method`: a typed function out of a Python file of the user's, and `file.py:Name`, who teaches it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from llm_brain.cli.python_file import call, run_file
from llm_brain.errors import DefinitionError
from llm_brain.strategy.function import Typed, TypedFunction
from llm_brain.strategy.views import typed
from llm_brain.training.subject import bound

_FUNCTION: Final = "write FILE.py:Class.method, or FILE.py:function"
_TEACHER: Final = "write FILE.py:NAME, a class without parameters or an object"


def load_function(place: str) -> TypedFunction[..., Any]:
    """Run a Python file, and take a typed function out of it.

    Args:
        place: The file's path, a colon, and the function's name: `Class.method`, `object.method` or `function`.

    Raises:
        DefinitionError: There is no such file or function, or the file cannot be run.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "desk.py"
        ...     _ = file.write_text('''
        ... from llm_brain import llm_strategy
        ... @llm_strategy("local")
        ... def praises(message: str) -> bool:
        ...     "Tell whether it praises."
        ... ''')
        ...     load_function(f"{file}:praises").spec.line
        'praises(message: str) -> bool'
    """
    found, names, path, name = _named(place, _FUNCTION)
    if found is None:
        message = f"{path} holds no function {name!r}{_suggestion(name, names)}"
        raise DefinitionError(message)
    function: Any = found
    methods = [] if isinstance(found, Typed) else list(_methods(found if isinstance(found, type) else type(found), name))
    if methods:
        message = f"{name} of {path} is no function: name a method, {' or '.join(map(repr, methods))}"
        raise DefinitionError(message)
    return bound(typed(function))


def load_teacher(place: str) -> object:
    """Run a Python file, and take a teacher out of it. A class is called, without arguments.

    Raises:
        DefinitionError: There is no such file or name, or the class cannot be called so.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "teachers.py"
        ...     _ = file.write_text("class Judge: ...")
        ...     type(load_teacher(f"{file}:Judge")).__name__
        'Judge'
    """
    found, _, path, name = _named(place, _TEACHER)
    if found is None:
        message = f"{path} holds no {name!r}: {_TEACHER}"
        raise DefinitionError(message)
    return call(found, f"the teacher {name}", path, "name an object of it") if isinstance(found, type) else found


def _named(place: str, wanted: str) -> tuple[Any, Mapping[str, Any], str, str]:
    path, colon, name = place.rpartition(":")
    if not colon or not path or not name:
        message = f"{place!r} names nothing in a file: {wanted}"
        raise DefinitionError(message)
    names = vars(run_file(path, wanted))
    outer, *inner = name.split(".")
    found = names.get(outer)
    for part in inner:
        found = getattr(found, part, None)
    return found, names, path, name


def _suggestion(name: str, names: Mapping[str, Any]) -> str:
    known = list(_functions(names))
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f": did you mean {near[0]!r}?"
    return f": it holds {', '.join(map(repr, known))}" if known else ": it holds none at all"


def _functions(names: Mapping[str, Any]) -> Iterator[str]:
    for name, value in names.items():
        if isinstance(value, Typed):
            yield name
        elif isinstance(value, type) and value.__module__ == names["__name__"]:
            yield from _methods(value, name)


def _methods(kind: type, name: str) -> Iterator[str]:
    yield from (f"{name}.{inner}" for inner in vars(kind) if isinstance(getattr(kind, inner, None), Typed))
