"""What a function's signature says: its parameters, docstring and return type, made ready once for every later call."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticUndefinedAnnotation
from typing_extensions import TypedDict

from llm_brain.backends.contract import Sampling
from llm_brain.errors import ArgumentError, DefinitionError
from llm_brain.strategy.declarations import Example, Likelihood, declared_examples, declared_sampling
from llm_brain.strategy.words import explain, json_text

__all__ = ["WRAPPER_FIELD", "FunctionSpec", "closed_set", "explain", "inspect_function", "json_text"]

WRAPPER_FIELD = "return_value"


@dataclass(frozen=True)
class FunctionSpec:
    """Everything about a typed function that does not change between calls.

    Attributes:
        function: The function as the user wrote it.
        name: Its name.
        qualified_name: Its name with the class it belongs to, as traces show it.
        persona: The class's docstring: who answers. Empty for a plain function.
        instruction: The function's docstring: what is asked.
        parameters: Each parameter's type, without `self` and `cls`.
        returns: The return annotation.
        takes_self: Whether the first parameter is the object or the class.
        examples: Declared input and output pairs, shown to a language model.
        sampling: How a language model draws its reply.

    Example:
        >>> def double(number: int) -> int:
        ...     '''Double a number.'''
        >>> spec = inspect_function(double)
        >>> spec.name, spec.instruction, list(spec.parameters)
        ('double', 'Double a number.', ['number'])
    """

    function: Callable[..., Any]
    name: str
    qualified_name: str
    persona: str
    instruction: str
    parameters: Mapping[str, Any]
    returns: Any
    takes_self: bool
    examples: tuple[Example, ...]
    sampling: Sampling

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """The validator of the return type."""
        return TypeAdapter(self.returns)

    @cached_property
    def likelihood_of(self) -> str | None:
        """The parameter whose likelihood is the returned score, where the return type declares one."""
        return next((part.of for part in _annotations(self.returns) if isinstance(part, Likelihood)), None)

    @cached_property
    def answer_name(self) -> str:
        """What the answer is called in a prompt: the function's name, or the parameter whose likelihood is asked."""
        return self.likelihood_of or self.name

    @cached_property
    def options(self) -> tuple[Any, ...] | None:
        """The values that the answer can take, when they are a small closed set (bool, Literal, Enum); None otherwise."""
        return closed_set(self.parameters[self.likelihood_of] if self.likelihood_of else self.returns)

    @cached_property
    def option_texts(self) -> tuple[str, ...]:
        """Each option as JSON."""
        return tuple(json_text(option) for option in self.options or ())

    @cached_property
    def is_text(self) -> bool:
        """Whether the answer is a plain string, which needs no JSON around it."""
        return _bare(self.returns) is str

    @cached_property
    def is_wrapped(self) -> bool:
        """Whether the reply holds the value in a field of an object, since models are asked for JSON objects."""
        return self._value_schema.get("type") != "object" and "properties" not in self._value_schema

    @cached_property
    def _value_schema(self) -> dict[str, Any]:
        return self.adapter.json_schema()

    @cached_property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the reply."""
        schema = dict(self._value_schema)
        if not self.is_wrapped:
            return schema
        definitions = schema.pop("$defs", None)
        wrapped = {"type": "object", "properties": {WRAPPER_FIELD: schema}, "required": [WRAPPER_FIELD]}
        return {**wrapped, "$defs": definitions} if definitions else wrapped

    @cached_property
    def signature(self) -> inspect.Signature:
        """The call signature, without `self` and `cls`."""
        full = inspect.signature(self.function)
        return full.replace(parameters=list(full.parameters.values())[1 if self.takes_self else 0 :])

    @cached_property
    def _arguments(self) -> TypeAdapter[dict[str, Any]]:
        # A TypedDict takes every name that a parameter may have; a model refuses some and warns of others.
        make: Any = TypedDict
        named = make("Arguments", dict(self.parameters))
        named.__pydantic_config__ = ConfigDict(arbitrary_types_allowed=True)
        return TypeAdapter(named)

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Bind and check the arguments of a call.

        Raises:
            TypeError: An argument is missing, or one too many was given.
            ArgumentError: An argument does not fit its declared type.

        Example:
            >>> def double(number: int) -> int:
            ...     '''Double a number.'''
            >>> inspect_function(double).bind((4,), {})
            {'number': 4}
        """
        if self._single_text and not kwargs and len(args) == 1 and type(args[0]) is str:
            return {self._single_text: args[0]}
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        try:
            return self._arguments.validate_python(bound.arguments)
        except ValidationError as error:
            message = f"{self.qualified_name}: {explain(error)}"
            raise ArgumentError(message) from error

    @cached_property
    def _single_text(self) -> str | None:
        # A function of one string is the commonest kind, and a brain answers it in microseconds: binding should not take more.
        (name, annotation), *others = self.parameters.items() or [("", None)]
        return name if annotation is str and not others else None


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
        DefinitionError: The docstring, an annotation or the return type is missing, or cannot be used.

    Example:
        >>> def double(number) -> int:
        ...     '''Double a number.'''
        >>> inspect_function(double)
        Traceback (most recent call last):
        ...
        llm_brain.errors.DefinitionError: the parameter `number` of `double` has no annotation: write `number: TYPE`
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
            raise DefinitionError(message)
    spec = FunctionSpec(
        function=function,
        name=function.__name__,
        qualified_name=function.__qualname__.rpartition("<locals>.")[2],
        persona=inspect.cleandoc(persona),
        instruction=instruction,
        parameters={parameter.name: hints[parameter.name] for parameter in parameters},
        returns=hints["return"],
        takes_self=takes_self,
        examples=declared_examples(function),
        sampling=declared_sampling(function),
    )
    _check(spec, where)
    return replace(spec, examples=tuple(_checked_example(spec, example, where) for example in spec.examples))


