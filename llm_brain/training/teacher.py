"""The standard teacher: what a language model is asked where a user's own teacher has no method for it.

`llm_strategy(anyone)(Teacher)()` puts these questions to somebody else:

    >>> from llm_brain import llm_strategy
    >>> from llm_brain.strategy import Details
    >>> class Strict:
    ...     name = "strict"
    ...     def call(self, spec, arguments, *, state=None, sample=0):
    ...         return Details(Evaluation(reason="It never is.", score=0.0), self.name)
    >>> llm_strategy(Strict())(Teacher)().evaluate_output("Say hello.", "Hello!").score
    0.0

An object of one's own, whose methods have these names, puts other questions: with examples, another instruction, closed sets of
answers.

A score outside of the range is refused, and the judge asked again. To clip it would turn a judge who counts to a hundred into one
who likes everything, and to take it as it stands would turn the sign of 1 - score.

    >>> Evaluation(reason="It is right.", score=85)
    Traceback (most recent call last):
    ...
    pydantic_core._pydantic_core.ValidationError: 1 validation error for Evaluation
    ...
    >>> TrainingPair(input="Arrived a day early.", output="happy").output
    'happy'

All of this stands here since the docstrings of the classes are what the model is told.
"""

from __future__ import annotations

from collections.abc import Collection
from inspect import Parameter, Signature
from typing import Annotated, Any, Final, Generic

from pydantic import BaseModel, BeforeValidator, Field, create_model
from typing_extensions import TypedDict, TypeVar

from llm_brain.errors import DefinitionError
from llm_brain.strategy.annotations.hidden import hides
from llm_brain.strategy.declarations import sampled
from llm_brain.strategy.decorator import llm_strategy
from llm_brain.strategy.function import TypedFunction
from llm_brain.strategy.implementation import Implementation
from llm_brain.strategy.inspection import inspect_function
from llm_brain.strategy.signature import FunctionSpec
from llm_brain.strategy.views import typed

Answer = TypeVar("Answer", default=str)

VARIATIONS: Final = {
    "topic": " about `topic`",
    "persona": ", in the words of `persona`",
    "document": ", with what it says taken from `document`",
}
"""What the pairs of the standard teacher can be varied by, and how it is told."""


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        message = f"a score is a number between 0 and 1, and not {str(value).lower()}"
        raise ValueError(message)  # noqa: TRY004 - pydantic hands on no TypeError
    return value


class Evaluation(BaseModel):
    """How well an output fulfils its task."""

    reason: str = Field(description="Why, in one sentence.")  # first, so that the score follows from it
    score: Annotated[float, BeforeValidator(_no_truth)] = Field(
        ge=0.0, le=1.0, allow_inf_nan=False, description="0: wrong or useless; 1: as good as it can be."
    )


class TrainingPair(BaseModel, Generic[Answer]):
    """What a network is given, and what it should answer."""

    input: str = Field(description="What the network is given.")
    output: Answer = Field(description="The right answer to it.")


class Teacher:
    """You teach a small neural network: you write examples for it, and you judge what it answers."""

    @sampled(0.0, max_tokens=1024)
    def evaluate_output(self, task: str, output: str) -> Evaluation:
        """Judge how well `output`, which the network gave, fulfils `task`."""
        raise NotImplementedError

    @sampled(0.7, max_tokens=1024)
    def generate_training_pair(self, topic: str) -> TrainingPair[str]:
        """Write one example for the network to learn from: a short input about `topic`, and the right answer to it."""
        raise NotImplementedError


def standard_evaluator(implementation: Implementation) -> TypedFunction[[str, str], Evaluation]:
    """Make the standard `evaluate_output`, answered by whoever is handed in.

    Example:
        >>> from llm_brain.strategy.selection import NamedModel
        >>> standard_evaluator(NamedModel("local")).spec.line
        'Teacher.evaluate_output(task: str, output: str) -> Evaluation'
    """
    return typed(llm_strategy(implementation)(Teacher)().evaluate_output)


