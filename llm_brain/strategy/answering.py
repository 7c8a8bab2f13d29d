"""One bound call, answered inside its span: at once, awaited, or piece by piece."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from llm_brain.backends.portal import in_thread
from llm_brain.strategy.annotations.hidden import hides
from llm_brain.strategy.hiding import PLAIN, without_hidden
from llm_brain.strategy.implementation import Details, Implementation
from llm_brain.strategy.signature import FunctionSpec
from llm_brain.tracing.names import ARGUMENTS, ATTEMPTS, FUNCTION, FUNCTION_KIND, KIND, REPAIRED, VALUE
from llm_brain.tracing.spans import Span, span
from llm_brain.tracing.streams import inside


@dataclass(frozen=True, slots=True)
class BoundCall:
    """A call with everything decided: what is asked, and of whom.

    Attributes:
        spec: The function, its type variables resolved.
        arguments: Its arguments by name, checked.
        state: The public state of the object whose method was called.
        sample: Which of several answers to the same question is asked for.
        implementation: Who answers.

    Example:
        >>> from llm_brain.strategy import inspect_function
        >>> def double(number: int) -> int:
        ...     '''Double a number.'''
        >>> class Doubler:
        ...     name = "doubler"
        ...     def call(self, spec, arguments, *, state=None, sample=0):
        ...         return Details(arguments["number"] * 2, self.name)
        >>> BoundCall(inspect_function(double), {"number": 4}, None, 0, Doubler()).ask().value
        8
    """

    spec: FunctionSpec
    arguments: Mapping[str, Any]
    state: Mapping[str, Any] | None
    sample: int
    implementation: Implementation

    def ask(self) -> Details[Any]:
        """Ask, and wait."""
        return self.implementation.call(self.spec, self.arguments, state=self.state, sample=self.sample)

    def ask_awaited(self) -> Awaitable[Details[Any]]:
        """Ask, for the answer to be awaited; of who can only block, in a thread."""
        acall: Callable[..., Awaitable[Details[Any]]] | None = getattr(self.implementation, "acall", None)
        if acall is None:
            return in_thread(self.ask)
        return acall(self.spec, self.arguments, state=self.state, sample=self.sample)


async def answer(call: BoundCall, tick: Callable[[], object] | None = None) -> Details[Any]:
    """Answer a call without ever suspending; see `llm_brain.backends.asking.run_now`."""
    with _span(call) as here:
        details = _told(here, call, call.ask())
    if tick is not None:
        tick()
    return details


async def answer_awaited(call: BoundCall, tick: Callable[[], object] | None = None) -> Details[Any]:
    """Answer a call, awaited."""
    with _span(call) as here:
        details = _told(here, call, await call.ask_awaited())
    if tick is not None:
        tick()
    return details


def parts(call: BoundCall, *, awaited: bool) -> AsyncGenerator[Any, None]:
    """Answer a call piece by piece: the value while it grows or, where it is an iterator, its items."""
    here = _span(call)
    return inside(here, _parts(call, here, awaited=awaited))


async def _parts(call: BoundCall, here: Span, *, awaited: bool) -> AsyncGenerator[Any, None]:
    stream: Callable[..., AsyncGenerator[Any, None]] | None = getattr(call.implementation, "stream", None)
    if stream is None:
        value = (await call.ask_awaited() if awaited else call.ask()).value
        for item in [value] if call.spec.items is None else list(value):
            yield item
        _tell_value(here, call, value)
        return
    value = None
    items: list[Any] = []
    async with aclosing(stream(call.spec, call.arguments, state=call.state, sample=call.sample, awaited=awaited)) as pieces:
        async for value in pieces:
            if here.recording and (call.spec.items is not None or call.spec.is_text):
                items.append(value)
            yield value
    _tell_value(here, call, "".join(items) if call.spec.is_text else items if call.spec.items is not None else value)


def _span(call: BoundCall) -> Span:
    here = span(call.spec.qualified_name)
    if here.recording:
        here.set(KIND, FUNCTION_KIND)
        here.set(FUNCTION, call.spec.qualified_name)
        types = call.spec.parameters
        shown = {name: _sayable(value, types.get(name)) for name, value in call.arguments.items() if not hides(types.get(name))}
        here.content(ARGUMENTS, shown)
    return here


def _told(here: Span, call: BoundCall, details: Details[Any]) -> Details[Any]:
    value = details.value
    if here.recording:
        here.set(ATTEMPTS, details.attempts)
        here.set(REPAIRED, details.repaired)
        _tell_value(here, call, value)
        details = replace(details, span_id=here.span_id)
    return details if call.spec.items is None else replace(details, value=_iterator(value, awaited=call.spec.items_are_awaited))


def _tell_value(here: Span, call: BoundCall, value: Any) -> None:
    if here.recording and not hides(call.spec.returns):
        annotation = call.spec.returns if call.spec.items is None else list[call.spec.items]  # type: ignore[name-defined]
        here.content(VALUE, _sayable(value, annotation))


def _sayable(value: Any, annotation: Any) -> Any:
    if type(value) in PLAIN:
        return value
    try:
        return without_hidden(value, annotation)
    except Exception:  # noqa: BLE001 - it contains itself, or a serializer of the user's failed; a trace raises nothing
        return f"<{type(value).__qualname__}: unreadable>"


def _iterator(items: Any, *, awaited: bool) -> Any:
    async def awaiting() -> AsyncGenerator[Any, None]:
        for item in items:
            yield item

    return awaiting() if awaited else iter(items)
