"""What a study may spend: trials, runs of the task, tokens, dollars and seconds, each apart."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from llm_brain.errors import DefinitionError

NOTABLE: Final = 0.1
"""What the last runs take is told from this share of a limit on."""


class BudgetWarning(UserWarning):
    """A budget will not last for what is planned.

    Example:
        >>> issubclass(BudgetWarning, UserWarning)
        True
    """


@dataclass(frozen=True)
class Spending:
    """What was spent.

    Attributes:
        trials: Trials begun.
        evaluations: Runs of the task; one at a lower fidelity counts as much as its fidelity.
        tokens: What all calls of models read and wrote: those of the task, and those of proposals and reflections.
        dollars: What they cost.
        seconds: How long the study has been running, those of earlier processes included.

    Example:
        >>> Spending().trials
        0
    """

    trials: int = 0
    evaluations: float = 0.0
    tokens: int = 0
    dollars: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class StudyBudget:
    """What a study may spend. No trial begins once one of them is spent; those under way are ended.

    The last runs, which only compare the finalists with the default, come on top, and what they take with them.

    Attributes:
        trials: Trials, the default's included.
        evaluations: Runs of the task.
        tokens: Tokens of all calls of models.
        dollars: US dollars.
        seconds: Time.

    Raises:
        DefinitionError: There is no limit at all, or one is no number above 0.

    Example:
        >>> budget = StudyBudget(trials=20, seconds=600)
        >>> budget.spent_up(Spending(trials=20))
        'all 20 trials are spent'
    """

    trials: int | None = None
    evaluations: float | None = None
    tokens: int | None = None
    dollars: float | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        limits = [getattr(self, field.name) for field in fields(self)]
        if all(limit is None for limit in limits):
            message = "a study's budget needs a limit, as in `StudyBudget(trials=20)`"
            raise DefinitionError(message)
        if any(limit is not None and not (isinstance(limit, int | float) and limit > 0) for limit in limits):
            message = f"the limits of a budget are numbers above 0: {self}"
            raise DefinitionError(message)
        for name in ("trials", "tokens"):
            limit = getattr(self, name)
            if isinstance(limit, float) and not limit.is_integer():
                message = f"the {name} of a budget are a whole number, and not {limit}"
                raise DefinitionError(message)

    def spent_up(self, spent: Spending) -> str | None:
        """Say what is spent, if anything is."""
        for field in fields(self):
            limit = getattr(self, field.name)
            if limit is not None and getattr(spent, field.name) >= limit:
                return f"all {limit:,} {field.name} are spent"
        return None

    def shortage(self, one_trial: Spending, *, done: int, planned: int | None, last: Spending | None = None) -> str | None:
        """Say which limit will not last for the trials, and what the last runs take on top, going by what one trial has taken.

        Args:
            one_trial: What a trial takes.
            done: How many trials are done.
            planned: How many there should be; None: nothing is planned, and nothing can be short.
            last: What the last runs take; None: nothing.

        Example:
            >>> StudyBudget(trials=20, tokens=1000).shortage(Spending(tokens=200), done=1, planned=20)
            'the budget of 1,000 tokens lasts for about 5 of 20 trials: a trial takes about 200'
        """
        told = []
        for name in ("evaluations", "tokens", "dollars", "seconds"):
            limit, each = getattr(self, name), getattr(one_trial, name)
            if planned is not None and limit is not None and each > 0 and max(done, limit / each) < planned:
                trials = f"{limit / each:.0f} of {planned} trials: a trial takes about {each:,.4g}"
                told.append(f"the budget of {limit:,} {name} lasts for about {trials}")
                break
        for name in ("tokens", "dollars"):
            limit, more = getattr(self, name), 0 if last is None else getattr(last, name)
            if limit is not None and more > limit * NOTABLE:
                what = f"about {more:,.4g} {name} on top of the budget of {limit:,}"
                told.append(f"the last runs, which compare the best with the default, take {what}")
        return "; ".join(told) or None
