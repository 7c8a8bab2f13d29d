"""What is known of a tracked function: which of its parameters are hyperparameters, as a pydantic model of them."""

from __future__ import annotations

import inspect
import sys
import typing
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from inspect import Parameter
from types import SimpleNamespace
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, PydanticUserError, ValidationError, create_model
from pydantic.fields import FieldInfo

from llm_brain.errors import DefinitionError
from llm_brain.strategy.words import explain

CONFIG: Final = ConfigDict(
    arbitrary_types_allowed=True, extra="forbid", protected_namespaces=(), validate_assignment=True, validate_default=True
)


@dataclass(frozen=True)
class Tracked:
    """A function's hyperparameters.

    Attributes:
        name: The function's name with its class, as it stands in what is dumped.
        function: The function itself.
        fields: The type and the default of each hyperparameter, under its name without `_`.
        loaded: What its module was loaded by, which is another thing when the module is loaded again.

    Example:
        >>> def shorten(text: str, *, _words: int = 3) -> str: ...
        >>> inspect_hyperparameters(shorten).model()
        shorten(words=3)
    """

    name: str
    function: Callable[..., Any]
    fields: Mapping[str, tuple[Any, Any]]
    loaded: Any = None

    @cached_property
    def model(self) -> type[BaseModel]:
        """The hyperparameters as a pydantic model whose fields can be set."""
        fields: dict[str, Any] = dict(self.fields)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Field name .* shadows an attribute")  # a parameter may well be called `_copy`
            return create_model(self.name, __config__=CONFIG, __doc__=inspect.getdoc(self.function), **fields)

    @cached_property
    def signature(self) -> inspect.Signature:
        """The function's call signature."""
        return inspect.signature(self.function)

    @cached_property
    def has_declared_fields(self) -> bool:
        """Whether a default is a pydantic `Field`, which the function itself could not use."""
        return any(isinstance(default, FieldInfo) for _, default in self.fields.values())

    def filled(self, record: BaseModel, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return a call's keyword arguments with the hyperparameters that it leaves out.

        Example:
            >>> def shorten(text: str, *, _words: int = 3) -> str: ...
            >>> tracked = inspect_hyperparameters(shorten)
            >>> tracked.filled(tracked.model(words=5), ("a b",), {}), tracked.filled(tracked.model(), ("a b",), {"_words": 1})
            ({'_words': 5}, {'_words': 1})
        """
        try:
            given = self.signature.bind_partial(*args, **kwargs).arguments
        except TypeError:  # the function itself says best what is wrong
            return dict(kwargs)
        return {**{f"_{name}": value for name, value in record if f"_{name}" not in given}, **kwargs}


def inspect_hyperparameters(function: Callable[..., Any], names: Mapping[str, Any] | None = None) -> Tracked:
    """Find a function's hyperparameters: its parameters that begin with one `_`.

    Args:
        function: Any function.
        names: Names beyond the function's module in which annotations are looked up.

    Raises:
        DefinitionError: One has no type or no default, or a default that does not fit.

    Example:
        >>> def shorten(text: str, *, _words: int) -> str: ...
        >>> inspect_hyperparameters(shorten)
        Traceback (most recent call last):
        ...
        llm_brain.errors.DefinitionError: the hyperparameter `_words` of `shorten` has no default: write `_words: TYPE = VALUE`
    """
    where = function.__qualname__.rpartition("<locals>.")[2]
    fields: dict[str, tuple[Any, Any]] = {}
    for parameter in inspect.signature(function).parameters.values():
        name = parameter.name
        if not name.strip("_") or not name.startswith("_") or name.startswith("__"):
            continue
        if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            continue
        if parameter.kind is Parameter.POSITIONAL_ONLY:
            _refuse(name, where, "cannot be set by its name: put it behind `/`")
        if parameter.annotation is Parameter.empty:
            _refuse(name, where, f"has no type: write `{name}: TYPE = VALUE`")
        if not _has_default(parameter.default):
            _refuse(name, where, f"has no default: write `{name}: TYPE = VALUE`")
        fields[name[1:]] = (_resolved(function, name, parameter.annotation, names or {}, where), parameter.default)
    tracked = Tracked(where, function, fields, getattr(sys.modules.get(function.__module__), "__spec__", None))
    try:
        tracked.model()
    except ValidationError as error:
        message = f"a default of `{where}` does not fit its type: {explain(error)}"
        raise DefinitionError(message) from error
    except PydanticUserError as error:
        message = f"the hyperparameters of `{where}` cannot be used: {str(error).splitlines()[0]}"
        raise DefinitionError(message) from error
    return tracked


def two_places(one: Tracked, other: Tracked) -> str | None:
    """Tell where two functions of one name stand, if they are two; None where one is the other, defined again.

    A function is defined again when its module is loaded again, in another cell of a notebook, and by a function that is called
    again.

    Example:
        >>> def make():
        ...     def shorten(text: str, *, _words: int = 3) -> str: ...
        ...     return inspect_hyperparameters(shorten)
        >>> two_places(make(), make()) is None
        True
    """
    first, second = one.function, other.function
    if first.__module__ != second.__module__:
        return f"in {first.__module__} and in {second.__module__}"
    if first.__qualname__ != second.__qualname__:
        return f"as {first.__qualname__} and as {second.__qualname__}"
    file, lines = first.__code__.co_filename, (first.__code__.co_firstlineno, second.__code__.co_firstlineno)
    is_one_text = file == second.__code__.co_filename and not file.startswith("<") and one.loaded is other.loaded
    return f"in lines {lines[0]} and {lines[1]} of {file}" if is_one_text and lines[0] != lines[1] else None


def _has_default(default: Any) -> bool:
    if isinstance(default, FieldInfo):
        return not default.is_required()
    return default is not Parameter.empty and default is not Ellipsis


def _resolved(function: Callable[..., Any], name: str, annotation: Any, names: Mapping[str, Any], where: str) -> Any:
    # The other annotations may name what is only imported for type checkers.
    only_this = SimpleNamespace(__annotations__={name: annotation})
    try:
        hints = typing.get_type_hints(only_this, getattr(function, "__globals__", {}), dict(names), include_extras=True)
    except (NameError, TypeError) as error:
        return _refuse(name, where, f"has a type that cannot be resolved: {error}")
    return hints[name]


def _refuse(name: str, where: str, reason: str) -> typing.NoReturn:
    message = f"the hyperparameter `{name}` of `{where}` {reason}"
    raise DefinitionError(message)