def standard_writer(spec: FunctionSpec, varied: Collection[str], implementation: Implementation) -> TypedFunction[..., Any]:
    """Make the standard `generate_training_pair` for any function: what it writes has the types of the function.

    Args:
        spec: The function that is taught.
        varied: By which of `VARIATIONS` the pairs are varied; the others are not spoken of.
        implementation: Who writes.

    Returns:
        A function of `task` (see `task_text`) and of what is varied, that returns a model with the fields `input` (the one
        argument, or all by name) and `output`.

    Raises:
        DefinitionError: There is no such variation, or the function takes what its types hide from who writes.

    Example:
        >>> from llm_brain.strategy import inspect_function
        >>> from llm_brain.strategy.selection import NamedModel
        >>> def mood(message: str) -> bool:
        ...     '''Tell whether the customer is happy.'''
        >>> writer = standard_writer(inspect_function(mood), ["topic"], NamedModel("local"))
        >>> writer.spec.line, list(writer.spec.returns.model_fields)
        ('Teacher.generate_training_pair(task: str, topic: str) -> TrainingPair', ['input', 'output'])
        >>> writer.spec.instruction
        'Write one example of `task`, for the network to learn from: a short input about `topic`, and the right answer to it.'
    """
    unknown = sorted(set(varied) - VARIATIONS.keys())
    if unknown:
        message = (
            f"the standard teacher's pairs vary by {', '.join(VARIATIONS)}, and not by {unknown[0]!r}: leave it out, or give a "
            f"teacher with a `generate_training_pair` that has a parameter of that name"
        )
        raise DefinitionError(message)
    names = [name for name in VARIATIONS if name in varied]
    told = "".join(VARIATIONS[name] for name in names)

    def generate_training_pair() -> Any:
        raise NotImplementedError

    generate_training_pair.__qualname__ = "Teacher.generate_training_pair"
    generate_training_pair.__doc__ = (
        f"Write one example of `task`, for the network to learn from: a short input{told}, and the right answer to it."
    )
    returns = create_model(
        "TrainingPair",
        __doc__=TrainingPair.__doc__,
        input=(_input_type(spec), Field(description="What the network is given.")),
        output=(spec.returns, Field(description="The right answer to it.")),
    )
    parameters = ["task", *names]
    generate_training_pair.__annotations__ = {**dict.fromkeys(parameters, str), "return": returns}
    made: Any = sampled(0.7, max_tokens=1024)(generate_training_pair)
    made.__signature__ = Signature([Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation=str) for name in parameters])
    return TypedFunction(inspect_function(made, persona=Teacher.__doc__ or ""), implementation)


def _input_type(spec: FunctionSpec) -> Any:
    shown = {name: annotation for name, annotation in spec.parameters.items() if not hides(annotation)}
    if not shown:
        message = f"{spec.qualified_name} takes nothing that could be written: there is one call of it"
        raise DefinitionError(message)
    for name in spec.parameters.keys() - shown.keys():
        if spec.signature.parameters[name].default is Parameter.empty:
            message = f"`{name}` of {spec.qualified_name} is hidden, so that nobody can write an input for it: give it a default"
            raise DefinitionError(message)
    if len(spec.parameters) == 1:
        (one,) = shown.values()
        return one
    make: Any = TypedDict  # it takes every name that a parameter may have
    return make("".join(part.capitalize() for part in spec.name.split("_")) + "Input", shown)


def task_text(spec: FunctionSpec, call: str = "") -> str:
    r"""Say what a function is asked to do, and with what, to somebody who judges its answers.

    Args:
        spec: The function.
        call: A call's text, or the line of a state; may be empty.

    Example:
        >>> from llm_brain.strategy import inspect_function
        >>> def mood(message: str) -> bool:
        ...     '''Tell whether the customer is happy.'''
        >>> task_text(inspect_function(mood), "It broke.")
        'mood(message: str) -> bool\nTell whether the customer is happy.\n\nIt broke.'
    """
    told = "\n".join(part for part in (spec.persona, spec.line, spec.instruction) if part)
    return f"{told}\n\n{call}" if call else told
