"""Budgets: each limit apart, and a warning where one will not last."""

from typing import Any

import pytest

from llm_brain.errors import DefinitionError
from llm_brain.optimize import Spending, StudyBudget


@pytest.mark.parametrize(
    "limits", [{}, {"trials": 0}, {"dollars": -1.0}, {"seconds": float("nan")}, {"trials": "3"}, {"trials": 2.5}, {"tokens": 0.5}]
)
def test_a_budget_without_a_limit_above_zero_is_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError):
        StudyBudget(**limits)


@pytest.mark.parametrize("name", ["trials", "evaluations", "tokens", "dollars", "seconds"])
def test_each_limit_is_kept_by_itself(name: str) -> None:
    limits: dict[str, Any] = {name: 5}
    most: dict[str, Any] = dict.fromkeys(("trials", "evaluations", "tokens", "dollars", "seconds"), 4)
    budget = StudyBudget(**limits)
    assert budget.spent_up(Spending(**most)) is None
    assert budget.spent_up(Spending(**{**most, name: 5})) == f"all 5 {name} are spent"
    assert budget.spent_up(Spending(**{**dict.fromkeys(most, 1000), name: 4})) is None


def test_what_will_not_last_is_told_with_how_far_it_reaches() -> None:
    one = Spending(1, evaluations=10, tokens=500, dollars=0.1, seconds=2)
    assert StudyBudget(trials=20, evaluations=200).shortage(one, done=1, planned=20) is None
    said = StudyBudget(trials=20, evaluations=100).shortage(one, done=1, planned=20)
    assert said == "the budget of 100 evaluations lasts for about 10 of 20 trials: a trial takes about 10"
    assert StudyBudget(dollars=0.2).shortage(one, done=1, planned=None) is None


def test_what_comes_on_top_is_told_where_it_is_a_notable_part() -> None:
    one = Spending(1, tokens=500, dollars=0.1)
    budget = StudyBudget(dollars=10.0, tokens=1_000_000)
    assert budget.shortage(one, done=1, planned=20, last=Spending(tokens=5000, dollars=0.5)) is None
    said = budget.shortage(one, done=1, planned=None, last=Spending(tokens=5000, dollars=8.0))
    assert said == "the last runs, which compare the best with the default, take about 8 dollars on top of the budget of 10.0"
