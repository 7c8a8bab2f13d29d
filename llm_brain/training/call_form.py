"""What the calls of a function are made of, which a brain learned to read: others would be read, and answered at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from llm_brain.errors import CheckpointError
from llm_brain.strategy.annotations.hidden import hides
from llm_brain.strategy.annotations.names import type_name
from llm_brain.strategy.function import TypedFunction
from llm_brain.strategy.signature import FunctionSpec
from llm_brain.training.calls import state_of


@dataclass(frozen=True, slots=True)
class CallForm:
    """What calls are made of.

    Attributes:
        parameters: In their order, each with the name of its type; what is hidden is not read.
        state: The names of the fields of the object, where it had some.

    Example:
        >>> from llm_brain import llm_strategy
        >>> @llm_strategy("local")
        ... def fits(answer: str, limit: int) -> bool:
        ...     '''Tell whether the answer is short enough.'''
        >>> form = CallForm.of(fits)
        >>> str(form), form == CallForm.restored(form.described())
        ('(answer: str, limit: int)', True)
    """

    parameters: tuple[tuple[str, str], ...]
    state: tuple[str, ...] = ()

    @classmethod
    def of(cls, function: TypedFunction[..., Any]) -> Self:
        """Tell what the calls of a function are made of, on its object as it is now."""
        return cls(parameters_read(function.spec), tuple(state_of(function) or ()))

    @classmethod
    def restored(cls, described: Any) -> Self:
        """Read what `described` gave.

        Raises:
            CheckpointError: It is something else.
        """
        try:
            return cls(
                tuple((str(name), str(kind)) for name, kind in described["parameters"]), tuple(map(str, described["state"]))
            )
        except (KeyError, TypeError, ValueError) as error:
            message = f"{described!r:.100} does not tell what calls are made of"
            raise CheckpointError(message) from error

    def described(self) -> dict[str, Any]:
        """Say it in JSON."""
        return {"parameters": [list(pair) for pair in self.parameters], "state": list(self.state)}

    def fits_state(self, state: Mapping[str, Any] | None) -> bool:
        """Tell whether an object has a state where the one that was taught had one, and none where it had none."""
        return bool(state) == bool(self.state)

    def __str__(self) -> str:
        """Write the parameters as a signature has them."""
        return f"({', '.join(f'{name}: {kind}' for name, kind in self.parameters)})"


def parameters_read(spec: FunctionSpec) -> tuple[tuple[str, str], ...]:
    """Give the parameters that calls are read by, each with the name of its type.

    Example:
        >>> from llm_brain.strategy import inspect_function
        >>> def even(number: int) -> bool:
        ...     '''Tell whether a number is even.'''
        >>> parameters_read(inspect_function(even))
        (('number', 'int'),)
    """
    return tuple((name, type_name(annotation)) for name, annotation in spec.parameters.items() if not hides(annotation))
