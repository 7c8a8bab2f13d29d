"""A typed function that is awaited: what the user declared with `async def`, and what `TypedFunction.aio` gives."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Any

from llm_brain.errors import LLMBrainError
from llm_brain.strategy.answering import answer_awaited, parts
from llm_brain.strategy.function import DEFAULT_CONCURRENCY, P, R, Typed
from llm_brain.strategy.implementation import Details, Implementation
from llm_brain.strategy.mapping import answer_all, kept, shown_progress
from llm_brain.strategy.signature import FunctionSpec


def awaits(function: Callable[..., Any]) -> bool:
    """Tell whether a function, or an object that is called as one, has to be awaited.

    Example:
        >>> async def double(number): ...
        >>> awaits(double), awaits(len)
        (True, False)
    """
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


class AsyncTypedFunction(Typed[P, R]):
    """As `TypedFunction`, with every method awaited. Whoever can only block is waited for in a thread.

    Example:
        >>> import asyncio
        >>> from llm_brain.strategy import Details, inspect_function
        >>> class Doubler:
        ...     name = "doubler"
        ...     def call(self, spec, arguments, *, state=None, sample=0):
        ...         return Details(arguments["number"] * 2, self.name)
        >>> async def double(number: int) -> int:
        ...     '''Double a number.'''
        >>> function = AsyncTypedFunction(inspect_function(double), Doubler())
        >>> asyncio.run(function(4)), asyncio.run(function.map([1, 2, 3]))
        (8, [2, 4, 6])
    """

    def __init__(self, spec: FunctionSpec, implementation: Implementation, instance: object | None = None) -> None:
        super().__init__(spec, implementation, instance)
        # Frameworks ask before they decide whether to await.
        if sys.version_info >= (3, 12):
            inspect.markcoroutinefunction(self)
        else:
            self._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined] # noqa: SLF001

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Answer one call. Where the return type is an iterator, it is given at once."""
        call = self._bound(args, kwargs)
        if call.spec.items_are_awaited:
            given: Any = parts(call, awaited=True)
            items: R = given
            return items
        value: R = (await answer_awaited(call)).value
        return value

    async def with_details(self, *args: P.args, **kwargs: P.kwargs) -> Details[R]:
        """Answer one call, and tell how: as `TypedFunction.with_details`."""
        return await answer_awaited(self._bound(args, kwargs))

    def stream(self, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[R, None]:
        """Answer one call, and give the value while it grows: as `TypedFunction.stream`, for `async for`."""
        return parts(self._bound(args, kwargs), awaited=True)

    async def map(
        self,
        inputs: Iterable[Any],
        *,
        concurrency: int = DEFAULT_CONCURRENCY,
        progress: str | None = None,
        on_result: Callable[[], object] | None = None,
    ) -> list[R]:
        """Answer many calls at once: as `TypedFunction.map`."""
        calls = self._bound_all(inputs, concurrency)
        with shown_progress(progress, len(calls), on_result) as tick:
            details: list[Details[R]] = await answer_all(calls, answer_awaited, concurrency, tick)
            return [detail.value for detail in details]

    async def map_details(
        self,
        inputs: Iterable[Any],
        *,
        concurrency: int = DEFAULT_CONCURRENCY,
        progress: str | None = None,
        on_result: Callable[[], object] | None = None,
    ) -> list[Details[R] | LLMBrainError]:
        """Answer many calls at once, each failure in its place: as `TypedFunction.map_details`."""
        calls = self._bound_all(inputs, concurrency)
        with shown_progress(progress, len(calls), on_result) as tick:
            return await answer_all(calls, kept(answer_awaited), concurrency, tick)
