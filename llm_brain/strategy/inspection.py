"""From a function as the user wrote it to its `FunctionSpec`; what cannot be implemented is refused here, before any call."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import replace
from inspect import Parameter
from typing import Any

from pydantic import BaseModel, PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticUndefinedAnnotation
from pydantic.fields import FieldInfo
from pydantic_core import SchemaError

from llm_brain.errors import AnnotationError, ArgumentError, DefinitionError
from llm_brain.strategy.annotations.closed_sets import bare
from llm_brain.strategy.annotations.parts import type_variables
from llm_brain.strategy.declarations import Example, declared_examples, declared_sampling
from llm_brain.strategy.parameters import declared_type
from llm_brain.strategy.signature import FunctionSpec
from llm_brain.strategy.words import explain


def inspect_function(
    function: Callable[..., Any], *, persona: str = "", takes_self: bool = False, names: Mapping[str, Any] | None = None
) -> FunctionSpec:
    """Read a function's signature, docstring and declarations.

    Args:
        function: What the user wrote.
        persona: The docstring of the class that it belongs to.
        takes_self: Whether its first parameter is the object or the class.
        names: Names beyond the function's module in which its annotations are looked up.

    Raises:
        DefinitionError: The docstring or the return type is missing, or an annotation cannot be used.
        AnnotationError: A parameter's annotation is missing; it is a `TypeError`, too.

    Example:
        >>> def double(number) -> int:
        ...     '''Double a number.'''
        >>> inspect_function(double)
        Traceback (most recent call last):
        ...
        llm_brain.errors.AnnotationError: the parameter `number` of `double` has no annotation: write `number: TYPE`
    """
    where = f"`{function.__qualname__}`"
    instruction = inspect.getdoc(function)
    if not instruction:
        message = f"{where} has no docstring: say there what it should return, since that is what the model is asked"
        raise DefinitionError(message)
    try:
        hints = typing.get_type_hints(function, localns=dict(names or {}), include_extras=True)
    except (NameError, TypeError, PydanticUndefinedAnnotation) as error:
        message = f"an annotation of {where} cannot be resolved: {error}"
        raise DefinitionError(message) from error
    if "return" not in hints:
        message = f"{where} has no return annotation: write `-> TYPE`, since the reply is checked against it"
        raise DefinitionError(message)
    parameters = list(inspect.signature(function).parameters.values())[1 if takes_self else 0 :]
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            message = f"{where} takes `*{parameter.name}`: name each parameter, since each becomes a part of the prompt"
            raise DefinitionError(message)
        if parameter.name not in hints:
            message = f"the parameter `{parameter.name}` of {where} has no annotation: write `{parameter.name}: TYPE`"
            raise AnnotationError(message)
    spec = FunctionSpec(
        function=function,
        name=function.__name__,
        qualified_name=function.__qualname__.rpartition("<locals>.")[2],
        persona=inspect.cleandoc(persona),
        instruction=instruction,
        parameters={parameter.name: declared_type(hints[parameter.name], parameter.default) for parameter in parameters},
        returns=hints["return"],
        takes_self=takes_self,
        examples=declared_examples(function),
        sampling=declared_sampling(function),
    )
    _check(spec, where)
    return replace(spec, examples=tuple(_checked_example(spec, example, where) for example in spec.examples))


def _check(spec: FunctionSpec, where: str) -> None:
    if bare(spec.returns) is BaseModel:
        message = f"{where} returns BaseModel itself, which has no fields to answer: derive a class of your own from it"
        raise DefinitionError(message)
    for what, made in (("the return type", "schema"), ("a parameter's type", "_arguments")):
        try:
            getattr(spec, made)
        except SchemaError as error:  # a pattern that pydantic's regular expressions do not know, say
            reason = " ".join(str(error).split()).partition("SchemaError: ")[2] or str(error)
            message = f"{what} of {where} cannot be used: {reason}"
            raise DefinitionError(message) from error
        except (PydanticUserError, PydanticUndefinedAnnotation) as error:
            reason = str(error).splitlines()[0]
            message = f"{what} of {where} cannot be used: {reason}"
            raise DefinitionError(message) from error
    _check_defaults(spec, where)
    if spec.likelihood_of is not None:
        if bare(spec.returns) is not float:
            message = f"{where} returns a likelihood, which is a float: write `Annotated[float, Likelihood(of=...)]`"
            raise DefinitionError(message)
        if spec.likelihood_of not in spec.parameters:
            message = f"{where} returns the likelihood of `{spec.likelihood_of}`, which is not a parameter of it"
            raise DefinitionError(message)
        if spec.options is None:
            message = f"{where} returns the likelihood of `{spec.likelihood_of}`, whose type must be a Literal, an Enum or bool"
            raise DefinitionError(message)
    try:
        _ = spec.option_texts
    except ArgumentError as error:
        message = f"the options of {where} cannot be shown to a model: {error}"
        raise DefinitionError(message) from error


def _check_defaults(spec: FunctionSpec, where: str) -> None:
    # `...` says only that there is a default, and a field that makes one anew for each call is asked then.
    plain = {
        name: parameter.default
        for name, parameter in spec.signature.parameters.items()
        if not (parameter.default is Parameter.empty or parameter.default is Ellipsis or isinstance(parameter.default, FieldInfo))
    }
    if not plain:
        return
    try:
        getattr(spec, "_arguments").validate_python(plain)  # noqa: B009
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_context=False):
            name = problem["loc"][0] if problem["loc"] else None
            if name in plain and not type_variables(spec.parameters[name]):
                hint = f"; write `{name}: TYPE | None = None`" if plain[name] is None else ""
                message = f"the default of `{name}` in {where} does not fit its type: {problem['msg']}{hint}"
                raise DefinitionError(message) from error


def _checked_example(spec: FunctionSpec, example: Example, where: str) -> Example:
    """Check an example as a call and its answer would be; what a likelihood is asked of is the answer and no input."""
    unknown = example.inputs.keys() - spec.parameters.keys()
    if unknown:
        message = f"an example of {where} names `{min(unknown)}`, which is not a parameter of it"
        raise DefinitionError(message)
    adapter = TypeAdapter(spec.parameters[spec.likelihood_of]) if spec.likelihood_of else spec.adapter
    try:
        output = adapter.validate_python(example.output)
    except ValidationError as error:
        message = f"the output of an example of {where} does not fit its type: {explain(error)}"
        raise DefinitionError(message) from error
    try:
        inputs = spec.bind((), {**example.inputs, **({spec.likelihood_of: output} if spec.likelihood_of else {})})
    except (TypeError, ArgumentError) as error:
        message = f"the input of an example of {where} does not fit its parameters: {error}"
        raise DefinitionError(message) from error
    return Example({name: value for name, value in inputs.items() if name != spec.likelihood_of}, output)
