"""Broken JSON by the families of json_repair: the value that a careful reader takes, or a question to the model."""

from __future__ import annotations

from typing import Any

import pytest

from llm_brain.strategy.parsing import Unparsable, parse_reply
from tests.strategy.cases.repairs import REFUSED, REPAIRS
from tests.strategy.conftest import returning

CASES = [(text, value) for cases in REPAIRS.values() for text, value in cases]
NAMES = [f"{family} {place}" for family, cases in REPAIRS.items() for place in range(len(cases))]


@pytest.mark.parametrize(("text", "value"), CASES, ids=NAMES)
def test_a_careful_reader_takes_what_was_meant_and_makes_nothing_up(text: str, value: Any) -> None:
    spec = returning(dict[str, Any] | list[Any] | int)
    if value is REFUSED:
        with pytest.raises(Unparsable) as refused:
            parse_reply(text, spec)
        assert str(refused.value)
        return
    parsed = parse_reply(text, spec)
    assert parsed.value == value
    assert parsed.repaired


def test_there_are_many_cases_of_each_outcome() -> None:
    assert sum(value is not REFUSED for _, value in CASES) >= 120
    assert sum(value is REFUSED for _, value in CASES) >= 50
