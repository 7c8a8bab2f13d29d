"""Scores on one level, where cases were added while a study went on: means over different cases cannot be compared.

    score = the mean of the trial that has run most + the mean difference to it where both have run

So nobody gains by proposing easy cases, and nobody loses by having been there before the hard ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llm_brain.optimize.racing import estimate
from llm_brain.optimize.study import Trial


def levelled(trials: Sequence[Trial[Any]], given: int) -> dict[int, float]:
    """Give the scores of the trials that have not run what the one has that has run most, of each fidelity.

    Args:
        trials: Those that are over.
        given: How many cases the study began with. Where no trial has run on others, all scores stand.

    Example:
        >>> from llm_brain.optimize.objective import Outcome
        >>> def trial(number, *scores):
        ...     outcomes = [Outcome(case, 0, score) for case, score in enumerate(scores)]
        ...     return Trial(number, "", None, status="complete", score=sum(scores) / len(scores), outcomes=outcomes)
        >>> levelled([trial(0, 0.5), trial(1, 0.25, 1.25)], given=1)
        {0: 1.0}
    """
    found: dict[int, float] = {}
    for fidelity in sorted({trial.fidelity for trial in trials}):
        here = {trial.number: trial.scores for trial in trials if trial.fidelity == fidelity and trial.score is not None}
        whole = [trial for trial in trials if trial.number in here and trial.status == "complete"]
        if not whole:
            continue
        widest = here[max(whole, key=lambda trial: (len(here[trial.number]), trial.score or 0.0, -trial.number)).number]
        if any(case >= given for case, _ in widest):
            found |= {number: estimate(told, widest) for number, told in here.items() if told.keys() != widest.keys()}
    return found
