"""What a typed call leaves in the trace."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from llm_brain.strategy import Details, FunctionSpec, TypedFunction, inspect_function
from llm_brain.tracing import names, read_spans, record


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
