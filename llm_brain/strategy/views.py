"""What type checkers see of typed functions.

    Strategy   what `llm_strategy(model)` is: it takes a class, an object or a function, and says for each what comes back
    typed      the typed view of a member: `typed(teacher.route).map(messages)`

A decorated class is seen as the user wrote it, since mypy lets a class decorator change nothing; hence `typed`. Two things go
wrong, both with generics:

    mypy      takes what returns a bare type variable of its own (`def pick(items: list[T]) -> T`) for an `async def`: a decorated
              function, and `typed(desk.pick)`. Calling the method, a variable of its class, `list[T]`, and pyright are fine
    pyright   refuses arguments for a generic class that is decorated where it is written (`Store[int]`), and takes its objects'
              `T` for unknown. `IntStore = llm_strategy(model)(Store[int])` of an undecorated one, and mypy, are fine
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from types import CodeType
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from llm_brain.errors import DefinitionError
from llm_brain.strategy.asynchronous import AsyncTypedFunction
from llm_brain.strategy.function import Typed, TypedFunction

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@overload
def typed(function: Callable[P, Coroutine[Any, Any, R]]) -> AsyncTypedFunction[P, R]: ...  # type: ignore[overload-overlap]
@overload
def typed(function: Callable[P, R]) -> TypedFunction[P, R]: ...
def typed(function: Callable[..., Any]) -> Any:
    """Return a member of a decorated class as the typed function that it is, for type checkers to see its methods.

    Args:
        function: A method of an object or a class that `llm_strategy` implemented. It comes back itself.

    Raises:
        DefinitionError: It is no typed function.

    Example:
        >>> from typing import Literal
        >>> from llm_brain.strategy import llm_strategy
        >>> @llm_strategy("local")
        ... class Quiz:
        ...     '''You know geography.'''
        ...     def capital(self, country: str) -> Literal["Paris", "Oslo"]:
        ...         '''Name the capital of the country.'''
        >>> typed(Quiz().capital).map(["France", "Norway"])
        ['Paris', 'Oslo']
    """
    if isinstance(function, Typed):
        return function
    name = getattr(function, "__qualname__", function)
    message = f"`{name}` is no typed function: it has a body, or it stands in a class that is not decorated"
    raise DefinitionError(message)


class _Class(Protocol[T_co]):
    # An abstract class or a protocol, too, which mypy lets stand for no `type[T]`.
    def mro(self) -> list[type]: ...
    def __call__(self, *args: Any, **kwargs: Any) -> T_co: ...


class _Makes(Protocol[T]):
    # The same for pyright, which finds the class by its metaclass, and forgets on the way that it was abstract.
    def __subclasses__(self) -> list[type[T]]: ...


class _Function(Protocol[P, R_co]):
    # What an object with a `__call__` has not: it is an object to be implemented, and no function.
    @property
    def __code__(self) -> CodeType: ...
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...


class Strategy(Protocol):
    """What `llm_strategy(model)` gives: it implements a class, an object or a function.

    Example:
        >>> from llm_brain.strategy import llm_strategy
        >>> local: Strategy = llm_strategy("local")
        >>> @local
        ... def double(number: int) -> int:
        ...     '''Double a number.'''
        >>> double.spec.name
        'double'
    """

    @overload
    def __call__(self, target: _Makes[T], /) -> type[T]: ...
    @overload
    def __call__(self, target: type[T] | _Class[T], /) -> type[T]: ...
    @overload
    def __call__(self, target: _Function[P, Coroutine[Any, Any, R]], /) -> AsyncTypedFunction[P, R]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, target: _Function[P, R], /) -> TypedFunction[P, R]: ...
    @overload
    def __call__(self, target: T, /) -> T: ...
