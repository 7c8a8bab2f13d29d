"""What a user declares beside a typed function: examples, how replies are drawn, and how a score is obtained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from llm_brain.backends.contract import Sampling

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])

_EXAMPLES = "__llm_brain_examples__"
_SAMPLING = "__llm_brain_sampling__"
# The same question asked twice gives the same answer; `map` numbers the repetitions, and each number is another sample.
_DEFAULT_SAMPLING = Sampling(temperature=0.0, max_tokens=512, seed=0)


@dataclass(frozen=True, slots=True)
class Example:
    """One input of a typed function and the output that it should give.

    Example:
        >>> Example({"message": "It broke."}, "unhappy").output
        'unhappy'
    """

    inputs: Mapping[str, Any]
    output: Any


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Declares that a returned score is the model's probability of the value given for a parameter.

    A small model's sampled numbers are noise, while its likelihoods are not: write
    `-> Annotated[float, Likelihood(of="mood")]`, and the score is the probability that the model itself would have answered
    with the `mood` that was passed in. A model that cannot score options is asked for its own answer instead, and the score
    is 1 where they agree and 0 where they do not; the call's details hold no probabilities then.

    Attributes:
        of: The parameter's name; its type must be a Literal, an Enum or bool.

    Example:
        >>> Likelihood(of="mood").of
        'mood'
    """

    of: str


def examples(*pairs: tuple[Mapping[str, Any], Any]) -> Callable[[AnyFunction], AnyFunction]:
    """Declare examples of a typed function; a language model is shown them before the question.

    Args:
        pairs: Each an input (parameter names and values) and the output for it.

    Example:
        >>> @examples(({"number": 2}, 4), ({"number": 5}, 10))
        ... def double(number: int) -> int:
        ...     '''Double a number.'''
        >>> len(declared_examples(double))
        2
    """

    def declare(function: AnyFunction) -> AnyFunction:
        setattr(_function_of(function), _EXAMPLES, tuple(Example(dict(inputs), output) for inputs, output in pairs))
        return function

    return declare


def sampled(temperature: float, *, top_p: float = 1.0, max_tokens: int = 512) -> Callable[[AnyFunction], AnyFunction]:
    """Declare that a function's replies are drawn at random rather than the likeliest, for data that should vary.

    Args:
        temperature: 0 is greedy; 1 samples from the model's own distribution.
        top_p: Nucleus sampling.
        max_tokens: The reply's length limit, in tokens.

    Example:
        >>> @sampled(0.8)
        ... def invent(topic: str) -> str:
        ...     '''Invent a sentence about the topic.'''
        >>> declared_sampling(invent).temperature
        0.8
    """

    def declare(function: AnyFunction) -> AnyFunction:
        setattr(_function_of(function), _SAMPLING, Sampling(temperature, top_p, max_tokens, seed=0))
        return function

    return declare


def declared_examples(function: Callable[..., Any]) -> tuple[Example, ...]:
    """Return what `examples` declared for a function; empty if nothing.

    Example:
        >>> declared_examples(len)
        ()
    """
    declared: tuple[Example, ...] = getattr(function, _EXAMPLES, ())
    return declared


def declared_sampling(function: Callable[..., Any]) -> Sampling:
    """Return what `sampled` declared for a function; greedy if nothing.

    Example:
        >>> declared_sampling(len).temperature
        0.0
    """
    declared: Sampling = getattr(function, _SAMPLING, _DEFAULT_SAMPLING)
    return declared


def _function_of(member: Any) -> Any:
    """Return the function inside a static method, a class method or a property: declarations may stand above these, too."""
    held = (getattr(member, name, None) for name in ("__func__", "fget", "func"))
    return next((function for function in held if function is not None), member)
