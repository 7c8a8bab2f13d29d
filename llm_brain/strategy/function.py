"""A typed function: what stands in a decorated class where the user wrote a method without a body."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import fields, is_dataclass
from typing import Any, cast

from pydantic import BaseModel

from llm_brain.errors import DefinitionError, LLMBrainError
from llm_brain.strategy.implementation import Details, Implementation, ModelImplementation
from llm_brain.strategy.prompt import build_request
from llm_brain.strategy.selection import selected_implementation
from llm_brain.strategy.signature import FunctionSpec
from llm_brain.strategy.words import is_json
from llm_brain.tracing.names import ARGUMENTS, ATTEMPTS, FUNCTION, REPAIRED, VALUE
from llm_brain.tracing.spans import span

DEFAULT_CONCURRENCY = 64


class TypedFunction:
    """A function that an `Implementation` answers. Calling it gives a checked value of its return type.

    Args:
        spec: The function's signature, docstring and declarations.
        implementation: Who answers, unless `use_model` says otherwise for a while.

    Example:
        >>> from llm_brain.strategy import Details, inspect_function
        >>> class Doubler:
        ...     name = "doubler"
        ...     def call(self, spec, arguments, *, state=None, sample=0):
        ...         return Details(arguments["number"] * 2, self.name)
        >>> def double(number: int) -> int:
        ...     '''Double a number.'''
        >>> function = TypedFunction(inspect_function(double), Doubler())
        >>> function(4), function.map([1, 2, 3])
        (8, [2, 4, 6])
    """

    def __init__(self, spec: FunctionSpec, implementation: Implementation, instance: object | None = None) -> None:
        self.spec = spec
        self.implementation = implementation
        self._instance = instance
        functools.update_wrapper(cast("Callable[..., Any]", self), spec.function)
        # An abstract method's mark would make this one abstract, too.
        self.__dict__.pop("__isabstractmethod__", None)
        self.__signature__ = inspect.signature(spec.function) if instance is None else spec.signature

    def __get__(self, instance: object | None, owner: type | None = None) -> TypedFunction:
        """Bind to an object, as functions do."""
        if instance is None or not self.spec.takes_self:
            return self
        # Bound at every call of a method, so it is copied rather than made anew.
        bound = object.__new__(type(self))
        bound.__dict__.update(self.__dict__, _instance=instance, __signature__=self.spec.signature)
        return bound

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Answer one call."""
        return self.with_details(*args, **kwargs).value

    def with_details(self, *args: Any, **kwargs: Any) -> Details:
        """Answer one call, and tell how: who answered, probabilities, attempts, tokens.

        An `async def` function, too, answers this, `map` and `prompt` without being awaited.

        Raises:
            TypeError: An argument is missing or one too many.
            ArgumentError: An argument does not fit its declared type; no model was asked.
            BackendError: No usable answer was given.

        Example:
            >>> from llm_brain.strategy import Details, inspect_function
            >>> class Doubler:
            ...     name = "doubler"
            ...     def call(self, spec, arguments, *, state=None, sample=0):
            ...         return Details(arguments["number"] * 2, self.name)
            >>> def double(number: int) -> int:
            ...     '''Double a number.'''
            >>> TypedFunction(inspect_function(double), Doubler()).with_details(4).implementation
            'doubler'
        """
        here, args = self._with_object(args)
        return here._answer(self.spec.bind(args, kwargs), sample=0)  # noqa: SLF001 - it is this function, bound

    def map(
        self, inputs: Iterable[Any], *, concurrency: int = DEFAULT_CONCURRENCY, on_result: Callable[[], object] | None = None
    ) -> list[Any]:
        """Answer many calls at once; results stand in the order of the inputs.

        An input is a mapping of arguments by name, a tuple of arguments, or the one argument itself. An input that stands
        there several times is several samples of the same question.

        Args:
            inputs: The inputs.
            concurrency: The most calls in flight.
            on_result: Called after each answer, for progress displays.

        Raises:
            BackendError: The first failure; calls not yet begun are given up.

        Example:
            >>> from llm_brain.strategy import Details, inspect_function
            >>> class Counter:
            ...     name = "counter"
            ...     def call(self, spec, arguments, *, state=None, sample=0):
            ...         return Details(f"{arguments['topic']}, version {sample}", self.name)
            >>> def invent(topic: str) -> str:
            ...     '''Invent a sentence about the topic.'''
            >>> TypedFunction(inspect_function(invent), Counter()).map(["tea", "rain", "tea"])
            ['tea, version 0', 'rain, version 0', 'tea, version 1']
        """
        details = self._map(inputs, concurrency, on_result, self._answer)
        return [detail.value for detail in details]

    def map_details(
        self, inputs: Iterable[Any], *, concurrency: int = DEFAULT_CONCURRENCY, on_result: Callable[[], object] | None = None
    ) -> list[Details | LLMBrainError]:
        """Answer many calls at once as `map` does, with details, and with each failure in its place instead of raised.

        Example:
            >>> from llm_brain.errors import BackendError
            >>> from llm_brain.strategy import Details, inspect_function
            >>> class Halver:
            ...     name = "halver"
            ...     def call(self, spec, arguments, *, state=None, sample=0):
            ...         if arguments["number"] % 2:
            ...             raise BackendError("it is odd", kind="validation")
            ...         return Details(arguments["number"] // 2, self.name)
            >>> def half(number: int) -> int:
            ...     '''Halve a number.'''
            >>> function = TypedFunction(inspect_function(half), Halver())
            >>> [getattr(answer, "value", answer) for answer in function.map_details([4, 5])]
            [2, BackendError('it is odd')]
        """

        def answer(arguments: Mapping[str, Any], sample: int) -> Details | LLMBrainError:
            try:
                return self._answer(arguments, sample)
            except LLMBrainError as error:
                return error

        return self._map(inputs, concurrency, on_result, answer)

    def prompt(self, *args: Any, **kwargs: Any) -> str:
        """Show the exact prompt of a call, without making it.

        Raises:
            DefinitionError: The function is not implemented by a language model.

        Example:
            >>> from llm_brain.backends import resolve_model
            >>> from llm_brain.strategy import ModelImplementation, inspect_function
            >>> def even(number: int) -> bool:
            ...     '''Tell whether a number is even.'''
            >>> print(TypedFunction(inspect_function(even), ModelImplementation(resolve_model("local"))).prompt(4))
            Tell whether a number is even.
            <BLANKLINE>
            number: 4
            even:
        """
        implementation = selected_implementation(self.implementation)
        if not isinstance(implementation, ModelImplementation):
            message = f"{self.spec.qualified_name} is implemented by {implementation.name!r}, which is not prompted"
            raise DefinitionError(message)
        here, args = self._with_object(args)
        state = here._state()  # noqa: SLF001 - it is this function, bound
        request = build_request(self.spec, self.spec.bind(args, kwargs), implementation.backend, state=state)
        if request.form == "completion":
            return request.messages[-1].content
        return "\n\n".join(f"[{message.role}]\n{message.content}" for message in request.messages)

    def _with_object(self, args: tuple[Any, ...]) -> tuple[TypedFunction, tuple[Any, ...]]:
        """Take the object from the arguments where a method was called through its class, as `Quiz.capital(quiz, "France")`."""
        if not self.spec.takes_self or self._instance is not None:
            return self, args
        if not args:
            message = f"{self.spec.qualified_name}() is a method: call it on an object"
            raise TypeError(message)
        return self.__get__(args[0]), args[1:]

    def _answer(self, arguments: Mapping[str, Any], sample: int) -> Details:
        implementation = selected_implementation(self.implementation)
        with span(self.spec.qualified_name, {FUNCTION: self.spec.qualified_name}) as here:
            here.content(ARGUMENTS, arguments)
            details = implementation.call(self.spec, arguments, state=self._state(), sample=sample)
            if here.recording:
                here.set(ATTEMPTS, details.attempts)
                here.set(REPAIRED, details.repaired)
                here.content(VALUE, details.value)
            return details

    def _map(
        self,
        inputs: Iterable[Any],
        concurrency: int,
        on_result: Callable[[], object] | None,
        answer: Callable[[Mapping[str, Any], int], Any],
    ) -> list[Any]:
        bound = [self._bind_input(given) for given in inputs]
        seen: Counter[str] = Counter()
        samples = []
        for arguments in bound:
            key = repr(arguments)
            samples.append(seen[key])
            seen[key] += 1

        def work(context: contextvars.Context, arguments: Mapping[str, Any], sample: int) -> Any:
            result = context.run(answer, arguments, sample)
            if on_result is not None:
                on_result()
            return result

        pool = ThreadPoolExecutor(max_workers=max(1, min(concurrency, len(bound))), thread_name_prefix="llm_brain-map")
        try:
            futures = [
                pool.submit(work, contextvars.copy_context(), arguments, sample)
                for arguments, sample in zip(bound, samples, strict=True)
            ]
            wait(futures, return_when=FIRST_EXCEPTION)
            failed = next((future for future in futures if future.done() and future.exception() is not None), None)
            return [failed.result()] if failed is not None else [future.result() for future in futures]
        finally:
            # After an error or Ctrl-C nothing new begins, and nobody waits for what is in flight.
            pool.shutdown(wait=False, cancel_futures=True)

    def _bind_input(self, given: Any) -> dict[str, Any]:
        if isinstance(given, Mapping) and given.keys() <= self.spec.parameters.keys() and (given or not self.spec.parameters):
            return self.spec.bind((), given)
        # A NamedTuple is a tuple, too, but as a value of its own it is one argument.
        return self.spec.bind(given if type(given) is tuple else (given,), {})

    def _state(self) -> Mapping[str, Any] | None:
        """The public fields of the object whose method is called: they belong to the question."""
        instance = self._instance
        return None if instance is None or isinstance(instance, type) else public_state(instance)


