"""A typed function: what stands in a decorated class where the user wrote a method without a body.

A call is bound (its arguments checked, type variables resolved, the object's state read), and answered by whoever implements
the function here and now, inside a span.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, Self, cast

from typing_extensions import ParamSpec, TypeVar

from llm_brain.backends.asking import iterate_now, run_now
from llm_brain.backends.portal import portal
from llm_brain.errors import ArgumentError, DefinitionError, LLMBrainError
from llm_brain.strategy.answering import BoundCall, answer, answer_awaited, parts
from llm_brain.strategy.implementation import Details, Implementation, ModelImplementation
from llm_brain.strategy.mapping import answer_all, bound_inputs, kept, shown_progress
from llm_brain.strategy.prompt import build_request
from llm_brain.strategy.public_state import public_state
from llm_brain.strategy.selection import selected_implementation
from llm_brain.strategy.signature import FunctionSpec
from llm_brain.strategy.texts import current_texts

if TYPE_CHECKING:
    from llm_brain.strategy.asynchronous import AsyncTypedFunction

# The types of a function that is made by hand, from a signature, are not known to a type checker.
P = ParamSpec("P", default=...)
R = TypeVar("R", default=Any)

DEFAULT_CONCURRENCY = 64


class Typed(Generic[P, R]):
    """What blocking and awaited typed functions share: they are bound to objects as functions are, and show their prompts.

    Args:
        spec: The function's signature, docstring and declarations.
        implementation: Who answers, unless `use_model` says otherwise for a while.
        instance: The object, or the class, whose method this is.

    Example:
        >>> from llm_brain.strategy import TypedFunction
        >>> issubclass(TypedFunction, Typed)
        True
    """

    def __init__(self, spec: FunctionSpec, implementation: Implementation, instance: object | None = None) -> None:
        functools.update_wrapper(cast("Callable[..., Any]", self), spec.function)
        # What the user hung onto the function stays, unless it would hide a method of this object; and an abstract method's mark
        # would make this one abstract, too.
        hiding = [name for name in self.__dict__ if not name.startswith("__") and hasattr(type(self), name)]
        for name in (*hiding, "__isabstractmethod__"):
            self.__dict__.pop(name, None)
        self.spec = spec
        self.implementation = implementation
        self.instance = instance
        self.made_by: tuple[Callable[..., Any], tuple[Any, ...]] | None = None
        self.__signature__ = inspect.signature(spec.function) if instance is None else spec.signature

    def __repr__(self) -> str:
        return f"<typed function {self.spec.qualified_name}{self.spec.signature} implemented by {self.implementation.name!r}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Typed) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    def __reduce__(self) -> str | tuple[Any, ...]:
        # As functions and methods are: by their names. A view (`aio`) is made again from what it is a view of.
        if self.made_by is not None:
            return self.made_by
        return self.spec.function.__qualname__ if self.instance is None else (getattr, (self.instance, self.spec.name))

    def __get__(self, instance: object | None, owner: type | None = None) -> Self:
        """Bind to an object, as functions do."""
        if instance is None or not self.spec.takes_self:
            return self
        # Bound at every call of a method, so it is copied rather than made anew.
        bound = object.__new__(type(self))
        bound.__dict__.update(self.__dict__, instance=instance, __signature__=self.spec.signature)
        return bound

    def prompt(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Show the exact prompt of a call, without making it.

        Raises:
            DefinitionError: The function is not implemented by a language model.

        Example:
            >>> from llm_brain.backends import resolve_model
            >>> from llm_brain.strategy import ModelImplementation, TypedFunction, inspect_function
            >>> def even(number: int) -> bool:
            ...     '''Tell whether a number is even.'''
            >>> print(TypedFunction(inspect_function(even), ModelImplementation(resolve_model("local"))).prompt(4))
            Tell whether a number is even.
            <BLANKLINE>
            number: 4
            even:
        """
        implementation = selected_implementation(self.implementation)
        while not isinstance(implementation, ModelImplementation):
            inner = getattr(implementation, "implementation", None)
            if inner is None:
                message = f"{self.spec.qualified_name} is implemented by {implementation.name!r}, which is not prompted"
                raise DefinitionError(message)
            implementation = selected_implementation(inner)
        call = self._bound(args, kwargs)
        request = build_request(call.spec, call.arguments, implementation.backend, state=call.state)
        if request.form == "completion":
            return request.messages[-1].content
        return "\n\n".join(f"[{message.role}]\n{message.content}" for message in request.messages)

    @property
    def _identity(self) -> tuple[Any, ...]:
        # Two looks at a method of one object are the same method, as Python's are.
        return type(self), id(self.spec), id(self.implementation), id(self.instance)

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, read_state: bool = True) -> BoundCall:
        """Bind a call: check its arguments, resolve its type variables, read its object's state."""
        spec, instance = self.spec, self.instance
        if spec.takes_self and instance is None:
            # Called through its class, as `Quiz.capital(quiz, "France")`.
            if not args:
                message = f"{spec.qualified_name}() is a method: call it on an object"
                raise TypeError(message)
            instance, *rest = args
            args = tuple(rest)
        texts = current_texts(spec)
        if texts or spec.type_variables:
            arguments = spec.assign(args, kwargs)
            spec = spec.variant(spec.resolve(arguments, instance), texts)
            arguments = spec.check(arguments)
        else:
            arguments = spec.bind(args, kwargs)
        state = _state(instance) if read_state else None
        return BoundCall(spec, arguments, state, 0, selected_implementation(self.implementation))

    def _bound_all(self, inputs: Iterable[Any], concurrency: int) -> list[BoundCall]:
        if concurrency < 1:
            message = f"concurrency must be at least 1, got {concurrency}"
            raise ArgumentError(message)
        if self.instance is None:
            return bound_inputs(self.spec, inputs, self._bound)
        # Of one object the state is read once, however many calls there are.
        state = _state(self.instance)
        return bound_inputs(
            self.spec, inputs, lambda args, kwargs: replace(self._bound(args, kwargs, read_state=False), state=state)
        )


