"""How a teacher's method is called, whatever its parameters are, and what it may give back."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from numbers import Real
from typing import Any, Final, TypeVar, get_args, get_origin

from llm_brain.errors import BackendError, DefinitionError, LLMBrainError
from llm_brain.strategy.annotations.closed_sets import bare
from llm_brain.strategy.function import TypedFunction
from llm_brain.training.calls import answer_text

Result = TypeVar("Result")

FIRST_FAILURES: Final = 3
_POSITIONAL: Final = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How the arguments of a call, and what was answered, become the positional arguments of a method.

    Attributes:
        is_text: Whether the method takes the call's text in the place of the arguments.
        kinds: The annotation of each of its parameters; what is missing at the end is not annotated.

    Example:
        >>> Arrangement(False, (str, str))([4, "a"], True)
        ('4', 'a', True)
    """

    is_text: bool
    kinds: tuple[Any, ...]

    def __call__(self, given: Sequence[Any], last: Any) -> tuple[Any, ...]:
        """Arrange them."""
        values = [*given, last]
        kinds = [*self.kinds, *[Parameter.empty] * len(values)]
        return tuple(_fitting(value, kind) for value, kind in zip(values, kinds, strict=False))


def arranged(method: Callable[..., Any], width: int) -> Arrangement:
    """Find out how a method of a call's arguments and one thing more is called.

    Args:
        method: The teacher's.
        width: How many parameters the function has.

    Raises:
        DefinitionError: It takes neither so many arguments and one more, nor two.

    Example:
        >>> arranged(lambda subject, body, answer: 1.0, 2).is_text, arranged(lambda task, answer: 1.0, 2).is_text
        (False, True)
    """
    parameters = list(parameters_of(method).values())
    taken = [parameter for parameter in parameters if parameter.kind in _POSITIONAL]
    least = sum(parameter.default is Parameter.empty for parameter in taken)
    many = any(parameter.kind is Parameter.VAR_POSITIONAL for parameter in parameters)
    kinds = tuple(parameter.annotation for parameter in taken)
    for number, is_text in ((width + 1, False), (2, True)):
        if least <= number and (many or number <= len(taken)):
            return Arrangement(is_text, kinds)
    name = getattr(method, "__name__", "the method")
    message = (
        f"`{name}` of the teacher takes {', '.join(parameter.name for parameter in taken) or 'nothing'}: let it take the "
        f"{width} arguments of the function and what was answered, or the call's text and what was answered"
    )
    raise DefinitionError(message)


def parameters_of(method: Callable[..., Any]) -> Mapping[str, Parameter]:
    """Return the parameters of a method, with their types where these can be found.

    Example:
        >>> def judge(text: str, answer): ...
        >>> [parameter.annotation for parameter in parameters_of(judge).values()]
        [<class 'str'>, <class 'inspect._empty'>]
    """
    if isinstance(method, TypedFunction):
        types = method.spec.parameters
        return {name: parameter.replace(annotation=types[name]) for name, parameter in method.spec.signature.parameters.items()}
    try:
        return inspect.signature(method, eval_str=True).parameters
    except (NameError, SyntaxError, TypeError):  # a name that is only there for a type checker
        return inspect.signature(method).parameters


def forgiving(method: Callable[..., Result]) -> Callable[..., Result]:
    """Let a method in plain Python fail now and then, as a typed function may: a server that it asks is busy, say.

    An error of its own is then a failed call. One that comes out of each of its first `FIRST_FAILURES` calls, before any ended
    well, is a fault of its code, and comes out as it is.

    Args:
        method: Called from several threads.

    Example:
        >>> def judge(message: str, answer: str) -> float:
        ...     return {"It broke.": 1.0}[message]
        >>> careful = forgiving(judge)
        >>> careful("It broke.", "unhappy")
        1.0
        >>> careful("It works.", "happy")
        Traceback (most recent call last):
        ...
        llm_brain.errors.BackendError: `judge` of the teacher failed: KeyError: 'It works.'
    """
    lock, failures, works = threading.Lock(), 0, False

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Result:
        nonlocal failures, works
        try:
            told = method(*args, **kwargs)
        except LLMBrainError:
            raise
        except Exception as error:
            with lock:
                failures += 1
                is_broken = not works and failures >= FIRST_FAILURES
            if is_broken:
                raise
            name = getattr(method, "__name__", "a method")
            message = f"`{name}` of the teacher failed: {type(error).__name__}: {error}"
            raise BackendError(message, kind="server", retryable=True) from error
        works = True
        return told

    return call


def score_of(value: Any, method: Any) -> float:
    """Read the score that a method gave: a number between 0 and 1, or something with a `score`.

    Raises:
        BackendError: It is not between 0 and 1.
        DefinitionError: It is no number.

    Example:
        >>> score_of(0.5, len), score_of(True, len)
        (0.5, 1.0)
        >>> score_of(85, len)
        Traceback (most recent call last):
        ...
        llm_brain.errors.BackendError: the score 85 of `len` is not between 0 and 1, and is not clipped: let it declare its range
    """
    score = getattr(value, "score", value)
    name = getattr(method, "__name__", "the teacher")
    if not isinstance(score, Real):
        message = f"`{name}` gave {value!r:.100}: let it return a number between 0 and 1, or something with such a `score`"
        raise DefinitionError(message)
    if not 0 <= float(score) <= 1:  # a NaN is not, either
        message = f"the score {score} of `{name}` is not between 0 and 1, and is not clipped: let it declare its range"
        raise BackendError(message, kind="validation", raw=str(score))
    return float(score)


def ranking(value: Any, number: int) -> list[int]:
    """Check that a ranking names each answer once.

    Raises:
        BackendError: It does not.

    Example:
        >>> ranking((1, 0), 2)
        [1, 0]
        >>> ranking([1, 2], 2)
        Traceback (most recent call last):
        ...
        llm_brain.errors.BackendError: `rank_outputs` gave [1, 2], which does not name each of 0 to 1 once, the best first
    """
    try:
        places = [place for place in value if isinstance(place, int) and not isinstance(place, bool)]
        fits = sorted(places) == list(range(number)) and len(places) == len(value)
    except TypeError:
        places, fits = [], False
    if not fits:
        message = f"`rank_outputs` gave {value!r:.100}, which does not name each of 0 to {number - 1} once, the best first"
        raise BackendError(message, kind="validation", raw=str(value))
    return places


def _fitting(value: Any, kind: Any) -> Any:
    """Write a value as text where text is wanted, and a list of values as a list of texts."""
    if bare(kind) is str:
        return answer_text(value)
    if get_origin(bare(kind)) in (list, Sequence) and isinstance(value, list) and bare(get_args(bare(kind))[0]) is str:
        return [answer_text(each) for each in value]
    return value
