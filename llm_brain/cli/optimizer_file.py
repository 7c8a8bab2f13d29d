"""`file.py:name`: an optimiser out of a Python file of the user's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from llm_brain.cli.python_file import call, run_file
from llm_brain.errors import DefinitionError

if TYPE_CHECKING:
    from llm_brain.optimize import LLMOptimizer

_WANTED: Final = "write FILE.py or FILE.py:NAME, an LLMOptimizer or a function without arguments that gives one"


def load_optimizer(place: str) -> tuple[LLMOptimizer[Any, Any, Any], Path]:
    """Run a Python file, and take an optimiser out of it, and the file of its journal.

    Args:
        place: The file's path; and, after a colon, the name of an optimiser, or of a function that gives one. It may be left out
            where the file has one optimiser, and not where a function gives it.

    Raises:
        DefinitionError: There is no such file or name, it is no optimiser of a study in a file, or the file cannot be run.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "hill.py"
        ...     _ = file.write_text('''
        ... from pathlib import Path
        ... from pydantic import BaseModel, Field
        ... from llm_brain.optimize import LLMOptimizer
        ... class Knobs(BaseModel):
        ...     rate: float = Field(0.5, ge=0.0, le=1.0)
        ... optimizer = LLMOptimizer(
        ...     lambda run: 1 - abs(run.hyperparameters.rate - 0.3), score=lambda _, result: result, hyperparameters=Knobs,
        ...     task_parameters="a hill", result=float, model=None, journal=Path("hill.jsonl"))
        ... ''')
        ...     load_optimizer(f"{file}:optimizer")[1].name
        'hill.jsonl'
    """
    path, colon, name = place.rpartition(":")
    if not colon or place.endswith(".py"):
        path, name = place, ""
    names = vars(run_file(path, _WANTED))
    found = _named(names, path, name) if name else _only(names, path)
    if not isinstance(found.journal, Path):
        message = f"the study of {path} is kept in a {type(found.journal).__name__}: the command needs a journal that is a file"
        raise DefinitionError(message)
    return found, found.journal


def _named(names: Mapping[str, Any], path: str, name: str) -> LLMOptimizer[Any, Any, Any]:
    from llm_brain.optimize import LLMOptimizer

    found = names.get(name)
    if found is None:
        message = f"{path} holds no {name!r}: {_WANTED}"
        raise DefinitionError(message)
    if callable(found) and not isinstance(found, LLMOptimizer):
        found = call(found, name, path, _WANTED)
    if not isinstance(found, LLMOptimizer):
        message = f"{name} of {path} is of type {type(found).__name__}: {_WANTED}"
        raise DefinitionError(message)
    return found


def _only(names: Mapping[str, Any], path: str) -> LLMOptimizer[Any, Any, Any]:
    from llm_brain.optimize import LLMOptimizer

    found = {name: value for name, value in names.items() if isinstance(value, LLMOptimizer)}
    if len({id(value) for value in found.values()}) != 1:
        none = "no optimiser that is made when it is run, and a function that gives one has to be named"
        several = f"several optimisers: {', '.join(found)}" if found else none
        message = f"{path} holds {several}: {_WANTED}"
        raise DefinitionError(message)
    return next(iter(found.values()))
