"""A Python file of the user's, run as `python file.py` would run it, but for `__main__`."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from llm_brain.errors import DefinitionError

_NAME: Final = "llm_brain_file"
_RAN: dict[Path, ModuleType] = {}


def run_file(path: str, wanted: str) -> ModuleType:
    """Run a file, once in a process: what is taken out of it twice is the same.

    Args:
        path: The file's.
        wanted: What to write, where there is no such file.

    Raises:
        DefinitionError: There is no such file, or it cannot be run.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "numbers.py"
        ...     _ = file.write_text("answer = 42")
        ...     run_file(str(file), "write FILE.py").answer
        42
    """
    file = Path(path).expanduser()
    known = _RAN.get(file.resolve())
    if known is not None:
        return known
    if not file.is_file():
        message = f"there is no file {file}: {wanted}"
        raise DefinitionError(message)
    # What stands beside the file can be imported by it, and its own classes are looked up by their module.
    sys.path.insert(0, str(file.resolve().parent))
    name = _name(file)
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        message = f"{file} is no Python file: {wanted}"
        raise DefinitionError(message)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # whatever the user's file raises, SystemExit included
        del sys.modules[name]
        message = f"{file}{_line(error, file)} cannot be run: {type(error).__name__}: {error}"
        raise DefinitionError(message) from error
    _RAN[file.resolve()] = module
    return module


def call(found: Callable[[], Any], name: str, path: str, wanted: str) -> Any:
    """Call what a file holds, without arguments.

    Args:
        found: A function or a class.
        name: What it is called.
        path: The file's.
        wanted: What to write, where it cannot be called so.

    Raises:
        DefinitionError: It takes arguments, or raises.

    Example:
        >>> call(lambda: 42, "answer", "numbers.py", "write FILE.py")
        42
    """
    try:
        inspect.signature(found).bind()
    except TypeError as error:
        message = f"{name} of {path} cannot be called without arguments ({error}): {wanted}"
        raise DefinitionError(message) from error
    except ValueError:  # some that are written in C do not tell what they take
        pass
    try:
        return found()
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # as in `run_file`
        message = f"{name} of {path}{_line(error, Path(path).expanduser())} cannot be called: {type(error).__name__}: {error}"
        raise DefinitionError(message) from error


def _name(file: Path) -> str:
    """Give the name by which other processes can import the file, if no other module has it."""
    name = file.stem
    if name.isidentifier() and name not in sys.modules:
        found = importlib.util.find_spec(name)
        if found is not None and found.origin is not None and Path(found.origin).resolve() == file.resolve():
            return name
    return f"{_NAME}_{len(_RAN)}"


def _line(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}," if error.lineno else ""
    place, line = error.__traceback__, 0
    while place is not None:
        if place.tb_frame.f_code.co_filename == str(path.absolute()):
            line = place.tb_lineno
        place = place.tb_next
    return f", line {line}," if line else ""
