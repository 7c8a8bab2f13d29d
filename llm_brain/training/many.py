"""Many calls at once of typed functions, as they map, and of plain Python, in threads; each failure stands in its place."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from llm_brain.errors import ArgumentError, DefinitionError, LLMBrainError
from llm_brain.strategy.function import TypedFunction
from llm_brain.strategy.implementation import Details
from llm_brain.strategy.mapping import concerns_all_calls

Tick = Callable[[], object]
THREADS: Final = 16


def answered(function: Callable[..., Any], inputs: Sequence[Mapping[str, Any]], tick: Tick | None = None) -> list[Any]:
    """Call a function once for each input.

    Args:
        function: A typed function, or any other.
        inputs: The arguments of each call, by name.
        tick: Called after each call, perhaps in another thread.

    Returns:
        What each call gave, or its error.

    Raises:
        LLMBrainError: An error that concerns all calls (a refused key, a spent budget), or that no further call can mend.

    Example:
        >>> answered(lambda number: number * 2, [{"number": 1}, {"number": 2}])
        [2, 4]
    """
    if isinstance(function, TypedFunction):
        # A mapping without keys is an argument to `map`, unless the function has no parameters.
        given = [dict(one) if one or not function.spec.parameters else () for one in inputs]
        details = function.map_details(given, on_result=tick)
        return [found.value if isinstance(found, Details) else found for found in reraised(details)]
    return in_threads(function, inputs, tick)


def reraised(told: Sequence[Any]) -> Sequence[Any]:
    """Give back answers and errors, unless one of the errors concerns all calls: that one is raised.

    Example:
        >>> reraised([1, LLMBrainError("no")])
        [1, LLMBrainError('no')]
    """
    for error in told:
        if isinstance(error, LLMBrainError) and _ends_all(error):
            raise error
    return told


def in_threads(
    function: Callable[..., Any], inputs: Sequence[Mapping[str, Any]], tick: Tick | None = None, *, most: int = THREADS
) -> list[Any]:
    """Call a function in several threads, each in a copy of the caller's context.

    Args:
        function: Any.
        inputs: The arguments of each call, by name.
        tick: Called after each call, in its thread.
        most: The most calls at a time.

    Returns:
        What each call gave, or its error.

    Raises:
        ArgumentError: `most` is below 1.
        LLMBrainError: An error that concerns all calls; those that have not begun are given up.

    Example:
        >>> in_threads(lambda number: number * 2, [{"number": 1}])
        [2]
    """
    if most < 1:
        message = f"at least one call has to be made at a time, got {most}"
        raise ArgumentError(message)

    def call(one: Mapping[str, Any]) -> Any:
        try:
            told = function(**one)
        except LLMBrainError as error:
            if _ends_all(error):
                raise
            told = error
        if tick is not None:
            tick()
        return told

    with ThreadPoolExecutor(max_workers=most, thread_name_prefix="llm_brain-teacher") as pool:
        futures = [pool.submit(contextvars.copy_context().run, call, one) for one in inputs]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _ends_all(error: LLMBrainError) -> bool:
    # What is wrong with a definition is as wrong at the next call.
    return concerns_all_calls(error) or isinstance(error, DefinitionError)
