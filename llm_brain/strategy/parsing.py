"""From a reply's text to a checked value: strict JSON first, tolerant next. Repairs are recorded, and nothing is invented."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ConfigDict, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from llm_brain.strategy.finite import is_finite
from llm_brain.strategy.reading.broken import Broken
from llm_brain.strategy.reading.finding import find_values, scalars_in, without_thinking
from llm_brain.strategy.signature import WRAPPER_FIELD, FunctionSpec
from llm_brain.strategy.words import explain

_LONGEST = 1_000_000
_NOT_FINITE = "the reply holds a number that is not finite"
_CUT = "the reply was cut off by the length limit: answer more briefly"


@dataclass(frozen=True, slots=True)
class Parsed:
    """A value, and whether its text had to be repaired.

    Example:
        >>> Parsed(3, repaired=False).value
        3
    """

    value: Any
    repaired: bool


class Unparsable(ValueError):  # noqa: N818 - it never leaves the strategy room, which asks the model again with its text
    """A reply does not fit the return type; the message says in words how.

    Attributes:
        value: The value that was read out of the reply and does not fit; None where none could be read.

    Example:
        >>> str(Unparsable("the reply holds no JSON value"))
        'the reply holds no JSON value'
    """

    value: Any = None


ENDED: Final = "stop"
CUT: Final = "length"


def parse_reply(text: str, spec: FunctionSpec, *, finish: str = ENDED) -> Parsed:
    r"""Turn a reply into a value of the function's return type.

    Args:
        text: The reply.
        spec: The function that was asked.
        finish: Why the reply ended: "stop" where the model ended it itself. The end of any other is not mended, as it would be
            invented; of one that the length limit cut ("length"), even a bare number may not be all.

    Raises:
        Unparsable: No value of that type can be read out of the text.

    Example:
        >>> from llm_brain.strategy import inspect_function
        >>> def double(number: int) -> int:
        ...     '''Double a number.'''
        >>> parse_reply('Sure: ```json\n{"return_value": 8,}\n```', inspect_function(double))
        Parsed(value=8, repaired=True)
    """
    if spec.is_text:
        return _text(text, spec)
    if len(text) > _LONGEST:
        message = f"the reply is longer than {_LONGEST} characters"
        raise Unparsable(message)
    try:
        value = _strict(spec).validate_json(text, strict=True)
    except ValidationError:
        return _lenient(text, spec, finish=finish)
    except Exception as error:
        raise _failed(error) from error
    if spec.is_wrapped:
        value = value[WRAPPER_FIELD]
    elif WRAPPER_FIELD in text and _is_wrapped_unasked(json.loads(text), spec):
        return _lenient(text, spec, finish=finish)  # a model whose fields all have defaults takes any object
    if not is_finite(value):
        raise Unparsable(_NOT_FINITE)
    return Parsed(value, repaired=False)


def _strict(spec: FunctionSpec) -> TypeAdapter[Any]:
    """Return the validator of a reply as it was asked for: the value, or an object with nothing but the value."""
    known: dict[str, Any] = vars(spec)  # where its cached properties are kept, too
    adapter: TypeAdapter[Any] | None = known.get("_strict")
    if adapter is None:
        adapter = known["_strict"] = _wrapper(spec) if spec.is_wrapped else spec.adapter
    return adapter


def _wrapper(spec: FunctionSpec) -> TypeAdapter[Any]:
    make: Any = TypedDict
    kind: Any = list
    wrapper = make("Reply", {WRAPPER_FIELD: spec.returns if spec.items is None else kind[spec.items]})
    wrapper.__pydantic_config__ = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    return TypeAdapter(wrapper)


def _text(text: str, spec: FunctionSpec) -> Parsed:
    try:
        said = without_thinking(text)
    except Broken as error:
        message = f"the reply holds no answer: {error}"
        raise Unparsable(message) from error
    if not said:
        message = "the reply holds no answer"
        raise Unparsable(message)
    if said.startswith("{") and isinstance(unwrapped := _unwrapped_text(said), str):
        said = unwrapped
    return Parsed(_checked(spec.adapter.validate_python, said), repaired=said != text.strip())


def _unwrapped_text(said: str) -> Any:
    """Return the text in an object that holds nothing but the wrapper's field, which some models write unasked."""
    try:
        value = json.loads(said)
    except (ValueError, RecursionError):
        return None
    return value[WRAPPER_FIELD] if value.keys() == {WRAPPER_FIELD} else None


def _lenient(text: str, spec: FunctionSpec, *, finish: str) -> Parsed:
    """Read a reply that is not exactly what was asked for: other JSON, or no JSON as it stands."""
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return _tolerant(text, spec, finish=finish)
    if finish == CUT and isinstance(value, int | float):
        raise Unparsable(_CUT)
    return Parsed(_read(value, spec), repaired=True)


