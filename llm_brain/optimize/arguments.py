"""What is wrong with what a study is made of, said before it begins: later each of its trials would fail, or each question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from pydantic import BaseModel, PydanticUserError, TypeAdapter

from llm_brain.errors import DefinitionError
from llm_brain.optimize.models import OptimizationStep, TaskRun
from llm_brain.optimize.study import DEFAULT, PROMOTION
from llm_brain.strategy.asynchronous import awaits


def check_functions(**functions: Callable[..., Any]) -> None:
    """Refuse functions that are to be awaited.

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
    written = {"task": "lambda run: asyncio.run(task(run))", "score": "lambda case, result: asyncio.run(score(case, result))"}
    for name, function in functions.items():
        if awaits(function):
            message = f"the {name} is an `async def`, and nobody awaits it: give `{written[name]}`"
            raise DefinitionError(message)


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
