"""What is run: problems, rows and seeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from benchmarks.optimize.problems import DEVELOPMENT, REPORTED, SPLITS
from benchmarks.optimize.rows import ROWS

CONFIRMING = 100
"""The first of the fresh seeds: nothing is chosen by them."""
SETS = {"reported": tuple(problem.name for problem in REPORTED), "development": tuple(problem.name for problem in DEVELOPMENT)}


class Unit(NamedTuple):
    """One run: who optimises what, from which seed, for how many trials."""

    problem: str
    row: str
    seed: int
    trials: int


def split_of(seed: int) -> int:
    """Give the split of the data that a seed has: fresh seeds have fresh data too.

    Example:
        >>> split_of(0), split_of(7), split_of(100), split_of(107)
        (0, 2, 5, 7)
    """
    half = SPLITS // 2
    return seed % half + (half if seed >= CONFIRMING else 0)


def units(problems: Iterable[str], rows: Iterable[str], seeds: int, trials: int, *, fresh: bool = False) -> Iterator[Unit]:
    """Give the runs, one seed of all of them after the other."""
    asked = list(problems)
    for seed in range(seeds):
        for name in rows:
            row = ROWS[name]
            if row.seeds is None or seed < row.seeds:
                for problem in asked:
                    yield Unit(problem, name, seed + CONFIRMING * fresh, min(trials, row.trials))


def settings(row: str) -> dict[str, Any]:
    """Tell what a row's runs depend on beside their units: a kept run is used again only where this is the same."""
    return {"problems": 2, **({"engine": 1} if ROWS[row].kind == "ours" else {})}
