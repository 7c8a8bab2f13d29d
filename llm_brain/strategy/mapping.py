"""Many calls at once: inputs bound and numbered, a bounded number in flight, results in order, progress shown.

What concerns all calls (a refused key, an empty account, a spent budget) ends the asking at the first failure.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, TypeVar

from llm_brain.attempts import FaultKind
from llm_brain.errors import ArgumentError, BackendError, BudgetError, LLMBrainError, MissingKeyError
from llm_brain.strategy.answering import BoundCall
from llm_brain.strategy.implementation import Details
from llm_brain.strategy.signature import FunctionSpec
from llm_brain.strategy.words import json_text

Result = TypeVar("Result")
Tick = Callable[[], object]


def bound_inputs(
    spec: FunctionSpec, inputs: Iterable[Any], bind: Callable[[tuple[Any, ...], dict[str, Any]], BoundCall]
) -> list[BoundCall]:
    """Bind inputs as calls. An input that stands there several times is several samples of one question.

    Args:
        spec: The function that is called.
        inputs: Each a mapping of arguments by name, a tuple of arguments, or the one argument itself.
        bind: Binds the arguments of one call.

    Raises:
        ArgumentError: An input does not fit; the message says which.

    Example:
        >>> from llm_brain.strategy import inspect_function
        >>> def double(number: int) -> int:
        ...     '''Double a number.'''
        >>> spec = inspect_function(double)
        >>> def bind(args, kwargs):
        ...     return BoundCall(spec, spec.bind(args, kwargs), None, 0, None)
        >>> [(call.arguments, call.sample) for call in bound_inputs(spec, [4, (5,), {"number": 4}], bind)]
        [({'number': 4}, 0), ({'number': 5}, 0), ({'number': 4}, 1)]
    """
    seen: Counter[str] = Counter()
    calls = []
    for place, given in enumerate(inputs):
        try:
            call = bind(*_arguments(spec, given))
        except (ArgumentError, TypeError) as error:
            message = f"input {place}: {error}"
            raise type(error)(message) from error
        key = _key(call.arguments)
        calls.append(replace(call, sample=seen[key]) if seen[key] else call)
        seen[key] += 1
    return calls


async def answer_all(
    calls: Sequence[BoundCall],
    answer: Callable[[BoundCall, Tick | None], Coroutine[Any, Any, Result]],
    concurrency: int,
    tick: Tick | None,
) -> list[Result]:
    """Answer calls, at most `concurrency` at a time, in their order. The first error ends all.

    One at a time, they are answered without a task: what never suspends can be run by `llm_brain.backends.asking.run_now`.

    Raises:
        BudgetError: A budget is spent. What was in flight, and has to be paid for, was waited for; `results` holds all values.

    Example:
        >>> async def tell(call, tick):
        ...     return call * 2
        >>> asyncio.run(answer_all([1, 2, 3], tell, 2, None))
        [2, 4, 6]
    """
    results: dict[int, Result] = {}
    spent: list[BudgetError] = []
    waiting = iter(enumerate(calls))

    async def work() -> None:
        for place, call in waiting:
            try:
                results[place] = await answer(call, tick)
            except BudgetError as error:
                spent.append(error)
            except LLMBrainError:
                if not spent:
                    raise
            if spent:
                return

    await _all_of(work, min(concurrency, len(calls)))
    if spent:
        spent[0].results = tuple(_value(results.get(place)) for place in range(len(calls)))
        raise spent[0]
    return [results[place] for place in range(len(calls))]


def kept(
    answer: Callable[[BoundCall, Tick | None], Coroutine[Any, Any, Result]],
) -> Callable[[BoundCall, Tick | None], Coroutine[Any, Any, Result | LLMBrainError]]:
    """Let an answer that fails be its error, instead of raising it. An error that concerns all calls is every later one's, too.

    Example:
        >>> async def fail(call, tick):
        ...     raise LLMBrainError("no")
        >>> asyncio.run(kept(fail)(1, None))
        LLMBrainError('no')
    """
    final: list[LLMBrainError] = []

    async def answer_or_error(call: BoundCall, tick: Tick | None) -> Result | LLMBrainError:
        told: Result | LLMBrainError
        if final:
            told = final[0]
        else:
            try:
                told = await answer(call, None)
            except LLMBrainError as error:
                told = error
                if concerns_all_calls(error):
                    final.append(error)
        if tick is not None:
            tick()
        return told

    return answer_or_error


def concerns_all_calls(error: BaseException) -> bool:
    """Tell whether an error would meet every other call as well, so that there is no use in asking on.

    Example:
        >>> concerns_all_calls(BudgetError("spent")), concerns_all_calls(BackendError("busy", kind="server"))
        (True, False)
    """
    return isinstance(error, MissingKeyError) or (isinstance(error, BackendError) and error.kind in _CONCERN_ALL)


@contextmanager
def shown_progress(title: str | None, total: int, on_result: Tick | None) -> Iterator[Tick | None]:
    """Show a progress bar in the terminal while calls are answered, where a title is given.

    Args:
        title: What is being done.
        total: How many calls there are.
        on_result: Called at each tick, too.

    Example:
        >>> with shown_progress(None, 3, None) as tick:
        ...     tick is None
        True
    """
    if title is None:
        yield on_result
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total)

        def tick() -> None:
            bar.advance(task)
            if on_result is not None:
                on_result()

        yield tick


_CONCERN_ALL: Final[frozenset[FaultKind]] = frozenset({"auth", "budget", "quota"})


async def _all_of(work: Callable[[], Coroutine[Any, Any, None]], number: int) -> None:
    """Let so many workers do the same until all are done, or one fails."""
    if number <= 1:
        await work()
        return
    workers = [asyncio.create_task(work()) for _ in range(number)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


def _value(result: object) -> object:
    return result.value if isinstance(result, Details) else result


def _arguments(spec: FunctionSpec, given: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(given, Mapping) and given.keys() <= spec.parameters.keys() and (given or not spec.parameters):
        return (), dict(given)
    # A NamedTuple is a tuple, too, but as a value of its own it is one argument.
    return (given if type(given) is tuple else (given,)), {}


def _key(arguments: Mapping[str, Any]) -> str:
    """Tell what is asked, as the model sees it: two inputs of equal JSON are one question."""
    try:
        return json_text(dict(arguments))
    except ArgumentError:
        pass
    try:
        return repr(arguments)
    except Exception:  # noqa: BLE001 - a stranger's repr; what cannot be told is a question of its own
        return str(id(arguments))
