"""What a brain learns from a teacher, beside TF-IDF and nn.GRU that learn from the same calls.

    python -m benchmarks.teaching.run                                          # all of it: results, tables and a plot
    python -m benchmarks.teaching.run --tasks routing --teachers noisy         # a part; the page is not written
    python -m benchmarks.teaching.run --quick                                  # tiny trainings; writes nothing
    python -m benchmarks.teaching.run --report                                 # the page anew, from what is finished

First the teachers answer all texts, which the embedded model needs some minutes for; the answers are kept in
`benchmarks/teaching/.answers`. Then two processes with one thread each take one training after the other. Each finished one is
written at once, to `benchmarks/results/teaching.json`: an interrupted benchmark goes on where it was, and nothing is run twice.
At the end the time of a call is measured, alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.reports import RESULTS, machine
from benchmarks.teaching import plan, report, speed, teachers
from benchmarks.teaching.store import Store
from benchmarks.teaching.worker import begin, work


def main() -> None:
    asked = arguments()
    store = Store(None if asked.quick else RESULTS / "teaching.json")
    units = list(plan.units(asked.tasks, asked.teachers, asked.rows, 1 if asked.quick else asked.seeds))
    if not asked.report:
        taught = dict.fromkeys((unit.task, unit.teacher) for unit in units if asked.quick or store.finished(unit) is None)
        for task, teacher in taught:
            teachers.ask(plan.load(task), teacher)
        with ProcessPoolExecutor(asked.processes, multiprocessing.get_context("spawn"), begin) as pool:
            work_off(pool, units, store, quick=asked.quick)
        timed = store.more.setdefault("speed", {})
        for task in asked.tasks:
            if task not in timed and not asked.quick:
                timed[task] = speed.measure(plan.load(task), plan.recipe(task))
                store.write()
    done = [run for unit in units if (run := store.finished(unit)) is not None]
    Console().print(report.table(done))
    if asked.report or (not asked.quick and set(asked.tasks) == set(plan.RECIPES) and set(asked.rows) == set(plan.ROWS)):
        store.more |= {"machine": machine(), "seeds": asked.seeds}
        store.write()
        report.write(store, done)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=list(plan.RECIPES), default=list(plan.RECIPES), help="only these")
    parser.add_argument(
        "--teachers", nargs="+", choices=list(teachers.TEACHERS), default=list(teachers.TEACHERS), help="only these"
    )
    parser.add_argument("--rows", nargs="+", choices=list(plan.ROWS), default=list(plan.ROWS), help="only these")
    parser.add_argument("--seeds", type=int, default=plan.SEEDS, help=f"how many (default: {plan.SEEDS})")
    parser.add_argument("--processes", type=int, default=2, help="how many runs at once (default: 2)")
    parser.add_argument("--quick", action="store_true", help="tiny trainings on routing and orders; writes nothing")
    parser.add_argument("--report", action="store_true", help="write the page anew, and run nothing")
    asked = parser.parse_args()
    if asked.quick:  # the noisy teacher needs no language model
        asked.tasks, asked.teachers = ["routing", "orders"], ["noisy"]
    return asked


def work_off(pool: ProcessPoolExecutor, units: Sequence[plan.Unit], store: Store, *, quick: bool) -> None:
    """Run what is not finished, and keep each run when it ends."""
    missing = [unit for unit in units if store.finished(unit) is None]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        shown = progress.add_task("runs", total=len(units), completed=len(units) - len(missing))
        for done in as_completed([pool.submit(work, unit, quick=quick) for unit in missing]):
            run = done.result()
            store.add(run)
            progress.update(shown, advance=1, description=f"{run['task']}, {run['teacher']}: {run['row']} {run['score']:.3f}")


if __name__ == "__main__":
    main()
