"""What is known of every problem beforehand: a long search of its own, made once, and the optimum where it is known.

    python -m benchmarks.optimize.references                 # what is missing; some minutes
    python -m benchmarks.optimize.references --problems mixed

Random points; then steps from the best ones by the loss that is seen; then steps from the best one by the hidden loss. It sees
far more points than any row of the benchmark. The scripted proposers know its best point and a bad one, so that the file is part
of the repository and stays as it is. What regret is measured from is this or what any run has found, whichever is lower:
`regrets.Known`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from benchmarks.optimize.problems import PROBLEMS, SPLITS, Evaluation, Problem
from benchmarks.optimize.spaces import Values, drawn, flat, knobs_of, near, nested

FILE = Path(__file__).with_name("references.json")
RANDOM, STEPS, HIDDEN_STEPS = 200, 500, 60
WIDTHS = (0.2, 0.05, 0.02, 0.1)
LEADERS = 4
BAD = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", choices=list(PROBLEMS), default=list(PROBLEMS), help="only these")
    parser.add_argument("--splits", nargs="+", type=int, default=list(range(SPLITS)), help="only these")
    parser.add_argument("--anew", action="store_true", help="also what is there already")
    parser.add_argument("--processes", type=int, default=2, help="how many searches at once (default: 2)")
    asked = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with ProcessPoolExecutor(asked.processes, multiprocessing.get_context("spawn")) as pool:
        complete(pool, ((name, split) for split in asked.splits for name in asked.problems), anew=asked.anew)


def complete(pool: ProcessPoolExecutor, cells: Iterable[tuple[str, int]], *, anew: bool = False) -> None:
    """Search what has not been searched, and keep each search when it ends."""
    known = read()
    missing = [cell for cell in dict.fromkeys(cells) if anew or key(*cell) not in known]
    futures = {pool.submit(search, PROBLEMS[name], split): key(name, split) for name, split in missing}
    for done in track(as_completed(futures), "references", total=len(futures), disable=not futures):
        known[futures[done]] = done.result()
        lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(found)}" for name, found in sorted(known.items()))
        FILE.write_text("{\n" + lines + "\n}\n", encoding="utf-8")
    references.cache_clear()


def search(problem: Problem, split: int) -> dict[str, Any]:
    """Search one split of a problem.

    Returns:
        The lowest losses that were found, the seen and the hidden one each by itself; the point with the lowest loss that is
        seen; and a bad point: nine tenths of the random ones are better.
    """
    knobs, evaluation, random = knobs_of(problem.hyperparameters), Evaluation(problem, split), np.random.default_rng([1, split])

    def model(values: Values) -> Any:
        return problem.hyperparameters.model_validate(nested(knobs, values))

    points = [flat(knobs, problem.hyperparameters()), *(drawn(knobs, random) for _ in range(RANDOM))]
    tried = sorted(((evaluation.seen(model(values)), values) for values in points), key=lambda each: each[0])
    bad = tried[int(BAD * len(tried))][1]
    if problem.optimum is not None:
        best = problem.optimum(split)
        return told(evaluation.seen(best), evaluation.hidden(best), flat(knobs, best), bad)
    leaders = tried[:LEADERS]
    for step in range(STEPS):
        # Several searches at first, then one from the best of them.
        place = step % LEADERS if step < STEPS // 2 else min(range(LEADERS), key=lambda at: leaders[at][0])
        values = near(knobs, leaders[place][1], random, WIDTHS[step // LEADERS % 4] * float(random.random()), flips=0.1)
        leaders[place] = min(leaders[place], (evaluation.seen(model(values)), values), key=lambda each: each[0])
    seen, reached = min(leaders, key=lambda each: each[0])
    hidden = min((evaluation.hidden(model(values)), place) for place, (_, values) in enumerate([*leaders, *tried[:LEADERS]]))
    here = (hidden[0], [*leaders, *tried[:LEADERS]][hidden[1]][1])
    for step in range(HIDDEN_STEPS):
        values = near(knobs, here[1], random, WIDTHS[step % 4] * float(random.random()), flips=0.05)
        here = min(here, (evaluation.hidden(model(values)), values), key=lambda each: each[0])
    return told(seen, here[0], reached, bad)


def told(seen: float, hidden: float, best: Values, bad: Values) -> dict[str, Any]:
    return {"seen": seen, "hidden": hidden, "best": best, "bad": bad}


def key(problem: str, split: int) -> str:
    return f"{problem} {split}"


def read() -> dict[str, dict[str, Any]]:
    """Read the file; nothing is known where there is none."""
    found: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
    return found


@cache
def references() -> dict[str, dict[str, Any]]:
    """Read the file once."""
    return read()


def reference(problem: str, split: int) -> dict[str, Any]:
    """Give what is known of a split of a problem."""
    return references()[key(problem, split)]


if __name__ == "__main__":
    main()
