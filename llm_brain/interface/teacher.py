"""What `LLMInterface` asks a language model: the questions of the standard teacher, an evaluation and a training pair.

`llm_strategy(anyone)(Teacher)()`, handed to `LLMInterface`, puts the same questions to somebody else; see
`llm_brain.training.teacher`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from llm_brain.backends.contract import LanguageBackend, Sampling
from llm_brain.strategy.decorator import llm_strategy
from llm_brain.strategy.function import TypedFunction
from llm_brain.strategy.implementation import ModelImplementation
from llm_brain.strategy.selection import Given
from llm_brain.strategy.views import typed
from llm_brain.training.teacher import Teacher, TrainingPair


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
