"""What the brain learns, beside nn.GRU and minGRU of the same size and beside itself without one of its parts.

    python -m benchmarks.brain.learning.run                                        # all of it: results, tables and plots
    python -m benchmarks.brain.learning.run --tasks binding_1 --models ours gru    # a part; the page is not written
    python -m benchmarks.brain.learning.run --quick                                # 20 updates a run; writes nothing

Two processes with one thread each take one training run after the other. Each finished run is written at once, to
`benchmarks/results/brain_learning.json`: an interrupted benchmark goes on where it was, and nothing is run twice.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.brain.learning import plan, report
from benchmarks.brain.learning.models import MODELS
from benchmarks.brain.learning.store import Store
from benchmarks.brain.learning.tasks import mnist1d
from benchmarks.brain.learning.worker import begin, work
from benchmarks.reports import RESULTS, machine


def main() -> None:
    asked = arguments()
    if "mnist1d" in asked.tasks:
        mnist1d.prepare()
    store = Store(None if asked.quick else RESULTS / "brain_learning.json")
    with ProcessPoolExecutor(asked.processes, multiprocessing.get_context("spawn"), begin) as pool:
        if asked.quick:
            units = list(plan.quick_units(asked.tasks, asked.models))
            work_off(pool, units, store, "quick")
        else:
            work_off(pool, plan.rate_units(asked.tasks, asked.models), store, "learning rates")
            units = list(plan.seed_units(asked.tasks, asked.models, asked.seeds, store.runs))
            work_off(pool, units, store, "seeds")
    Console().print(report.table([run for unit in units if (run := store.finished(unit)) is not None]))
    if not asked.quick and set(asked.tasks) == set(plan.TASKS) and set(asked.models) == set(MODELS):
        store.more = {"machine": machine(), "seeds": asked.seeds, **report.references(asked.tasks)}
        store.write()
        report.write(store, units)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=list(plan.TASKS), default=list(plan.TASKS), help="only these")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS), help="only these")
    parser.add_argument("--seeds", type=int, default=plan.SEEDS, help=f"how many (default: {plan.SEEDS})")
    parser.add_argument("--processes", type=int, default=2, help="how many runs at once (default: 2)")
    parser.add_argument("--quick", action="store_true", help="20 updates a run; nothing is written")
    return parser.parse_args()


def work_off(pool: ProcessPoolExecutor, units: Iterable[plan.Unit], store: Store, title: str) -> None:
    """Run what is not finished, and keep each run when it ends."""
    units = list(units)
    missing = [unit for unit in units if store.finished(unit) is None]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        shown = progress.add_task(title, total=len(units), completed=len(units) - len(missing))
        for done in as_completed([pool.submit(work, unit) for unit in missing]):
            run = done.result()
            store.add(run)
            progress.update(shown, advance=1, description=f"{title}: {run['task']} {run['model']} {run['score']:.3f}")


if __name__ == "__main__":
    main()
