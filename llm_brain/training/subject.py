"""What is taught: a function, the answers that it gives, and its teacher."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch

from llm_brain.brain.heads.answers import Choice
from llm_brain.errors import DefinitionError
from llm_brain.strategy.function import TypedFunction
from llm_brain.strategy.implementation import Details
from llm_brain.strategy.views import typed
from llm_brain.training.answers import AnswerType, answer_for
from llm_brain.training.calls import call_text, state_of
from llm_brain.training.teaching import Teaching


@dataclass(frozen=True)
class Subject:
    """A function that is taught.

    Attributes:
        function: Bound to an object where it is a method; its implementation is the model.
        kind: The answers that it gives.
        teaching: The teacher's methods.

    Example:
        >>> from llm_brain.strategy import llm_strategy
        >>> @llm_strategy("local")
        ... def mood(message: str) -> bool:
        ...     '''Tell whether the customer is happy.'''
        >>> subject = Subject.of(mood)
        >>> subject.kind.answer.options, subject.text({"message": "It broke."})
        (2, 'It broke.')
    """

    function: TypedFunction[..., Any]
    kind: AnswerType
    teaching: Teaching

    @classmethod
    def of(cls, function: TypedFunction[..., Any], teacher: object | None = None) -> Self:
        """Put a function and its teacher together.

        Raises:
            DefinitionError: A brain cannot answer with the return type, or the teacher does not fit the function.
        """
        teaching = Teaching(teacher, function)
        return cls(function, answer_for(function.spec.returns), teaching)

    def text(self, arguments: Mapping[str, Any]) -> str:
        """Write a call of the function, on its object as it is now, as the brain reads it.

        Raises:
            ArgumentError: An argument has no JSON form.
        """
        return call_text(self.function.spec, arguments, state_of(self.function))

    def probabilities(self, details: Details[Any]) -> tuple[float, ...]:
        """Put the probabilities that came with an answer in the order of the options; empty where not all came."""
        answer = self.kind.answer
        options = self.kind.values(torch.arange(answer.options)) if isinstance(answer, Choice) else []
        told = details.probabilities
        return tuple(float(told[option]) for option in options) if all(option in told for option in options) else ()


def bound(function: Callable[..., Any]) -> TypedFunction[..., Any]:
    """Return a function as one that can be called: a method that is named through its class gets an object without a state.

    Raises:
        DefinitionError: It is no typed function, or one that is awaited.

    Example:
        >>> from llm_brain.strategy import llm_strategy
        >>> @llm_strategy("local")
        ... class Reader:
        ...     def mood(self, message: str) -> bool:
        ...         '''Tell whether the customer is happy.'''
        >>> bound(Reader.mood).instance is not None
        True
    """
    found = typed(function)
    if not isinstance(found, TypedFunction):
        message = f"{found!r} is not a typed function that is called and returns: teach one that is"
        raise DefinitionError(message)
    return found.__get__(_Stateless()) if found.spec.takes_self and found.instance is None else found


class _Stateless:
    """Whose method a function is that was named through its class."""
