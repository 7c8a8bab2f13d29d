"""From a reply's text to a checked value: strict JSON first, tolerant next. Repairs are recorded, and nothing is invented."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from llm_brain.strategy.signature import WRAPPER_FIELD, FunctionSpec
from llm_brain.strategy.words import explain

# Some chat templates open the block in the prompt, so that only its end stands in the reply.
_THINKING = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>|\A(?:(?!<think).)*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_UNFINISHED_THINKING = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_FENCE = re.compile(r"```\w*\s*(.*?)```", re.DOTALL)
_OPENING = re.compile(r"[\[{]")
_LONGEST = 1_000_000


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

    Example:
        >>> str(Unparsable("the reply holds no JSON value"))
        'the reply holds no JSON value'
    """


def parse_reply(text: str, spec: FunctionSpec, *, complete: bool = True) -> Parsed:
    r"""Turn a reply into a value of the function's return type.

    Args:
        text: The reply.
        spec: The function that was asked.
        complete: Whether the model ended the reply itself. One that was cut off is not mended, as the end would be invented.

    Raises:
        Unparsable: No value of that type can be read out of the text.

    Example:
        >>> from llm_brain.strategy.signature import inspect_function
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
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return _tolerant(text, spec, complete=complete)
    exact = value.keys() == {WRAPPER_FIELD} if spec.is_wrapped and isinstance(value, dict) else not spec.is_wrapped
    try:
        return Parsed(
            _validate(value[WRAPPER_FIELD] if spec.is_wrapped and exact else value, spec, strict=True), repaired=not exact
        )
    except (ValidationError, Unparsable):
        return Parsed(_read(value, spec), repaired=True)


def _text(text: str, spec: FunctionSpec) -> Parsed:
    said = _THINKING.sub("", text).strip()
    if not said or _UNFINISHED_THINKING.match(said):
        message = "the reply holds no answer"
        raise Unparsable(message)
    try:
        return Parsed(spec.adapter.validate_python(said), repaired=said != text.strip())
    except ValidationError as error:
        raise Unparsable(explain(error)) from error


def _tolerant(text: str, spec: FunctionSpec, *, complete: bool) -> Parsed:
    """Read a reply that is not JSON: values within it, the text itself as a string, and JSON with mistakes, in this order."""
    said = _THINKING.sub("", text).strip()
    fenced = _FENCE.search(said)
    inside = fenced.group(1).strip() if fenced else said
    problem: Unparsable | None = None
    for values in (_within(inside), [inside] if not fenced and inside else [], _mended(inside) if complete else []):
        read = []
        for value in values:
            try:
                read.append(_read(value, spec))
            except Unparsable as error:
                # A complaint about a structure says more to the model than one about the whole text.
                problem = error if problem is None or not isinstance(value, str) else problem
        if any(other != read[0] for other in read[1:]):
            message = "the reply holds several answers that differ: give one"
            raise Unparsable(message)
        if read:
            return Parsed(read[0], repaired=True)
    if not complete:
        message = "the reply was cut off by the length limit: answer more briefly"
        raise Unparsable(message)
    raise problem or Unparsable("the reply holds no JSON value")


def _read(value: Any, spec: FunctionSpec) -> Any:
    """Validate a value as it stands, and, where that fails and it has the wrapper's field, what is in there."""
    held = isinstance(value, dict) and WRAPPER_FIELD in value
    tries = [value[WRAPPER_FIELD], value] if held and spec.is_wrapped else [value, value[WRAPPER_FIELD]] if held else [value]
    problem: Unparsable | None = None
    for given in tries:
        try:
            return _validate(given, spec, strict=False)
        except ValidationError as error:
            problem = problem or Unparsable(explain(error))
        except Unparsable as error:
            problem = problem or error
    raise problem or Unparsable("the reply holds no value")


def _validate(value: Any, spec: FunctionSpec, *, strict: bool) -> Any:
    # JSON has no tuples, dates or enums: validating the JSON text, not the Python value, lets pydantic read them strictly.
    # In ASCII a lone surrogate is an escape, which pydantic refuses in words; as a character it could not even be encoded.
    try:
        text = json.dumps(value)
        result = spec.adapter.validate_json(text, strict=strict)
    except RecursionError as error:
        message = "the reply is nested too deeply"
        raise Unparsable(message) from error
    except ValidationError:
        raise
    except ValueError as error:
        raise Unparsable(str(error)[:200]) from error
    if not _is_finite(spec.adapter.dump_python(result, warnings=False)):
        message = "the reply holds a number that is not finite"
        raise Unparsable(message)
    return result


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Decimal):
        return value.is_finite()
    if isinstance(value, dict):
        return all(map(_is_finite, value.values())) and all(map(_is_finite, value))
    return not isinstance(value, list | tuple | set | frozenset) or all(map(_is_finite, value))


def _within(text: str) -> list[Any]:
    """Find the JSON objects and arrays that stand in a text; the whole text, where it is JSON."""
    found, place, decoder = [], 0, json.JSONDecoder(parse_constant=_refuse)
    try:
        return [decoder.decode(text)]
    except (ValueError, RecursionError):
        pass
    while opening := _OPENING.search(text, place):
        try:
            value, place = decoder.raw_decode(text, opening.start())
        except (ValueError, RecursionError):
            return []  # what is left may be the inside of something broken
        found.append(value)
    return found


def _mended(text: str) -> list[Any]:
    from json_repair import repair_json

    try:
        value: Any = repair_json(text, return_objects=True)
    except (ValueError, RecursionError, TypeError, IndexError):
        return []
    # Without an opening there was no structure to mend, and these are what it makes of nothing.
    return [] if value in ("", [], {}) or not _OPENING.search(text) else [value]


def _refuse(constant: str) -> float:
    message = f"{constant} is not JSON"
    raise ValueError(message)
