"""Which runs a trial needs, block by block, and what it ends with.

gate      the cases that its proposer looked at: it goes on if it is better there than what it was made from
blocks    a race against the best trial, which is run where it has not run yet
the end   complete, stopped, or failed, and a score
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from llm_brain.optimize.objective import Outcome
from llm_brain.optimize.racing import Unit, blocks, estimate, is_worse
from llm_brain.optimize.study import Status, Trial


class Need(NamedTuple):
    """A run that is needed: of which trial, on which case, which time."""

    trial: int
    case: int
    replicate: int


class End(NamedTuple):
    """What a trial ended with."""

    status: Status
    score: float | None


@dataclass(frozen=True)
class Rules:
    """What decides how a trial is run.

    Attributes:
        races: Whether a trial that is clearly worse than the best one is stopped.
        failure_score: What a run that failed counts as; None: the trial has failed.

    Example:
        >>> Rules().races
        True
    """

    races: bool = True
    failure_score: float | None = None


def runs_of(
    trial: Trial[Any],
    units: Sequence[Unit],
    outcomes: Mapping[Need, Outcome],
    rules: Rules,
    *,
    best: Trial[Any] | None = None,
    parent: Trial[Any] | None = None,
    gate: Sequence[int] = (),
) -> Generator[list[Need], None, End]:
    """Tell which runs a trial needs, one block after the other; those that were asked for are in `outcomes` when it goes on.

    Args:
        trial: The trial.
        units: All that it may have to run, in order.
        outcomes: What came of the runs so far, of all trials.
        rules: See `Rules`.
        best: The best trial when this one was proposed.
        parent: What it was made from.
        gate: Cases on which it has to be better than its parent.

    Returns:
        What it ended with.

    Example:
        >>> trial, outcomes = Trial(1, "core", None), {Need(1, 0, 0): Outcome(0, 0, 0.5)}
        >>> steps = runs_of(trial, [(0, 0)], outcomes, Rules())
        >>> next(steps)
        [Need(trial=1, case=0, replicate=0)]
        >>> try:
        ...     next(steps)
        ... except StopIteration as stopped:
        ...     print(stopped.value)
        End(status='complete', score=0.5)
    """
    scores = _Scores(outcomes, rules)
    # What other trials have these two run meanwhile comes earlier where runs are faster: it must not decide anything here.
    seen = {one.number: {(made.case, made.replicate) for made in one.outcomes} for one in (best, parent) if one is not None}
    if parent is not None and (first := [unit for unit in units if unit[0] in gate]):
        yield [Need(one.number, *unit) for one in (trial, parent) for unit in first]
        seen[parent.number].update(first)
        mine, before = scores.of(trial, first), scores.of(parent, first)
        if mine is None:
            return End("failed", None)
        # A parent that failed there is no measure: whatever does not fail is better.
        if before is not None and sum(mine.values()) <= sum(before.values()):
            known = scores.of(parent, [unit for unit in units if unit in seen[parent.number]])
            return End("stopped", estimate(mine, known or before))
    rival = best if rules.races else None
    cut = blocks(units) if rival is not None else [units]
    for number, block in enumerate(cut):
        yield [Need(one.number, *unit) for one in (trial, rival) if one is not None for unit in block]
        mine = scores.of(trial, units)
        if mine is None:
            return End("failed", None)
        known = None
        if rival is not None:
            seen[rival.number].update(block)
            known = scores.of(rival, [unit for unit in units if unit in seen[rival.number]])
        if known and number < len(cut) - 1 and is_worse(mine, known, looks=len(cut) - 1):
            return End("stopped", estimate(mine, known))
    mine = scores.of(trial, units) or {}
    return End("complete", sum(mine.values()) / len(mine))


@dataclass(frozen=True)
class _Scores:
    outcomes: Mapping[Need, Outcome]
    rules: Rules

    def of(self, trial: Trial[Any], units: Sequence[Unit]) -> dict[Unit, float] | None:
        """Give the scores that there are; None where a run failed, and that counts as nothing."""
        found = {}
        for unit in units:
            outcome = self.outcomes.get(Need(trial.number, *unit))
            if outcome is not None:
                score = self.rules.failure_score if outcome.score is None else outcome.score
                if score is None:
                    return None
                found[unit] = score
        return found
