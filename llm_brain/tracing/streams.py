"""A span around what comes piece by piece."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TypeVar

from llm_brain.tracing.spans import Span

Item = TypeVar("Item")


async def inside(here: Span, items: AsyncGenerator[Item, None]) -> AsyncGenerator[Item, None]:
    """Go through a generator inside a span.

    The span is current while an item is made, and not while the caller has it: what the caller does with a piece is no part
    of the call that it came from. A caller who stops early ends the span without an error.

    Args:
        here: A span that has not begun.
        items: What is gone through, and closed in the end.

    Example:
        >>> import asyncio
        >>> from llm_brain.tracing import span
        >>> async def count():
        ...     yield 1
        ...     yield 2
        >>> async def main():
        ...     return [item async for item in inside(span("count"), count())]
        >>> asyncio.run(main())
        [1, 2]
    """
    here.begin()
    problem: BaseException | None = None
    try:
        while True:
            with here.current():
                try:
                    item = await anext(items)
                except StopAsyncIteration:
                    return
            yield item
    except GeneratorExit:
        raise
    except BaseException as error:
        problem = error
        raise
    finally:
        with here.current():
            await items.aclose()
        here.end(problem)
