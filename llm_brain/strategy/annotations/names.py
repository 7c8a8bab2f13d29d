"""Types and signatures as a reader writes them: `dict[str, list[int]]`, `int | None`, `route(message: str) -> Ticket`."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from enum import Enum
from inspect import Parameter
from typing import Any, ForwardRef, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from llm_brain.strategy.annotations.hidden import hides, mentions_hidden, plan_of
from llm_brain.strategy.annotations.parts import QUALIFIERS, arguments_of, is_union, origin_of, parameters_of

LONGEST_DEFAULT = 80


def type_name(annotation: Any) -> str:
    """Write a type concisely, with the names that a reader knows: no modules, and of an `Annotated` only the type.

    Example:
        >>> type_name(dict[str, list[int]]), type_name(Literal["a", "b"] | None)
        ('dict[str, list[int]]', "Literal['a', 'b'] | None")
    """
    if isinstance(annotation, list):  # the arguments of a Callable
        return f"[{', '.join(map(type_name, annotation))}]"
    if get_origin(annotation) in QUALIFIERS:
        return type_name(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return f"Literal[{', '.join(map(_value, get_args(annotation)))}]"
    if is_union(annotation):
        return " | ".join(map(type_name, get_args(annotation)))
    arguments = arguments_of(annotation) or parameters_of(origin_of(annotation))
    shown = ", ".join(map(type_name, arguments)) or ("()" if get_origin(annotation) is tuple else "")
    return _bare_name(origin_of(annotation)) + (f"[{shown}]" if shown else "")


def signature_line(function: Callable[..., Any], takes_self: bool, parameters: Mapping[str, Any], returns: Any) -> str:  # noqa: FBT001
    """Write a function's signature on one line, without `self`, what is hidden, and what is not among the parameters.

    Args:
        function: Gives the name, the kinds of the parameters and their defaults.
        takes_self: Whether its first parameter is the object or the class.
        parameters: Each parameter's type.
        returns: The return type.

    Example:
        >>> def route(self, message: str, *, limit: int = 5) -> str: ...
        >>> signature_line(route, True, {"message": str, "limit": int}, str)
        'route(message: str, *, limit: int = 5) -> str'
    """
    shown = list(inspect.signature(function).parameters.values())[1 if takes_self else 0 :]
    shown = [parameter for parameter in shown if parameter.name in parameters and not hides(parameters[parameter.name])]
    parts = []
    for before, parameter in zip([None, *shown], shown, strict=False):
        kind, kind_before = parameter.kind, before and before.kind
        if kind_before is Parameter.POSITIONAL_ONLY and kind is not Parameter.POSITIONAL_ONLY:
            parts.append("/")
        if kind is Parameter.KEYWORD_ONLY and kind_before is not Parameter.KEYWORD_ONLY:
            parts.append("*")
        annotation = parameters[parameter.name]
        default = _default(parameter.default)
        parts.append(
            f"{parameter.name}: {type_name(annotation)}{' = ...' if default and mentions_hidden(annotation) else default}"
        )
    if shown and shown[-1].kind is Parameter.POSITIONAL_ONLY:
        parts.append("/")
    return f"{function.__name__}({', '.join(parts)}) -> {type_name(returns)}"


def _bare_name(kind: Any) -> str:
    if kind is Ellipsis:
        return "..."
    if kind is None or kind is type(None):
        return "None"
    if isinstance(kind, str | ForwardRef):
        return kind if isinstance(kind, str) else kind.__forward_arg__
    name = getattr(kind, "__qualname__", None) or getattr(kind, "__name__", None) or str(kind).removeprefix("typing.")
    return str(name).rpartition("<locals>.")[2]


def _default(default: Any) -> str:
    if isinstance(default, FieldInfo):
        if default.default_factory is not None:
            return " = ..."
        default = default.default
    missing = default is Parameter.empty or default is PydanticUndefined or default is Ellipsis
    return "" if missing else f" = {_value(default)}"


def _value(value: Any) -> str:
    """Write a value as in source.

    `...` stands for what is long, what another process would write in another way, and what may hold something hidden.
    """
    if isinstance(value, Enum):
        return f"{_bare_name(type(value))}.{value.name}"
    if isinstance(value, type):
        return type_name(value)
    if isinstance(value, set | frozenset) and len(value) > 1:
        return "..."
    if _may_hide(value):
        return "..."
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - it is the user's, and only a default
        return "..."
    return "..." if " at 0x" in text or "\n" in text or len(text) > LONGEST_DEFAULT else text


def _may_hide(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_may_hide, [*value, *value.values()]))
    if isinstance(value, list | tuple | set | frozenset | deque):
        return bool(plan_of(type(value)).hidden) or any(map(_may_hide, value))
    return isinstance(value, BaseModel) or is_dataclass(value) or bool(plan_of(type(value)).hidden)
