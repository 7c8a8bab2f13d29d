"""What a study ends with: the best of some finalists against the default, in pairs, with an interval.

The best of many trials looks better than it is, as luck is part of what made it the best. So finalists are run once more, on
cases or with seeds that nothing was chosen by; the interval is made wider for their number (Bonferroni); and where it holds no
gain, the default is what is recommended.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any, Final

from llm_brain.errors import missing_dependency
from llm_brain.optimize.racing import Unit
from llm_brain.optimize.study import Trial, Verdict

FINALISTS: Final = 3
CONFIDENCE: Final = 0.95
LEAST_PAIRS: Final = 3
"""With two pairs hardly any interval says anything."""
LEAST_EQUAL: Final = 6
"""Of as many pairs that all differ alike a test of signs says that this is no luck."""
ROUNDING: Final = 1e-9


def finalists(trials: Sequence[Trial[Any]], number: int = FINALISTS) -> list[Trial[Any]]:
    """Give the trials that may be recommended, the best first, without the default.

    Example:
        >>> trials = [Trial(n, "core", None, status="complete", score=s) for n, s in enumerate([0.5, 0.7, 0.4, 0.9])]
        >>> [trial.number for trial in finalists(trials, 2)]
        [3, 1]
    """
    whole = [
        trial
        for trial in trials
        if trial.number > 0 and trial.status == "complete" and trial.fidelity >= 1.0 and trial.score is not None
    ]
    return sorted(whole, key=lambda trial: (-(trial.score or 0.0), trial.number))[:number]


def verdict(
    default: Mapping[Unit, float], candidates: Mapping[int, Mapping[Unit, float]], *, is_fresh: bool, considered: int = 1
) -> Verdict:
    """Compare candidates with the default, in pairs.

    A pair is a case, with the mean over its replicates: to run again on a case tells nothing about other cases. Where there is
    one case alone, a pair is a run.

    Args:
        default: Its scores.
        candidates: Those of the candidates, by the number of the trial, in the order in which they are preferred.
        is_fresh: Whether these runs are others than those by which the candidates were chosen.
        considered: Among how many trials the candidates were chosen by these same runs.

    Raises:
        MissingDependencyError: scipy is not installed.

    Example:
        >>> before = {(case, 0): 0.5 for case in range(6)}
        >>> after = {(case, 0): 0.6 + 0.01 * case for case in range(6)}
        >>> found = verdict(before, {4: after}, is_fresh=True)
        >>> found.trial, round(found.gain, 3), found.low > 0
        (4, 0.125, True)
    """
    differences = {number: _pairs(default, scores) for number, scores in candidates.items()}
    gains = {number: sum(found) / len(found) for number, found in differences.items() if found}
    if not gains:
        return Verdict(0, 0, 0.0, None, None, CONFIDENCE, 0, is_fresh)
    best = max(gains, key=lambda number: gains[number])
    pairs, looks = differences[best], max(considered, len(gains))
    low, high = _interval(pairs, 1 - (1 - CONFIDENCE) / looks)
    is_better = low > 0 if low is not None else gains[best] > 0 and (len(pairs) == 1 or len(pairs) >= LEAST_PAIRS)
    return Verdict(best if is_better else 0, best, gains[best], low, high, CONFIDENCE, len(pairs), is_fresh)


def _pairs(default: Mapping[Unit, float], candidate: Mapping[Unit, float]) -> list[float]:
    """Give the differences on each case, or, on a single case, of each run."""
    by_case: dict[int, list[float]] = {}
    for unit, score in candidate.items():
        if unit in default:
            by_case.setdefault(unit[0], []).append(score - default[unit])
    found = list(by_case.values())
    return found[0] if len(found) == 1 else [fmean(differences) for differences in found]


def _interval(differences: Sequence[float], confidence: float) -> tuple[float | None, float | None]:
    """Give Student's interval of the mean of pairs; nothing where they are too few for one."""
    if len(differences) < LEAST_PAIRS or (len(differences) < LEAST_EQUAL and _are_equal(differences)):
        return None, None
    try:
        from scipy.stats import t
    except ImportError as error:
        raise missing_dependency("scipy", extra="optimize") from error
    number, mean = len(differences), fmean(differences)
    half = float(t.ppf((1 + confidence) / 2, number - 1)) * stdev(differences) / math.sqrt(number)
    return mean - half, mean + half


def _are_equal(differences: Sequence[float]) -> bool:
    return max(differences) - min(differences) <= ROUNDING * max(map(abs, differences))
