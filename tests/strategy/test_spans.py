"""What a typed call leaves in the trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from llm_brain.errors import ReplyError
from llm_brain.strategy import Details, FunctionSpec, ModelImplementation, TypedFunction, inspect_function
from llm_brain.tracing import SpanRecord, names, read_spans, record
from tests.strategy.conftest import Scripted


class Doubler:
    name = "doubler"

    def call(
        self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
    ) -> Details:
        del spec, state, sample
        return Details(arguments["number"] * 2, self.name, attempts=2, repaired=True)


def double(number: int) -> int:
    """Double a number."""
    raise NotImplementedError


@pytest.mark.parametrize("capture", [True, False])
def test_a_typed_call_is_a_span_with_its_arguments_and_value_where_contents_are_captured(
    tmp_path: Path, *, capture: bool
) -> None:
    with record(tmp_path, capture_content=capture):
        assert TypedFunction(inspect_function(double), Doubler())(21) == 42
    (call,) = read_spans(tmp_path)
    assert call.attributes[names.ATTEMPTS] == 2
    assert call.attributes[names.REPAIRED] is True
    assert (names.VALUE in call.attributes) is capture
    assert (call.attributes.get(names.ARGUMENTS) == {"number": 21}) is capture


def is_even(number: int) -> bool:
    """Tell whether a number is even."""
    raise NotImplementedError


def numbers(text: str) -> Iterator[int]:
    """Read the numbers."""
    raise NotImplementedError


def asked(function: Any, *replies: str) -> TypedFunction[..., Any]:
    return TypedFunction(inspect_function(function), ModelImplementation(Scripted(*replies)))


def by_kind(folder: Path) -> dict[str, list[SpanRecord]]:
    spans: dict[str, list[SpanRecord]] = {}
    for one in read_spans(folder):
        spans.setdefault(one.kind or "", []).append(one)
    return spans


def test_a_call_that_is_answered_at_once_is_a_function_with_a_call_in_it(tmp_path: Path) -> None:
    with record(tmp_path):
        assert asked(double, "8")(4) == 8
    spans = by_kind(tmp_path)
    assert list(spans) == ["call", "function"]
    assert spans["call"][0].parent_id == spans["function"][0].span_id


@pytest.mark.parametrize("capture", [True, False])
def test_each_further_question_is_a_repair_with_its_reason_around_its_call(tmp_path: Path, *, capture: bool) -> None:
    with record(tmp_path, capture_content=capture):
        assert asked(double, "forty", "two", "8")(4) == 8
    spans = by_kind(tmp_path)
    (function,) = spans["function"]
    first, second, third = spans["call"]
    assert [one.attributes[names.ATTEMPT] for one in spans["repair"]] == [2, 3]
    assert [one.parent_id for one in spans["repair"]] == [function.span_id] * 2
    assert first.parent_id == function.span_id
    assert [second.parent_id, third.parent_id] == [one.span_id for one in spans["repair"]]
    assert [bool(one.attributes.get(names.REASON)) for one in spans["repair"]] == [capture] * 2
    assert function.attributes[names.ATTEMPTS] == 3


def test_a_choice_and_a_stream_that_are_asked_for_again_have_repairs_too(tmp_path: Path) -> None:
    with record(tmp_path / "choice"):
        assert asked(is_even, "perhaps", "true")(4) is True
    with record(tmp_path / "stream"):
        assert list(asked(numbers, "none at all", "[1, 2]")("1 and 2")) == [1, 2]
    for place in ("choice", "stream"):
        spans = by_kind(tmp_path / place)
        first, second = spans["call"]
        assert (first.parent_id, second.parent_id) == (spans["function"][0].span_id, spans["repair"][0].span_id)


def test_a_repair_in_vain_ends_with_the_function_that_failed(tmp_path: Path) -> None:
    with record(tmp_path), pytest.raises(ReplyError):
        asked(double, "forty")(4)
    spans = by_kind(tmp_path)
    assert (len(spans["call"]), len(spans["repair"]), spans["function"][0].status) == (3, 2, "error")