def closed_set(annotation: Any) -> tuple[Any, ...] | None:
    """List the values of a type that has few: bool, a Literal, an Enum. None for any other type.

    Example:
        >>> closed_set(Literal["a", "b"]), closed_set(bool), closed_set(str)
        (('a', 'b'), (True, False), None)
    """
    bare = _bare(annotation)
    if bare is bool:
        return (True, False)
    if get_origin(bare) is Literal:
        return get_args(bare)
    if isinstance(bare, type) and issubclass(bare, Enum):
        return tuple(bare)
    return None


def _check(spec: FunctionSpec, where: str) -> None:
    for what, made in (("the return type", "schema"), ("a parameter's type", "_arguments")):
        try:
            getattr(spec, made)
        except (PydanticUserError, PydanticUndefinedAnnotation) as error:
            reason = str(error).splitlines()[0]
            message = f"{what} of {where} cannot be used: {reason}"
            raise DefinitionError(message) from error
    if spec.likelihood_of is not None:
        if _bare(spec.returns) is not float:
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


def _checked_example(spec: FunctionSpec, example: Example, where: str) -> Example:
    """Check an example as a call and its answer would be; what a likelihood is asked of is the answer and no input."""
    unknown = example.inputs.keys() - spec.parameters.keys()
    if unknown:
        message = f"an example of {where} names `{min(unknown)}`, which is not a parameter of it"
        raise DefinitionError(message)
    answer = spec.parameters[spec.likelihood_of] if spec.likelihood_of else spec.returns
    try:
        output = TypeAdapter(answer).validate_python(example.output)
    except ValidationError as error:
        message = f"the output of an example of {where} does not fit its type: {explain(error)}"
        raise DefinitionError(message) from error
    try:
        inputs = spec.bind((), {**example.inputs, **({spec.likelihood_of: output} if spec.likelihood_of else {})})
    except (TypeError, ArgumentError) as error:
        message = f"the input of an example of {where} does not fit its parameters: {error}"
        raise DefinitionError(message) from error
    return Example({name: value for name, value in inputs.items() if name != spec.likelihood_of}, output)


def _annotations(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
