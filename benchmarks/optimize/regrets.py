"""Regret, and how sure a difference is.

regret(t) = (loss of the best point of t trials - best known loss) / (loss of the default - best known loss)

It is 1 for the default, which everybody runs first, and 0 for the best that is known: the optimum of a function, or the lowest
loss that the reference search or any run of any row has found on that split of the data. It is computed anew from the losses that
the runs keep whenever something is told, so that no row is below 0, and a better run makes the others' regrets larger. "Best
point" is always by the loss that is seen; of the hidden loss regret can be above 1, and is cut at 1.5 then.

Rows are compared in pairs of the same problem and seed, which have the same data. The differences of a seed are averaged over the
problems, and the interval is Student's t over seeds: it tells of other seeds on these problems.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from benchmarks.optimize.plan import split_of
from benchmarks.optimize.references import references

Run = Mapping[str, Any]
Kind = Literal["hidden", "seen"]
KINDS: Mapping[Kind, int] = {"seen": 1, "hidden": 2}
"""Where a point of a curve has them."""
MOST = 1.5


class Difference(NamedTuple):
    """A mean difference with its interval, and how many seeds it is of."""

    mean: float
    low: float
    high: float
    seeds: int


class Known:
    """The default's loss, and the lowest one that is known, of every split of every problem.

    Args:
        runs: All there are.
        searched: What the reference search knows, by problem and split as in `references`; by default its file.
    """

    def __init__(self, runs: Iterable[Run], searched: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        known = references() if searched is None else searched
        self._best: dict[tuple[str, Kind], float] = {(cell, kind): found[kind] for cell, found in known.items() for kind in KINDS}
        self._default: dict[tuple[str, Kind], float] = {}
        for run in runs:
            for kind, place in KINDS.items():
                cell = (_cell(run), kind)
                self._default[cell] = run["curve"][0][place]
                self._best[cell] = min(self._best.get(cell, math.inf), *(point[place] for point in run["curve"]))

    def regret(self, run: Run, trials: int, kind: Kind = "hidden") -> float:
        """Give the regret of a run after so many trials."""
        default, best = self._default[_cell(run), kind], self._best[_cell(run), kind]
        reached = [point for point in run["curve"] if point[0] < trials][-1][KINDS[kind]]
        return min((reached - best) / (default - best), MOST) if default > best else 0.0

    def table(self, runs: Iterable[Run], trials: int, kind: Kind = "hidden") -> dict[str, dict[tuple[str, int], float]]:
        """Give the regrets by row, and by problem and seed; of runs that were as long."""
        found: dict[str, dict[tuple[str, int], float]] = {}
        for run in runs:
            if run["trials"] >= trials:
                found.setdefault(run["row"], {})[run["problem"], run["seed"]] = self.regret(run, trials, kind)
        return found


def _cell(run: Run) -> str:
    return f"{run['problem']} {split_of(run['seed'])}"


def mean(cells: Mapping[tuple[str, int], float]) -> tuple[float, float]:
    """Give the mean over problems and seeds, and half its 95% interval over seeds."""
    by_seed = seed_means(cells)
    return statistics.mean(by_seed), half(by_seed)


def difference(ones: Mapping[tuple[str, int], float], others: Mapping[tuple[str, int], float]) -> Difference | None:
    """Compare two rows on the pairs that both have; None where that is less than two seeds."""
    pairs = {key: ones[key] - others[key] for key in ones if key in others}
    by_seed = seed_means(pairs)
    if len(by_seed) < 2:
        return None
    middle, width = statistics.mean(by_seed), half(by_seed)
    return Difference(middle, middle - width, middle + width, len(by_seed))


def seed_means(cells: Mapping[tuple[str, int], float]) -> list[float]:
    """Average over the problems, for each seed that has all of them."""
    problems = {problem for problem, _ in cells}
    by_seed: dict[int, list[float]] = {}
    for (_, seed), value in cells.items():
        by_seed.setdefault(seed, []).append(value)
    return [statistics.mean(values) for _, values in sorted(by_seed.items()) if len(values) == len(problems)]


def half(values: Sequence[float]) -> float:
    """Give half of the 95% interval of a mean, by Student's t; nothing is known from one value."""
    from scipy.stats import t

    if len(values) < 2:
        return math.inf
    return float(t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))


def largest_share(cells: Mapping[tuple[str, int], float]) -> tuple[str, float]:
    """Tell which problem carries most of a row's regret, and how much of it."""
    sums: dict[str, float] = {}
    for (problem, _), value in cells.items():
        sums[problem] = sums.get(problem, 0.0) + max(value, 0.0)
    name = max(sums, key=lambda problem: sums[problem])
    return name, sums[name] / max(sum(sums.values()), 1e-12)
