"""Every type that a typed function may return: what is taken for a value of it, what is not, and what the model is then asked."""

from __future__ import annotations

from typing import Any

import pytest

from llm_brain.errors import ReplyError
from llm_brain.strategy import ModelImplementation, TypedFunction
from llm_brain.strategy.parsing import Parsed, Unparsable, parse_reply
from llm_brain.strategy.partial import PartialReader
from tests.strategy.cases.return_types import RETURN_TYPES
from tests.strategy.conftest import Scripted, returning

# A closed set of answers is chosen from, and plain text is not parsed; `test_implementation` is about both.
ASKED = {name: case for name, case in RETURN_TYPES.items() if returning(case[0]).options is None}
each_type = pytest.mark.parametrize(("kind", "good", "value", "bad"), RETURN_TYPES.values(), ids=RETURN_TYPES)
each_asked_type = pytest.mark.parametrize(("kind", "good", "value", "bad"), ASKED.values(), ids=ASKED)


def wrapped(kind: Any, text: str) -> str:
    return f'{{"return_value": {text}}}' if returning(kind).is_wrapped else text


@each_type
def test_a_reply_as_it_was_asked_for_is_a_value_and_another_is_not(kind: Any, good: str, value: Any, bad: str) -> None:
    spec = returning(kind)
    parsed = parse_reply(wrapped(kind, good), spec)
    assert parsed == Parsed(value, repaired=False)
    assert type(parsed.value) is type(value)
    for wrong in (wrapped(kind, bad), bad, f"```json\n{bad}\n```"):
        with pytest.raises(Unparsable):
            parse_reply(wrong, spec)


@each_type
def test_the_wrapper_makes_no_difference_to_the_value(kind: Any, good: str, value: Any, bad: str) -> None:
    spec = returning(kind)
    del bad
    other = good if spec.is_wrapped else f'{{"return_value": {good}}}'
    if not spec.is_wrapped and "properties" not in spec.schema:
        return  # an object of any keys may have this one
    assert parse_reply(other, spec) == Parsed(value, repaired=True)
    assert parse_reply(f"So:\n```json\n{wrapped(kind, good)}\n```", spec) == Parsed(value, repaired=True)


@each_type
def test_a_reply_that_grows_ends_as_the_value(kind: Any, good: str, value: Any, bad: str) -> None:
    del bad
    reader = PartialReader(returning(kind))
    parts = [part for char in wrapped(kind, good) for part in reader.feed(char)]
    assert parts[-1] == value
    assert type(parts[-1]) is type(value)


def asked(kind: Any, *replies: str) -> tuple[TypedFunction[..., Any], Scripted]:
    backend = Scripted(*replies)
    return TypedFunction(returning(kind), ModelImplementation(backend)), backend


@each_asked_type
def test_a_good_reply_takes_one_request(kind: Any, good: str, value: Any, bad: str) -> None:
    del bad
    function, backend = asked(kind, wrapped(kind, good))
    assert function() == value
    assert len(backend.requests) == 1


@each_asked_type
def test_a_bad_reply_is_asked_again_with_what_was_wrong(kind: Any, good: str, value: Any, bad: str) -> None:
    function, backend = asked(kind, wrapped(kind, bad), wrapped(kind, good))
    details = function.with_details()
    assert details.value == value
    assert (details.attempts, len(backend.requests)) == (2, 2)
    with pytest.raises(Unparsable) as refused:
        parse_reply(wrapped(kind, bad), returning(kind))
    answer, complaint = backend.requests[1].messages[-2:]
    assert answer.content == wrapped(kind, bad)
    assert str(refused.value) in complaint.content


@each_asked_type
def test_two_bad_replies_are_asked_again_without_the_first_of_them(kind: Any, good: str, value: Any, bad: str) -> None:
    function, backend = asked(kind, "{", wrapped(kind, bad), wrapped(kind, good))
    assert function() == value
    assert len(backend.requests) == 3
    assert len(backend.requests[2].messages) == len(backend.requests[1].messages)


@each_asked_type
def test_three_bad_replies_are_an_error_with_the_last_of_them(kind: Any, good: str, value: Any, bad: str) -> None:
    del good, value
    function, backend = asked(kind, "{", "[", wrapped(kind, bad))
    with pytest.raises(ReplyError) as failed:
        function()
    assert failed.value.raw == wrapped(kind, bad)
    assert len(failed.value.attempts) == 3
    assert len(backend.requests) == 3


def test_there_are_many_types() -> None:
    assert len(RETURN_TYPES) >= 80
    assert len(ASKED) >= 70
