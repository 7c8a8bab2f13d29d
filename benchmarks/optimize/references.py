"""The best that is known of every problem, which regret is measured from: a long search of its own, made once.

    python -m benchmarks.optimize.references                 # what is missing; some minutes
    python -m benchmarks.optimize.references --problems mixed

Random points, then steps from the best one by the loss that is seen. It sees far more points than any row of the benchmark,
and no row's points count, so that regrets stay what they are when a row is added. The file is part of the repository.
"""

from __future__ import annotations

import argparse
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from benchmarks.optimize.problems import PROBLEMS, SPLITS, Evaluation, Problem
from benchmarks.optimize.spaces import Values, drawn, flat, knobs_of, near, nested

FILE = Path(__file__).with_name("references.json")
RANDOM, STEPS = 300, 700
WIDTHS = (0.2, 0.05, 0.02, 0.1)
BAD = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", choices=list(PROBLEMS), default=list(PROBLEMS), help="only these")
    parser.add_argument("--anew", action="store_true", help="also what is there already")
    parser.add_argument("--splits", nargs="+", type=int, default=list(range(SPLITS)), help="only these")
    asked = parser.parse_args()
    for split in asked.splits:
        for name in track(asked.problems, f"split {split}"):
            known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
            if asked.anew or f"{name} {split}" not in known:
                known[f"{name} {split}"] = search(PROBLEMS[name], split)
                lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(found)}" for key, found in sorted(known.items()))
                FILE.write_text("{\n" + lines + "\n}\n", encoding="utf-8")


def search(problem: Problem, split: int) -> dict[str, Any]:
    """Search one split of a problem.

    Returns:
        The default's losses, the lowest ones that were found, each by itself, the point with the lowest loss that is seen, and a
        bad point: nine tenths of the random ones are better.
    """
    knobs, evaluation, random = knobs_of(problem.hyperparameters), Evaluation(problem, split), np.random.default_rng([1, split])

    def losses(values: Values) -> tuple[float, float]:
        return evaluation.losses(problem.hyperparameters.model_validate(nested(knobs, values)))

    default = flat(knobs, problem.hyperparameters())
    tried = [(losses(values), values) for values in [default, *(drawn(knobs, random) for _ in range(RANDOM))]]
    bad = sorted(tried, key=lambda each: each[0][0])[int(BAD * len(tried))][1]
    hidden = min(found[1] for found, _ in tried)
    leaders = sorted(tried, key=lambda each: each[0][0])[:4]
    for step in range(STEPS):
        # Four searches at first, then one from the best of them.
        place = step % 4 if step < STEPS // 2 else min(range(4), key=lambda at: leaders[at][0][0])
        values = near(knobs, leaders[place][1], random, WIDTHS[step // 4 % 4] * float(random.random()), flips=0.1)
        found = losses(values)
        hidden = min(hidden, found[1])
        if found[0] < leaders[place][0][0]:
            leaders[place] = (found, values)
    best = min(leaders, key=lambda each: each[0][0])
    seen_default, hidden_default = losses(default)
    return {"seen": [seen_default, best[0][0]], "hidden": [hidden_default, hidden], "best": best[1], "bad": bad}


@cache
def references() -> dict[str, dict[str, Any]]:
    """Read the file."""
    loaded: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    return loaded


def reference(problem: str, split: int) -> dict[str, Any]:
    """Give what is known of a split of a problem."""
    return references()[f"{problem} {split}"]


if __name__ == "__main__":
    main()