def _tolerant(text: str, spec: FunctionSpec, *, finish: str) -> Parsed:
    """Read a reply that is not JSON: the values in its fences, those in all of it, all of them as one, and a bare value."""
    try:
        said = without_thinking(text)
    except Broken as error:
        message = f"the reply holds no answer: {error}"
        raise Unparsable(message) from error
    findings = find_values(said, complete=finish == ENDED)
    values = [found.value for found in findings.values]
    fenced = [found.value for found in findings.values if found.in_fence]
    answers, problem = _fitting(fenced, spec)
    if not answers and findings.is_cut:
        raise Unparsable(_CUT)
    if not answers and findings.problem is not None:
        message = f"the reply is no JSON: {findings.problem}"
        raise Unparsable(message) from findings.problem
    if not answers and len(fenced) < len(values):
        answers, problem = _fitting(values, spec)
    if not answers and len(values) > 1 and findings.is_all:
        answers, _ = _fitting([values], spec)
    if not answers and not values and finish == CUT:
        raise Unparsable(_CUT)
    if not answers and finish != CUT:
        answers, other = _fitting(scalars_in(said), spec)
        problem = problem or other
    if any(answer != answers[0] for answer in answers[1:]):
        message = "the reply holds several answers that differ: give one"
        raise Unparsable(message)
    if not answers:
        raise problem or Unparsable("the reply holds no JSON value")
    return Parsed(answers[0], repaired=True)


def _fitting(values: list[Any], spec: FunctionSpec) -> tuple[list[Any], Unparsable | None]:
    """Return those of the values that fit the return type, checked, and what is wrong with the first that does not."""
    answers, problem = [], None
    for value in values:
        try:
            answers.append(_read(value, spec))
        except Unparsable as error:
            problem = problem or error
    return answers, problem


def _read(value: Any, spec: FunctionSpec) -> Any:
    """Validate a value, or what it holds: in the wrapper's field, or as JSON in a string."""
    tries = [value]
    if isinstance(value, dict) and WRAPPER_FIELD in value:
        within = value[WRAPPER_FIELD]
        tries = [within, value] if spec.is_wrapped or _is_wrapped_unasked(value, spec) else [value, within]
    problem: Unparsable | None = None
    for given in tries:
        try:
            return check(given, spec.adapter.validate_json)
        except Unparsable as error:
            problem = problem or error
    if isinstance(value, str) and value[:1] in {"{", "["}:
        try:
            return _read(json.loads(value, parse_constant=_refuse), spec)
        except (ValueError, RecursionError):
            pass
    problem = problem or Unparsable("the reply holds no value")
    problem.value = value
    raise problem


def _is_wrapped_unasked(value: Any, spec: FunctionSpec) -> bool:
    fields_of_type = spec.schema.get("properties", {})
    return (
        isinstance(value, dict)
        and value.keys() == {WRAPPER_FIELD}
        and bool(fields_of_type)
        and WRAPPER_FIELD not in fields_of_type
    )


def check(value: Any, validate: Callable[..., Any]) -> Any:
    """Validate a JSON value: strictly, or as far as values are converted where that fails.

    Args:
        value: The value.
        validate: A validator of JSON text, such as a `TypeAdapter` has.

    Raises:
        Unparsable: It does not fit; the message says in words how.

    Example:
        >>> check("12", TypeAdapter(int).validate_json)
        12
    """
    # JSON has no tuples, dates or enums: validating the JSON text, not the Python value, lets pydantic read them strictly.
    # In ASCII a lone surrogate is an escape, which pydantic refuses in words; as a character it could not even be encoded.
    try:
        text = json.dumps(value)
    except (RecursionError, ValueError) as error:
        message = "the reply is nested too deeply, or holds a number that is too long"
        raise Unparsable(message) from error
    try:
        result = _checked(lambda given: validate(given, strict=True), text)
    except Unparsable:
        result = _checked(validate, text)
    if not is_finite(result):
        raise Unparsable(_NOT_FINITE)
    return result


def _checked(validate: Callable[[str], Any], given: str) -> Any:
    try:
        return validate(given)
    except ValidationError as error:
        raise Unparsable(_words(error)) from error
    except Exception as error:  # a validator of the user's own may raise anything
        raise _failed(error) from error


def _words(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] != "json_invalid":
        return explain(error)
    # The JSON was written here, and only these two make a reader refuse it.
    is_deep = "recursion" in first["msg"]
    return "the reply is nested too deeply" if is_deep else "the reply holds half of a pair of surrogates, which is no character"


def _failed(error: Exception) -> Unparsable:
    return Unparsable(f"{type(error).__name__}: {error}"[:200])


def _refuse(constant: str) -> float:
    message = f"{constant} is not JSON"
    raise ValueError(message)
