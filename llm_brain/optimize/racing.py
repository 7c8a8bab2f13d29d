"""A race: a trial that is clearly worse than the best one is stopped before it has run on all cases.

Both are compared in pairs, on the same cases with the same seeds, by the signed-rank test of Wilcoxon (1945) after every block,
as in racing for configurations (Birattari et al. 2002). Blocks double, so that there are few looks, and the level is shared
among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from llm_brain.errors import missing_dependency

Unit: TypeAlias = tuple[int, int]
"""A case and a replicate, each counted from 0."""
FIRST_BLOCK: Final = 8
"""The least pairs with which the test can tell anything at the level of a look."""
LEVEL: Final = 0.05


def blocks(units: Sequence[Unit]) -> list[Sequence[Unit]]:
    """Cut what is to be run into blocks, each as long as all before it.

    Example:
        >>> [len(block) for block in blocks([(case, 0) for case in range(40)])]
        [8, 8, 24]
    """
    cut: list[Sequence[Unit]] = []
    begin, end = 0, FIRST_BLOCK
    while begin < len(units):
        # A last block that would be short belongs to the one before it.
        end = end if len(units) >= 2 * end else len(units)
        cut.append(units[begin:end])
        begin, end = end, 2 * end
    return cut


def is_worse(candidate: Mapping[Unit, float], best: Mapping[Unit, float], *, looks: int = 1) -> bool:
    """Tell whether a trial is clearly worse than the best one, on what both have run.

    Args:
        candidate: Its scores.
        best: Those of the best trial.
        looks: How often this is asked in all, at most.

    Raises:
        MissingDependencyError: scipy is not installed.

    Example:
        >>> best = {(case, 0): 1.0 for case in range(8)}
        >>> is_worse({(case, 0): 0.1 * case for case in range(8)}, best), is_worse(best, best)
        (True, False)
    """
    differences = [score - best[unit] for unit, score in candidate.items() if unit in best and score != best[unit]]
    if not differences or sum(differences) >= 0:
        return False
    try:
        from scipy.stats import wilcoxon
    except ImportError as error:
        raise missing_dependency("scipy", extra="optimize") from error
    found: Any = wilcoxon(differences, alternative="less")
    return bool(found.pvalue < LEVEL / looks)


def estimate(candidate: Mapping[Unit, float], best: Mapping[Unit, float]) -> float:
    """Estimate what a stopped trial's mean would be: the best one's mean, and the mean difference where both have run.

    Example:
        >>> round(estimate({(0, 0): 0.5}, {(0, 0): 0.6, (1, 0): 0.8}), 3)
        0.6
    """
    differences = [score - best[unit] for unit, score in candidate.items() if unit in best]
    if not differences:
        return sum(candidate.values()) / len(candidate)
    return sum(best.values()) / len(best) + sum(differences) / len(differences)
