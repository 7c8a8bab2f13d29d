"""Functions that are told at each call which model answers: `@llm_function` and `@llm_explicit_function`.

    ModelFunction      `add(model, 1, 2)`: the model comes first, then the arguments
    ExplicitFunction   `route(model, ticket)`: the model, and one object that holds all that is asked
    the input object   the arguments as one pydantic object, to be looked at, kept and given back with `explicit`

Both give the typed function that a model answers by `using(model)`.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import is_dataclass
from inspect import BoundArguments, Parameter
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast, get_origin, overload

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from llm_brain.errors import ArgumentError, DefinitionError
from llm_brain.strategy.annotations.hidden import mentions_hidden
from llm_brain.strategy.asynchronous import AsyncTypedFunction
from llm_brain.strategy.decoration.members import local_names
from llm_brain.strategy.decoration.model_parameter import function_without_body, spec_without_model
from llm_brain.strategy.function import TypedFunction
from llm_brain.strategy.implementation import Implementation
from llm_brain.strategy.selection import Given, as_implementation
from llm_brain.strategy.signature import FunctionSpec
from llm_brain.strategy.words import explain

if TYPE_CHECKING:
    from llm_brain.backends.contract import LanguageBackend

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
Value = TypeVar("Value")
Input = TypeVar("Input")

_MOST_INPUT_MODELS = 256


def llm_function(function: Callable[Concatenate[Any, P], R]) -> ModelFunction[P, R]:
    """Make a function without a body one that the model answers which it is given as its first argument.

    Args:
        function: Its first parameter takes the model, and is annotated with what models are (a name, a backend, a LangChain
            model, an implementation) or not at all. In a class it is a static method, with `@staticmethod` or without.

    Raises:
        DefinitionError: The function has a body, its first parameter takes no model, or a docstring or annotation is missing.

    Example:
        >>> from llm_brain.strategy import Details
        >>> class Adder:
        ...     name = "adder"
        ...     def call(self, spec, arguments, *, state=None, sample=0):
        ...         return Details(arguments["a"] + arguments["b"], self.name)
        >>> @llm_function
        ... def add(model, a: int, b: int = 2) -> int:
        ...     '''Add two numbers.'''
        >>> add(Adder(), 1, b=3), add.using(Adder()).map([1, (2, 5)])
        (4, [3, 7])
    """
    plain = function_without_body(function)
    spec = spec_without_model(plain, local_names(sys._getframe(1), plain))  # noqa: SLF001 - annotations may mean them
    taken = next((name for name in spec.parameters if name.startswith("_") or hasattr(BaseModel, name)), None)
    if taken is not None:
        message = f"rename the parameter `{taken}` of `{plain.__qualname__}`: the input object can have no field of that name"
        raise DefinitionError(message)
    return ModelFunction(plain, spec)


def llm_explicit_function(function: Callable[[Any, Input], R]) -> ExplicitFunction[Input, R]:
    """Make a function of a model and one object: a pydantic model or a dataclass that holds all that is asked.

    Args:
        function: Its first parameter takes the model, as with `llm_function`, and its second one the object.

    Raises:
        DefinitionError: It is not a function of a model and one such object, or as for `llm_function`.

    Example:
        >>> from llm_brain.strategy import Details
        >>> class Reader:
        ...     name = "reader"
        ...     def call(self, spec, arguments, *, state=None, sample=0):
        ...         return Details(len(arguments["ticket"].text), self.name)
        >>> class Ticket(BaseModel):
        ...     text: str
        >>> @llm_explicit_function
        ... def urgency(model, ticket: Ticket) -> int:
        ...     '''Tell how urgent the ticket is.'''
        >>> urgency(Reader(), Ticket(text="It broke!"))
        9
    """
    plain = function_without_body(function)
    spec = spec_without_model(plain, local_names(sys._getframe(1), plain))  # noqa: SLF001 - annotations may mean them
    kinds = [get_origin(annotation) or annotation for annotation in spec.parameters.values()]
    if len(kinds) != 1 or not (isinstance(kinds[0], type) and (issubclass(kinds[0], BaseModel) or is_dataclass(kinds[0]))):
        message = f"`{plain.__qualname__}` takes a model and one pydantic model or dataclass, and nothing else"
        raise DefinitionError(message)
    return ExplicitFunction(plain, spec)


class _AsksModel(Generic[P, R_co]):
    """What both kinds share: they carry the function's name, docs, signature and attributes, and ask the model they are given."""

    def __init__(self, function: Callable[..., Any], spec: FunctionSpec) -> None:
        functools.update_wrapper(cast("Callable[..., Any]", self), function)
        self.spec = spec
        self._bound: dict[str, Any] = {}

    def __call__(self, model: str | LanguageBackend | Implementation | Any, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Answer one call by a model; what an `async def` gives is awaited.

        Raises:
            ModelNameError: The first argument is no model, nor the name of one.
            TypeError: An argument is missing or one too many.
            ArgumentError: An argument does not fit its declared type; no model was asked.
            BackendError: No usable answer was given.
        """
        answer: Callable[..., R_co] = self.using(model)
        return answer(*args, **kwargs)

    @overload
    def using(  # type: ignore[overload-overlap]
        self: _AsksModel[P, Coroutine[Any, Any, Value]], model: str | LanguageBackend | Implementation | Any
    ) -> AsyncTypedFunction[P, Value]: ...
    @overload
    def using(self, model: str | LanguageBackend | Implementation | Any) -> TypedFunction[P, R_co]: ...
    def using(self, model: str | LanguageBackend | Implementation | Any) -> Any:
        """Give the typed function of the other parameters that a model answers, with its `map`, `stream`, `with_details`.

        Raises:
            ModelNameError: It is no model, nor the name of one.

        Example:
            >>> @llm_function
            ... def capital(model, country: str) -> str:
            ...     '''Name the capital.'''
            >>> capital.using("local").spec.line
            'capital(country: str) -> str'
        """
        if isinstance(model, str) and model in self._bound:
            return self._bound[model]
        kind = AsyncTypedFunction if inspect.iscoroutinefunction(self.__wrapped__) else TypedFunction
        made: Any = kind(self.spec, Given(as_implementation(model)))
        if isinstance(model, str):  # it is found and connected to once
            made.made_by = (type(self).using, (self, model))
            self._bound[model] = made
        return made

    def __reduce__(self) -> str:
        # As functions are: by their names.
        return self.__qualname__

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self.__wrapped__)})

    if TYPE_CHECKING:
        __wrapped__: Callable[..., Any]
        __name__: str
        __qualname__: str
    else:

        def __getattr__(self, name: str) -> Any:
            if name == "__wrapped__":
                raise AttributeError(name)
            return getattr(self.__wrapped__, name)


class ModelFunction(_AsksModel[P, R_co]):
    """A function whose first argument is the model that answers. Made by `llm_function`.

    Example:
        >>> @llm_function
        ... def is_capital(model, city: str, country: str) -> bool:
        ...     '''Tell whether the city is the capital of the country.'''
        >>> isinstance(is_capital, ModelFunction), is_capital.__name__
        (True, 'is_capital')
    """

    def get_input_object(self, *args: P.args, **kwargs: P.kwargs) -> BaseModel:
        """Return the arguments of a call, without the model, as one pydantic object with a field for each.

        Raises:
            TypeError: An argument is missing or one too many.
            ArgumentError: An argument does not fit its declared type.

        Example:
            >>> @llm_function
            ... def is_capital(model, city: str, country: str = "France") -> bool:
            ...     '''Tell whether the city is the capital of the country.'''
            >>> is_capital.get_input_object("Paris")
            IsCapitalInput(city='Paris', country='France')
        """
        arguments = self.spec.assign(args, kwargs)
        spec = self.spec.variant(self.spec.resolve(arguments), {})
        return _input_model(spec).model_validate(spec.check(arguments))

    def explicit(self, model: str | LanguageBackend | Implementation | Any, arguments: BaseModel) -> R_co:
        """Answer one call whose arguments are the fields of an object, as `get_input_object` gives it.

        Example:
            >>> from llm_brain.strategy import Details
            >>> class Adder:
            ...     name = "adder"
            ...     def call(self, spec, arguments, *, state=None, sample=0):
            ...         return Details(arguments["a"] + arguments["b"], self.name)
            >>> @llm_function
            ... def add(model, a: int, b: int = 2) -> int:
            ...     '''Add two numbers.'''
            >>> add.explicit(Adder(), add.get_input_object(5))
            7
        """
        given = {name: getattr(arguments, name) for name in self.spec.parameters if hasattr(arguments, name)}
        bound = BoundArguments(self.spec.signature, OrderedDict(given))
        answer: Callable[..., R_co] = self.using(model)
        return answer(*bound.args, **bound.kwargs)


class ExplicitFunction(_AsksModel[[Input], R_co], Generic[Input, R_co]):
    """A function of the model that answers, and one object. Made by `llm_explicit_function`.

    Example:
        >>> class City(BaseModel):
        ...     name: str
        >>> @llm_explicit_function
        ... def country(model, city: City) -> str:
        ...     '''Name the country that the city is in.'''
        >>> isinstance(country, ExplicitFunction), country.get_input_object(name="Oslo")
        (True, City(name='Oslo'))
    """

    def get_input_object(self, *args: Any, **kwargs: Any) -> Input:
        """Make the object from its fields.

        Raises:
            TypeError: A field of a dataclass is missing.
            ArgumentError: A field does not fit, or one of a pydantic model is missing.
        """
        ((name, annotation),) = self.spec.parameters.items()
        try:
            made = annotation(*args, **kwargs)
        except ValidationError as error:
            quiet = mentions_hidden(annotation)
            message = f"{self.spec.qualified_name}: {explain(error, quiet=quiet)}"
            raise ArgumentError(message) from (None if quiet else error)
        checked: Input = self.spec.check({name: made})[name]
        return checked

    def explicit(self, model: str | LanguageBackend | Implementation | Any, arguments: Input) -> R_co:
        """Answer one call; the same as calling it."""
        return self(model, arguments)


@functools.lru_cache(maxsize=_MOST_INPUT_MODELS)
def _input_model(spec: FunctionSpec) -> type[BaseModel]:
    fields: dict[str, Any] = {
        name: (annotation, ... if (default := spec.signature.parameters[name].default) is Parameter.empty else default)
        for name, annotation in spec.parameters.items()
    }
    title = "".join(part.capitalize() for part in spec.name.split("_"))
    settings = ConfigDict(arbitrary_types_allowed=True, protected_namespaces=())
    made: type[BaseModel] = create_model(f"{title}Input", __config__=settings, __doc__=spec.instruction, **fields)
    return made
