"""What a language model is asked by `LLMInterface`: an evaluation of an output, and a training pair.

`llm_strategy(anyone)(Teacher)()`, handed to `LLMInterface`, puts the same questions to somebody else:

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

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Generic

from pydantic import BaseModel, BeforeValidator, Field
from typing_extensions import TypeVar

from llm_brain.backends.contract import LanguageBackend, Sampling
from llm_brain.strategy.declarations import sampled
from llm_brain.strategy.decorator import llm_strategy
from llm_brain.strategy.function import TypedFunction
from llm_brain.strategy.implementation import ModelImplementation
from llm_brain.strategy.selection import Given
from llm_brain.strategy.views import typed

Answer = TypeVar("Answer", default=str)


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


def standard_function(backend: LanguageBackend, name: str, sampling: Sampling) -> TypedFunction[..., Any]:
    """Let a model answer one of the teacher's methods. No scope of `use_model` replaces it: it was given with the object.

    Args:
        backend: The model.
        name: The method's.
        sampling: How the replies are drawn.

    Example:
        >>> from llm_brain.backends import resolve_model
        >>> standard_function(resolve_model("local"), "evaluate_output", Sampling()).spec.qualified_name
        'Teacher.evaluate_output'
    """
    implementation = Given(ModelImplementation(backend))
    function = typed(getattr(llm_strategy(implementation)(Teacher)(), name))
    return TypedFunction(replace(function.spec, sampling=sampling), implementation, function.instance)


def with_answers(function: Callable[[str], Any], kind: Any) -> Callable[[str], Any]:
    """Let a typed function that writes pairs with any text for an answer write such with answers of one kind.

    Args:
        function: Anything; what returns no `TrainingPair[str]` comes back as it is.
        kind: The type of an answer: `Literal["happy", "unhappy"]`, say.

    Example:
        >>> from typing import Literal
        >>> from llm_brain import llm_strategy
        >>> with_answers(llm_strategy("local")(Teacher)().generate_training_pair, Literal["yes", "no"]).spec.line
        "Teacher.generate_training_pair(topic: str) -> TrainingPair[Literal['yes', 'no']]"
    """
    if not isinstance(function, TypedFunction) or function.spec.returns is not TrainingPair[str]:
        return function
    spec = replace(function.spec, returns=TrainingPair[kind])
    return TypedFunction(spec, function.implementation, function.instance)
