"""What a teacher wrote, taken apart: which of its fields are arguments of the function, and which is the answer.

named as all parameters    these are the arguments, and the one field that is left over is the answer
otherwise                  the first fields, in their order, are the arguments, and the last is the answer
two fields, more parameters    the first holds the arguments by name, the second is the answer
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from llm_brain.errors import ArgumentError, DefinitionError
from llm_brain.strategy.signature import FunctionSpec
from llm_brain.strategy.words import explain

_PAIR = 2


def taken_apart(reply: Any, spec: FunctionSpec) -> tuple[dict[str, Any], Any]:
    """Take a written pair apart.

    Args:
        reply: A pydantic model, a dataclass, a tuple, or a mapping.
        spec: The function that is taught.

    Returns:
        The arguments by name, and the answer; neither is checked.

    Raises:
        DefinitionError: It has not as many fields as the function has parameters, and one.

    Example:
        >>> from llm_brain.strategy import inspect_function
        >>> def mood(message: str) -> bool:
        ...     '''Tell whether the customer is happy.'''
        >>> taken_apart(("It broke.", False), inspect_function(mood))
        ({'message': 'It broke.'}, False)
        >>> taken_apart({"happy": False, "message": "It broke."}, inspect_function(mood))
        ({'message': 'It broke.'}, False)
    """
    names = list(spec.parameters)
    named = _fields(reply)
    if named is not None and set(names) < named.keys() and len(named) == len(names) + 1:
        (left,) = named.keys() - set(names)
        return {name: named[name] for name in names}, named[left]
    values = list(reply) if isinstance(reply, tuple) else None if named is None else list(named.values())
    if values is not None and len(values) == len(names) + 1:
        return dict(zip(names, values[:-1], strict=True)), values[-1]
    if values is not None and len(values) == _PAIR:
        inner = _fields(values[0])
        if inner is not None and inner.keys() <= set(names):
            return inner, values[1]
    message = (
        f"`generate_training_pair` gave {reply!r:.100}: let it return a model, a dataclass or a tuple of what "
        f"{spec.qualified_name} takes ({', '.join(names)}) and, last, the answer"
    )
    raise DefinitionError(message)


def checked_answer(answer: Any, spec: FunctionSpec) -> Any:
    """Check an answer against the function's return type; one of a closed set may be given as prompts say it.

    Raises:
        ArgumentError: It does not fit.

    Example:
        >>> from llm_brain.strategy import inspect_function
        >>> def even(number: int) -> bool:
        ...     '''Tell whether a number is even.'''
        >>> checked_answer("true", inspect_function(even))
        True
    """
    if isinstance(answer, str) and answer in spec.option_words and spec.likelihood_of is None:
        return (spec.options or ())[spec.option_words.index(answer)]
    try:
        return spec.adapter.validate_python(answer)
    except ValidationError as error:
        message = f"an answer of {spec.qualified_name} does not fit: {explain(error)}"
        raise ArgumentError(message) from error


def _fields(value: Any) -> dict[str, Any] | None:
    """Give the fields of a record by name; None of anything else, a plain tuple among it."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in type(value).model_fields}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    names = getattr(value, "_fields", None)  # of a named tuple
    return dict(zip(names, value, strict=True)) if isinstance(value, tuple) and names is not None else None
