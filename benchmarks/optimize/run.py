"""Optimisers on problems of milliseconds: random search, Optuna's samplers, SMAC3, HEBO, and ours.

    python -m benchmarks.optimize.run                                    # the choosing seeds: results, tables and plots
    python -m benchmarks.optimize.run --confirm                          # the same on fresh seeds and fresh data
    python -m benchmarks.optimize.run --rows random tpe core --seeds 5   # a part; the page is not written
    python -m benchmarks.optimize.run --problems development             # to build on: a table of its own
    python -m benchmarks.optimize.run --quick                            # a look; writes nothing
    python -m benchmarks.optimize.run --report                           # the page anew, from what is finished

The primary figure, named before any run: the mean normalised regret on the hidden test after 40 trials, over all reported
problems (`benchmarks/optimize/regrets.py` has the formula). The regret of the loss that is seen, and 20 and 80 trials, are told
beside it. Differences are in pairs, of the same problem and seed. Seeds 0 to 19 are what anything is chosen by; what is claimed
is run again on seeds 100 to 119, which have other data.

Everybody runs the default first. Each finished run is written at once, to `benchmarks/results/optimize.jsonl`: an interrupted
benchmark goes on where it was with the same command, and nothing is run twice. SMAC3 and HEBO are in environments of their own in
`benchmarks/optimize/.environments`, which the first run makes; what the embedded model answered is kept in
`benchmarks/optimize/.answers`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.environments import make_environments
from benchmarks.optimize import plan, references, report
from benchmarks.optimize.problems import PROBLEMS
from benchmarks.optimize.regrets import Known
from benchmarks.optimize.rows import REFERENCE, ROWS, SEEDS, TRIALS
from benchmarks.optimize.store import Store
from benchmarks.optimize.worker import begin, work
from benchmarks.reports import RESULTS

REPORTED, DEVELOPMENT = "optimize.jsonl", "optimize_development.jsonl"
QUICK_ROWS = ("random", "tpe", "core", "ours_strong")


def main() -> None:
    asked = arguments()
    store = Store(None if asked.quick else RESULTS / asked.results)
    units = list(plan.units(asked.problems, asked.rows, asked.seeds, asked.trials, fresh=asked.confirm))
    if not asked.report:
        make_environments(environment for name in asked.rows if (environment := ROWS[name].environment) is not None)
        os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        with ProcessPoolExecutor(asked.processes, multiprocessing.get_context("spawn"), begin) as pool:
            references.complete(pool, ((unit.problem, plan.split_of(unit.seed)) for unit in units))
            work_off(pool, units, store)
    done = [run for unit in units if (run := store.finished(unit)) is not None]
    if not done:
        message = "nothing of this has been run yet"
        raise SystemExit(message)
    known = Known(store.current)
    present = {run["row"] for run in done}
    beside = asked.beside if asked.beside in present else next(name for name in ROWS if name in present)
    Console(width=max(Console().width, 150)).print(report.terminal(done, beside, known))
    is_whole = any(set(asked.problems) == set(names) for names in plan.SETS.values()) and set(asked.rows) == set(ROWS)
    if asked.report or (not asked.quick and is_whole):
        report.write(*(Store(RESULTS / name).current for name in (REPORTED, DEVELOPMENT)))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--problems",
        nargs="+",
        choices=[*PROBLEMS, *plan.SETS],
        default=["reported"],
        help="only these (default: the reported ones)",
    )
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS), help="only these")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"how many (default: {SEEDS}); slow rows have fewer")
    parser.add_argument("--trials", type=int, default=TRIALS, help=f"how many (default: {TRIALS}); slow rows have fewer")
    parser.add_argument("--confirm", action="store_true", help=f"seeds from {plan.CONFIRMING} on, with other data")
    parser.add_argument("--beside", choices=list(ROWS), default=REFERENCE, help="whom all rows are compared with")
    parser.add_argument("--processes", type=int, default=2, help="how many runs at once (default: 2)")
    parser.add_argument("--results", help=f"the file in benchmarks/results (default: {REPORTED}, or {DEVELOPMENT})")
    parser.add_argument("--quick", action="store_true", help="two problems, few rows, 20 trials; writes nothing")
    parser.add_argument("--report", action="store_true", help="write the page anew, and run nothing")
    asked = parser.parse_args()
    asked.problems = [name for given in asked.problems for name in plan.SETS.get(given, (given,))]
    if asked.results is None:
        asked.results = DEVELOPMENT if set(asked.problems) <= set(plan.SETS["development"]) else REPORTED
    if asked.quick:
        asked.problems, asked.rows, asked.seeds, asked.trials = ["valley", "scales"], list(QUICK_ROWS), 2, 20
    return asked


def work_off(pool: ProcessPoolExecutor, units: Sequence[plan.Unit], store: Store) -> None:
    """Run what is not finished, and keep each run when it ends."""
    missing = [unit for unit in units if store.finished(unit) is None]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        shown = progress.add_task("runs", total=len(units), completed=len(units) - len(missing))
        for done in as_completed([pool.submit(work, unit) for unit in missing]):
            run = done.result()
            store.add(run)
            progress.update(shown, advance=1, description=f"{run['problem']}: {run['row']} {run['seed']}")


if __name__ == "__main__":
    main()
