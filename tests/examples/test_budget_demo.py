"""The budget's example stops where it says, pays for nothing twice, and knows which prices are known."""

from __future__ import annotations

import re

import pytest

from examples.budget import demo


def test_the_job_stops_at_its_budget_and_the_second_one_pays_for_the_rest_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main() == 0
    shown = capsys.readouterr().out
    stopped = re.search(r"stopped: (.*)", shown)
    assert stopped is not None
    assert "token" in stopped[1]
    found = re.search(r"(\d+) answers were paid for.*?(\d+) answers, (\d+) of them new", shown, re.DOTALL)
    assert found is not None
    paid, answered, new = map(int, found.groups())
    assert 0 < paid < demo.MESSAGES == answered
    assert paid + new == answered
    assert re.search(r"my-own-model +nobody knows", shown)
    assert re.search(r"gpt-4o-mini +\$0\.0\d+", shown)