class TypedFunction(Typed[P, R]):
    """A function that an `Implementation` answers. Calling it gives a checked value of its return type.

    Args:
        spec: The function's signature, docstring and declarations.
        implementation: Who answers, unless `use_model` says otherwise for a while.
        instance: The object, or the class, whose method this is.

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

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Answer one call. Where the return type is an iterator, its items come as they are complete."""
        call = self._bound(args, kwargs)
        if call.spec.items is None:
            value: R = run_now(answer(call)).value
            return value
        given: Any = parts(call, awaited=True) if call.spec.items_are_awaited else iterate_now(parts(call, awaited=False))
        items: R = given
        return items

    def with_details(self, *args: P.args, **kwargs: P.kwargs) -> Details[R]:
        """Answer one call, and tell how: who answered, probabilities, attempts, tokens.

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
        return run_now(answer(self._bound(args, kwargs)))

    def stream(self, *args: P.args, **kwargs: P.kwargs) -> Generator[R, None, None]:
        """Answer one call, and give the value while it grows; the last one is the whole, checked value.

        Text comes in pieces that add up to it. A pydantic model comes as the model itself: a field that has not arrived is
        None or its default, and `model_fields_set` names those that have. A list comes with the members it has so far. A
        reply that does not fit is asked for again, and the value begins anew.

        Example:
            >>> from llm_brain.strategy import Details, inspect_function
            >>> class Doubler:
            ...     name = "doubler"
            ...     def call(self, spec, arguments, *, state=None, sample=0):
            ...         return Details(arguments["number"] * 2, self.name)
            >>> def double(number: int) -> int:
            ...     '''Double a number.'''
            >>> list(TypedFunction(inspect_function(double), Doubler()).stream(4))
            [8]
        """
        return iterate_now(parts(self._bound(args, kwargs), awaited=False))

    def map(
        self,
        inputs: Iterable[Any],
        *,
        concurrency: int = DEFAULT_CONCURRENCY,
        progress: str | None = None,
        on_result: Callable[[], object] | None = None,
    ) -> list[R]:
        """Answer many calls at once; results stand in the order of the inputs.

        An input is a mapping of arguments by name, a tuple of arguments, or the one argument itself. An input that stands
        there several times is several samples of the same question. All inputs are checked before the first is asked.

        Args:
            inputs: The inputs.
            concurrency: The most calls in flight.
            progress: What a progress bar in the terminal says it shows; without it there is none.
            on_result: Called after each answer, for displays of one's own; perhaps in another thread.

        Raises:
            ArgumentError: An input does not fit; the message says which.
            BackendError: The first failure; calls not yet begun are given up.
            BudgetError: A budget is spent; its `results` hold what was answered.

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
        calls = self._bound_all(inputs, concurrency)
        with shown_progress(progress, len(calls), on_result) as tick:
            if concurrency == 1:  # one at a time needs neither a loop nor a thread
                return [detail.value for detail in run_now(answer_all(calls, answer, 1, tick))]
            details: list[Details[R]] = portal().run(answer_all(calls, answer_awaited, concurrency, tick))
            return [detail.value for detail in details]

    def map_details(
        self,
        inputs: Iterable[Any],
        *,
        concurrency: int = DEFAULT_CONCURRENCY,
        progress: str | None = None,
        on_result: Callable[[], object] | None = None,
    ) -> list[Details[R] | LLMBrainError]:
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
        calls = self._bound_all(inputs, concurrency)
        with shown_progress(progress, len(calls), on_result) as tick:
            if concurrency == 1:
                return run_now(answer_all(calls, kept(answer), 1, tick))
            return portal().run(answer_all(calls, kept(answer_awaited), concurrency, tick))

    @property
    def aio(self) -> AsyncTypedFunction[P, R]:
        """The same function, to be awaited."""
        from llm_brain.strategy.asynchronous import AsyncTypedFunction

        made: AsyncTypedFunction[P, R] = AsyncTypedFunction(self.spec, self.implementation, self.instance)
        made.made_by = (getattr, (self, "aio"))
        return made


def _state(instance: object | None) -> Mapping[str, Any] | None:
    return None if instance is None or isinstance(instance, type) else public_state(instance)
