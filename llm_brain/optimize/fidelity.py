"""Cheap runs first: which trials have earned a run at a higher fidelity (asynchronous successive halving, Li et al. 2020).

fidelities (1/9, 1/3, 1)     a new trial runs at 1/9; one of the best third of those that ran at a fidelity goes on to the next
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Any, Final

from llm_brain.errors import DefinitionError
from llm_brain.optimize.study import DEFAULT, Trial

REDUCTION: Final = 3


def check_fidelities(fidelities: Sequence[float]) -> tuple[float, ...]:
    """Check fidelities: rising, above 0, and the last one 1.

    Raises:
        DefinitionError: They are not.

    Example:
        >>> check_fidelities([0.25, 1])
        (0.25, 1.0)
    """
    try:
        found = tuple(float(fidelity) for fidelity in fidelities)
    except (TypeError, ValueError):
        message = f"fidelities are numbers that rise from above 0 to 1, as in (0.11, 0.33, 1.0): not {fidelities!r:.80}"
        raise DefinitionError(message) from None
    rises = all(low < high for low, high in pairwise(found))
    if not found or found[0] <= 0 or found[-1] != 1.0 or not rises:
        message = f"fidelities rise from above 0 to 1, as in (0.11, 0.33, 1.0): these are {found}"
        raise DefinitionError(message)
    return found


def promotion(
    trials: Sequence[Trial[Any]], promoted: Collection[int], fidelities: Sequence[float]
) -> tuple[Trial[Any], float] | None:
    """Find the trial that should be run at the next fidelity, the highest first.

    Args:
        trials: Those that are over.
        promoted: The numbers of those that were promoted already.
        fidelities: All of them, rising.

    Example:
        >>> trials = [Trial(n, "core", None, fidelity=0.5, status="complete", score=float(n)) for n in range(3)]
        >>> trial, fidelity = promotion(trials, (), (0.5, 1.0))
        >>> trial.number, fidelity, promotion(trials, {2}, (0.5, 1.0))
        (2, 1.0, None)
    """
    for place in range(len(fidelities) - 2, -1, -1):
        here = [
            trial
            for trial in trials
            if trial.fidelity == fidelities[place] and trial.status == "complete" and trial.proposer != DEFAULT
        ]
        best = sorted(here, key=lambda trial: (-(trial.score or 0.0), trial.number))[: len(here) // REDUCTION]
        for trial in best:
            if trial.number not in promoted:
                return trial, fidelities[place + 1]
    return None
