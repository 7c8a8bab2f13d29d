"""The Pareto front over cases: the trials that are best at something, without those whose wins others have, too.

    best(case)   = the trials with the highest score on the case
    dominated(t) : each case that t is best at has another best trial that stays; looked for from the lowest score up
    P(parent=t)  = wins(t) / sum of all wins, over the trials that stay

This is how GEPA (Agrawal et al. 2025, arXiv 2507.19457) chooses whom to improve. A mean hides what a text is good at; dominated
trials, kept, would be drawn as often as those that made them superfluous.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from llm_brain.optimize.study import Trial


@dataclass(frozen=True)
class ParetoFront:
    """The trials that are best at something.

    Attributes:
        wins: The cases that each of them is best at, alone or with others, by the trial's number.

    Example:
        >>> from llm_brain.optimize.objective import Outcome
        >>> def trial(number, *scores):
        ...     outcomes = [Outcome(case, 0, score) for case, score in enumerate(scores)]
        ...     return Trial(number, "", None, status="complete", score=sum(scores) / 3, outcomes=outcomes)
        >>> ParetoFront.of([trial(0, 0.0, 0.0, 0.0), trial(1, 1.0, 0.0, 0.0), trial(2, 0.0, 1.0, 1.0)]).wins
        {1: frozenset({0}), 2: frozenset({1, 2})}
    """

    wins: Mapping[int, frozenset[int]]

    @classmethod
    def of(cls, trials: Iterable[Trial[Any]]) -> ParetoFront:
        """Find the front of the complete trials at the full fidelity."""
        whole = [trial for trial in trials if trial.status == "complete" and trial.fidelity >= 1.0]
        best = _best_on_cases({trial.number: trial.by_case() for trial in whole})
        staying = {number for numbers in best.values() for number in numbers}
        # Fewer trials dominate fewer others, so that nothing which was kept once need be looked at again.
        for trial in sorted(whole, key=lambda trial: (trial.score or 0.0, trial.number)):
            fronts = [numbers & staying for numbers in best.values() if trial.number in numbers]
            if all(len(numbers) > 1 for numbers in fronts):
                staying.discard(trial.number)
        wins = {number: frozenset(case for case, numbers in best.items() if number in numbers) for number in sorted(staying)}
        return cls(wins)

    def __bool__(self) -> bool:
        return bool(self.wins)

    def draw(self, random: Random) -> int:
        """Draw the number of a trial, each as probable as it has wins.

        Raises:
            IndexError: There is none.
        """
        return random.choices(list(self.wins), weights=[len(cases) for cases in self.wins.values()])[0]


def _best_on_cases(scores: Mapping[int, Mapping[int, float]]) -> dict[int, set[int]]:
    by_case: dict[int, dict[int, float]] = defaultdict(dict)
    for number, told in scores.items():
        for case, score in told.items():
            by_case[case][number] = score
    return {
        case: {number for number, score in told.items() if score == max(told.values())} for case, told in sorted(by_case.items())
    }