class AsyncTypedFunction(TypedFunction):
    """A typed function that the user declared with `async def`: its call is awaited, and answered in a thread.

    Example:
        >>> import asyncio
        >>> from llm_brain.strategy import Details, inspect_function
        >>> class Doubler:
        ...     name = "doubler"
        ...     def call(self, spec, arguments, *, state=None, sample=0):
        ...         return Details(arguments["number"] * 2, self.name)
        >>> async def double(number: int) -> int:
        ...     '''Double a number.'''
        >>> asyncio.run(AsyncTypedFunction(inspect_function(double), Doubler())(4))
        8
    """

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Answer one call."""
        return (await asyncio.to_thread(self.with_details, *args, **kwargs)).value


def public_state(instance: object) -> Mapping[str, Any] | None:
    """Collect an object's public fields, which go into the prompts of its methods; None if there are none.

    Left out are names that begin with `_`, fields of dataclasses and pydantic models declared with `repr=False`, and what
    cannot be written as JSON, such as a lock.

    Example:
        >>> from dataclasses import dataclass, field
        >>> @dataclass
        ... class Shop:
        ...     city: str
        ...     api_key: str = field(default="secret", repr=False)
        >>> public_state(Shop("Oslo"))
        {'city': 'Oslo'}
    """
    if isinstance(instance, BaseModel):
        hidden = {name for name, field in type(instance).model_fields.items() if not field.repr}
        values = {name: value for name, value in instance if name not in hidden}
    elif is_dataclass(instance):
        values = {field.name: getattr(instance, field.name) for field in fields(instance) if field.repr}
    else:
        slots = [name for kind in type(instance).__mro__ for name in getattr(kind, "__slots__", ()) if hasattr(instance, name)]
        values = {name: getattr(instance, name) for name in slots} | getattr(instance, "__dict__", {})
    return {name: value for name, value in values.items() if not name.startswith("_") and is_json(value)} or None
