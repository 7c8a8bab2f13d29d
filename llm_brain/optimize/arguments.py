"""What is wrong with what a study is made of, said before it begins: later each of its trials would fail, or each question."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, PydanticUserError, TypeAdapter

from llm_brain.errors import DefinitionError
from llm_brain.optimize.models import OptimizationStep, TaskRun
from llm_brain.optimize.objective import unawaited
from llm_brain.optimize.study import DEFAULT, PROMOTION
from llm_brain.strategy.asynchronous import awaits


def check_functions(**functions: Callable[..., Any]) -> None:
    """Refuse functions that are to be awaited, and what is no function.

    Raises:
        DefinitionError: One of them is.

    Example:
        >>> async def score(case, result): ...
        >>> try:
        ...     check_functions(score=score)
        ... except DefinitionError as error:
        ...     print(error)
        the score is an `async def`, and nobody awaits it: give `lambda case, result: asyncio.run(score(case, result))`
    """
    written = {"task": "lambda run: ...", "score": "lambda case, result: ..."}
    for name, function in functions.items():
        if not callable(function):
            message = f"the {name} is a function, as in `{written[name]}`: not {function!r:.80}"
            raise DefinitionError(message)
        if awaits(function):
            raise DefinitionError(unawaited(name))


def check_result(result: Any) -> None:
    """Refuse a type of results that cannot be written down.

    Raises:
        DefinitionError: It is none of which pydantic has a schema.
    """
    try:
        TypeAdapter(result)
    except PydanticUserError as error:
        message = (
            f"results are written down, and of their type pydantic has no schema: {_first_sentence(error)}. "
            "Return what a journal can hold, such as a float, a pydantic model or a dataclass"
        )
        raise DefinitionError(message) from error


def check_shown(parameters: Any, result: Any, hyperparameters: type[BaseModel]) -> None:
    """Refuse types that no model can be shown, or asked for.

    Raises:
        DefinitionError: Of one of them pydantic has no schema.
    """
    run, step = cast("tuple[Any, Any]", (TaskRun, OptimizationStep))  # types that are only known at run time
    try:
        run[parameters, result, hyperparameters]
        step[parameters, hyperparameters].model_json_schema()
    except PydanticUserError as error:
        message = (
            "a model is shown task parameters, results and hyperparameters, and of one of them pydantic has no schema: "
            f"{_first_sentence(error)}. Make it a pydantic model or a dataclass, or give `model=None`"
        )
        raise DefinitionError(message) from error


def check_journal(journal: Any) -> None:
    """Refuse what no study can be kept in.

    Raises:
        DefinitionError: It is neither a path nor a store.
    """
    if not isinstance(journal, str | Path) and not (hasattr(journal, "events") and hasattr(journal, "append")):
        message = f'a journal is the path of a file, as in `journal="study.jsonl"`, or a `Store`: not {journal!r:.80}'
        raise DefinitionError(message)


def check_executor(executor: Any) -> None:
    """Refuse what runs nothing.

    Raises:
        DefinitionError: It is no executor.
    """
    if isinstance(executor, type) or not (hasattr(executor, "submit") and hasattr(executor, "__enter__")):
        message = f"an executor is an object, as in `ProcessExecutor(workers=4)`: not {executor!r:.80}"
        raise DefinitionError(message)


def check_proposers(proposers: Any) -> tuple[Any, ...]:
    """Read a list of proposers.

    Raises:
        DefinitionError: It is none, or one of them is a class.
    """
    if isinstance(proposers, str) or not isinstance(proposers, Iterable):
        message = f"proposers are a list, as in `[MergeProposer()]`: not {proposers!r:.80}"
        raise DefinitionError(message)
    found = tuple(proposers)
    for proposer in found:
        if isinstance(proposer, type):
            message = f"a proposer is an object, and {proposer.__name__} is a class: write `{proposer.__name__}(...)`"
            raise DefinitionError(message)
    return found


def check_names(proposers: Sequence[Any]) -> None:
    """Refuse proposers that could not be told apart.

    Raises:
        DefinitionError: One has no name, or that of another.
    """
    names = [getattr(proposer, "name", None) for proposer in proposers]
    taken = {DEFAULT, PROMOTION, "core"}
    wrong = [name for name in names if not isinstance(name, str) or names.count(name) > 1 or name in taken or not name]
    if wrong:
        message = f"every proposer has a name of its own, and none of {', '.join(sorted(taken))}: not {wrong[0]!r}"
        raise DefinitionError(message)


def _first_sentence(error: Exception) -> str:
    return str(error).splitlines()[0].partition(". ")[0]
