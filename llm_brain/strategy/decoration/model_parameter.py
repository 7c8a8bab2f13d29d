"""Functions whose first parameter takes the model that answers: what they say but for it, and whether it can take one."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from inspect import Parameter
from types import SimpleNamespace
from typing import Any, TypeVar, get_args, get_origin

from llm_brain.backends.contract import LanguageBackend
from llm_brain.errors import DefinitionError
from llm_brain.strategy.annotations.parts import is_union
from llm_brain.strategy.decoration.members import function_in, implementation_is_missing
from llm_brain.strategy.inspection import inspect_function
from llm_brain.strategy.signature import FunctionSpec


def function_without_body(function: Callable[..., Any]) -> Callable[..., Any]:
    """Take the function out of what `llm_function` decorates, which may be a static method.

    Raises:
        DefinitionError: It is no function, or one that has a body.

    Example:
        >>> def add(model, a: int, b: int) -> int:
        ...     '''Add two numbers.'''
        >>> function_without_body(staticmethod(add)) is add
        True
    """
    plain: Callable[..., Any] = function_in(function)
    if not inspect.isfunction(plain) or not implementation_is_missing(plain):
        message = f"`{getattr(plain, '__qualname__', plain)}` is no function without a body: there is nothing to implement"
        raise DefinitionError(message)
    return plain


def spec_without_model(function: Callable[..., Any], names: Mapping[str, Any]) -> FunctionSpec:
    """Read what a function says but for its first parameter, which takes the model.

    Args:
        function: A function without a body.
        names: Names beyond its module in which its annotations are looked up.

    Raises:
        DefinitionError: Its first parameter takes no model, or a docstring or annotation is missing.

    Example:
        >>> def add(model: str, a: int, b: int) -> int:
        ...     '''Add two numbers.'''
        >>> list(spec_without_model(add, {}).parameters)
        ['a', 'b']
    """
    full = inspect.signature(function)
    parameters = list(full.parameters.values())
    if not parameters or parameters[0].kind not in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD):
        message = f"`{function.__qualname__}` takes no model: write it as the first parameter"
        raise DefinitionError(message)
    first, *others = parameters
    _check_model_parameter(function, first.name, names)

    @functools.wraps(function)
    def without_model() -> None:
        raise NotImplementedError

    without_model.__annotations__ = {name: kind for name, kind in function.__annotations__.items() if name != first.name}
    without_model.__signature__ = full.replace(parameters=others)  # type: ignore[attr-defined]
    return inspect_function(without_model, names=names)


def _check_model_parameter(function: Callable[..., Any], name: str, names: Mapping[str, Any]) -> None:
    holder = SimpleNamespace(__annotations__={name: function.__annotations__.get(name, Any)})
    try:
        annotation = typing.get_type_hints(holder, globalns=function.__globals__, localns=dict(names))[name]
    except (NameError, TypeError):
        return  # it is imported for type checkers only, so it cannot be looked at
    if not _takes_models(annotation):
        message = (
            f"the first parameter `{name}` of `{function.__qualname__}` takes the model: annotate it with `str`, "
            f"`LanguageBackend`, `Implementation`, `Conversation` or a LangChain model's class, or not at all"
        )
        raise DefinitionError(message)


def _takes_models(annotation: Any) -> bool:
    if is_union(annotation):
        return any(map(_takes_models, get_args(annotation)))
    kind = get_origin(annotation) or annotation
    if kind in (Any, object) or not isinstance(kind, type):
        return kind in (Any, object) or isinstance(kind, TypeVar)
    # LangChain's classes are known by name, so that nobody pays for importing it who does not use it.
    is_langchain = any(base.__module__.partition(".")[0] == "langchain_core" for base in kind.__mro__)
    return issubclass(kind, str | LanguageBackend) or is_langchain or callable(getattr(kind, "call", None))
