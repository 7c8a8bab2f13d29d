"""What a cascade asks of a brain: an answer, how sure it is of it, and how it saw the input, in one pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from torch import Tensor

from llm_brain.errors import DefinitionError
from llm_brain.strategy.implementation import Details

if TYPE_CHECKING:
    from llm_brain.strategy.signature import FunctionSpec


class UntaughtError(DefinitionError):
    """A call of the function that a brain was taught, on an object of a kind that it was not taught: with a state, or without.

    A cascade has its model answer such a call.

    Example:
        >>> issubclass(UntaughtError, DefinitionError)
        True
    """


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """A brain's answer to one text.

    Attributes:
        details: The answer, as the caller of the typed function gets it.
        confidence: How sure the brain is: the probability of its answer, say. Only the order of confidences counts, so that the
            logarithm of a density does as well.
        features: What the brain made of the text, `[d]`: the mean of its features over the text's steps.

    Example:
        >>> import torch
        >>> Answered(Details(True, "brain"), 0.9, torch.zeros(4)).confidence
        0.9
    """

    details: Details[Any]
    confidence: float
    features: Tensor


@runtime_checkable
class Confident(Protocol):
    """A brain that tells how sure it is. It may be asked from several threads at once.

    Attributes:
        name: For details and traces.
        function: The qualified name of the function that it was taught ("Triage.urgent").

    Example:
        >>> import torch
        >>> class Sure:
        ...     name, function = "sure", "Triage.mood"
        ...     def text(self, spec, arguments, state):
        ...         return arguments["message"]
        ...     def answer(self, text):
        ...         return Answered(Details("happy", self.name), 0.9, torch.zeros(4))
        >>> isinstance(Sure(), Confident)
        True
    """

    name: str
    function: str

    def text(self, spec: FunctionSpec, arguments: Mapping[str, Any], state: Mapping[str, Any] | None) -> str:
        """Write a call as the text that the brain reads.

        Raises:
            DefinitionError: The function takes or returns something else than what the brain was taught.
            UntaughtError: The brain was taught with a state of the object, and there is none, or the other way round.
        """
        ...

    def answer(self, text: str) -> Answered:
        """Answer a text."""
        ...


class HeldOut(Protocol):
    """A call that the brain was not trained on, with the model's answer: a `Pair`, for one.

    Attributes:
        text: The call, as the brain reads it.
        answer: What the model answered: a value of the function's return type.

    Example:
        >>> from collections import namedtuple
        >>> held_out: HeldOut = namedtuple("Pair", ["text", "answer"])("It broke.", "unhappy")
    """

    @property
    def text(self) -> str:
        """The call."""
        ...

    @property
    def answer(self) -> Any:
        """What the model answered."""
        ...
