"""One call of a typed function as the text that a brain reads, and the inputs that calls are made from.

    one text and no state    that text itself
    anything else            a line `name: JSON` for each argument, below a line `self: JSON` where the object has a state

What the types hide is left out, as it is left out of prompts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from inspect import BoundArguments, Parameter
from typing import Any

from pydantic_core import from_json

from llm_brain.errors import ArgumentError
from llm_brain.strategy.annotations.closed_sets import bare, said
from llm_brain.strategy.annotations.hidden import hides
from llm_brain.strategy.answering import BoundCall
from llm_brain.strategy.function import TypedFunction
from llm_brain.strategy.hiding import without_hidden
from llm_brain.strategy.mapping import bound_inputs
from llm_brain.strategy.public_state import public_state
from llm_brain.strategy.signature import FunctionSpec
from llm_brain.strategy.words import json_text, plain_text


def call_text(spec: FunctionSpec, arguments: Mapping[str, Any], state: Mapping[str, Any] | None = None) -> str:
    r"""Write a call as a brain reads it.

    Args:
        spec: The function.
        arguments: Its checked arguments by name.
        state: The public state of the object whose method is called.

    Raises:
        ArgumentError: An argument has no JSON form.

    Example:
        >>> from llm_brain.strategy import inspect_function
        >>> def mood(message: str) -> bool:
        ...     '''Tell whether the customer is happy.'''
        >>> call_text(inspect_function(mood), {"message": "It broke."})
        'It broke.'
        >>> def fits(answer: str, limit: int) -> bool:
        ...     '''Tell whether the answer is short enough.'''
        >>> call_text(inspect_function(fits), {"answer": "Yes.", "limit": 5}, {"language": "English"})
        'self: {"language": "English"}\nanswer: "Yes."\nlimit: 5'
    """
    shown = {name: annotation for name, annotation in spec.parameters.items() if not hides(annotation)}
    if not state and [bare(annotation) for annotation in shown.values()] == [str]:
        (name,) = shown
        return str(arguments[name])
    lines = [state_line(state)] if state else []
    return "\n".join([*lines, *(f"{name}: {_said(arguments[name], shown[name])}" for name in shown if name in arguments)])


def call_arguments(spec: FunctionSpec, text: str) -> dict[str, Any]:
    """Read the arguments of a call back from its text, where nothing else is known of it.

    Args:
        spec: The function.
        text: As `call_text` wrote it; a state is left out. The one text of a function is taken for lines of a state and a text
            only where it is written so.

    Raises:
        ArgumentError: It is no call of this function, or one of an argument that is hidden and has no default.

    Example:
        >>> from llm_brain.strategy import inspect_function
        >>> def fits(answer: str, limit: int) -> bool:
        ...     '''Tell whether the answer is short enough.'''
        >>> spec = inspect_function(fits)
        >>> call_arguments(spec, call_text(spec, {"answer": "Yes.", "limit": 5}))
        {'answer': 'Yes.', 'limit': 5}
    """
    shown = {name: annotation for name, annotation in spec.parameters.items() if not hides(annotation)}
    for name in spec.parameters.keys() - shown.keys():
        if spec.signature.parameters[name].default is Parameter.empty:
            message = (
                f"`{name}` of {spec.qualified_name} is hidden, so that the text of a call does not tell it: give the calls "
                "themselves (`Given`, `Unlabelled`), or give it a default"
            )
            raise ArgumentError(message)
    only = next(iter(shown)) if [bare(annotation) for annotation in shown.values()] == [str] else None
    try:
        if only is not None and not _has_state(only, text):
            return dict(spec.bind((), {only: text}))
        lines = [line.partition(": ") for line in text.split("\n")]
        given = {name: from_json(value) for name, _, value in lines if name != "self"}
        return dict(spec.bind((), given))
    except (TypeError, ValueError) as error:
        message = f"no call of {spec.qualified_name}: {text!r:.100}"
        raise ArgumentError(message) from error


def state_line(state: Mapping[str, Any]) -> str:
    """Write the state of an object, as prompts do.

    Example:
        >>> state_line({"city": "Oslo"})
        'self: {"city": "Oslo"}'
    """
    return f"self: {json_text(dict(state))}"


def answer_text(answer: Any) -> str:
    """Write an answer as somebody reads it who judges it: a text without quotes, anything else as JSON.

    Raises:
        ArgumentError: It has no JSON form.

    Example:
        >>> answer_text("happy"), answer_text(True), answer_text({"stars": 4})
        ('happy', 'true', '{"stars": 4}')
    """
    if type(answer) is str:
        return answer
    return plain_text(without_hidden(said(answer)))


def state_of(function: TypedFunction[..., Any]) -> Mapping[str, Any] | None:
    """Read the state of the object that a function is a method of; None where it has none.

    Example:
        >>> from llm_brain.strategy import llm_strategy
        >>> @llm_strategy("local")
        ... def double(number: int) -> int:
        ...     '''Double a number.'''
        >>> state_of(double) is None
        True
    """
    instance = function.instance
    return None if instance is None or isinstance(instance, type) else public_state(instance)


def bound_arguments(function: TypedFunction[..., Any], given: Any) -> dict[str, Any]:
    """Bind one input as `TypedFunction.map` takes it: a mapping of arguments by name, a tuple of them, or the one argument.

    Raises:
        ArgumentError: It does not fit the parameters.

    Example:
        >>> from llm_brain.strategy import llm_strategy
        >>> @llm_strategy("local")
        ... def power(base: int, exponent: int = 2) -> int:
        ...     '''Raise a number to a power.'''
        >>> bound_arguments(power, (3, 4)), bound_arguments(power, {"base": 3}), bound_arguments(power, 5)
        ({'base': 3, 'exponent': 4}, {'base': 3, 'exponent': 2}, {'base': 5, 'exponent': 2})
    """
    spec = function.spec

    def bind(args: tuple[Any, ...], kwargs: dict[str, Any]) -> BoundCall:
        return BoundCall(spec, spec.bind(args, kwargs), None, 0, function.implementation)

    try:
        (call,) = bound_inputs(spec, [given], bind)
    except TypeError as error:
        message = f"{spec.qualified_name}: {error}"
        raise ArgumentError(message) from error
    return dict(call.arguments)


def call_of(spec: FunctionSpec, arguments: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Turn arguments by name into the positional ones and those by keyword that a function is called with.

    Example:
        >>> from llm_brain.strategy import inspect_function
        >>> def fits(answer: str, *, limit: int) -> bool:
        ...     '''Tell whether the answer is short enough.'''
        >>> call_of(inspect_function(fits), {"limit": 5, "answer": "Yes."})
        (('Yes.',), {'limit': 5})
    """
    ordered = OrderedDict((name, arguments[name]) for name in spec.parameters if name in arguments)
    bound = BoundArguments(spec.signature, ordered)
    return bound.args, bound.kwargs


def _has_state(name: str, text: str) -> bool:
    """Tell whether the one text of a call stands below a state: people, too, begin lines with "self: "."""
    state, _, line = text.partition("\n")
    return state.startswith("self: {") and line.startswith(f'{name}: "')


def _said(value: Any, annotation: Any) -> str:
    if type(value) is str:
        return json_text(value)
    try:
        return json_text(without_hidden(value, annotation))
    except (RecursionError, ValueError, TypeError) as error:
        message = f"a {type(value).__qualname__} cannot be written as JSON, which a call's text is made of: {error}"
        raise ArgumentError(message) from error
