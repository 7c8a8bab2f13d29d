"""What is told of the runs: tables for the terminal and the page, and the plots."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks import reports
from benchmarks.optimize.plan import CONFIRMING, SETS
from benchmarks.optimize.problems import PROBLEMS
from benchmarks.optimize.regrets import Difference, Kind, Known, difference, largest_share, mean, seed_means
from benchmarks.optimize.rows import REFERENCE, ROWS, SEEDS, Row
from benchmarks.optimize.spaces import knobs_of

Run = Mapping[str, Any]
PICTURE = reports.ROOT / "docs" / "pictures" / "optimize.svg"
AT = (20, 40, 80)
PRIMARY = 40
HEADS = ("", "seeds", "20 trials", "**40 trials**", "80 trials", "seen, 40 trials", "beside {}, 40 trials", "ms a trial")
CLAIMS: tuple[tuple[str, str, float], ...] = (
    ("ours_misleading", "misleading proposals cost less than .03", 0.03),
    ("ours_weak", "weak proposals cost less than .03", 0.03),
    ("ours_random", "random valid proposals cost less than .03", 0.03),
    ("ours_strong", "strong proposals help", 0.0),
)
NONE = ""


def terminal(runs: Sequence[Run], beside: str, known: Known) -> Table:
    """Make the table for a terminal."""
    heads = [head.format(beside).replace("*", "") for head in HEADS]
    return reports.terminal_table(heads, [(None, cells) for cells in rows(runs, beside, known)], "mean regret on the hidden test")


def rows(runs: Sequence[Run], beside: str, known: Known) -> list[list[str]]:
    """Give the cells of every row that was run."""
    hidden = {trials: known.table(runs, trials) for trials in AT}
    seen = known.table(runs, PRIMARY, "seen")
    whole = {run["problem"] for run in runs}
    found = []
    for name, row in ROWS.items():
        mine = [run for run in runs if run["row"] == name]
        if not mine:
            continue
        cells = [_mean(hidden[trials].get(name)) for trials in AT]
        against = None if name == beside else _difference(hidden[PRIMARY], name, beside)
        problems = len({run["problem"] for run in mine})
        found.append([
            row.title,
            str(len(seed_means(hidden[AT[0]].get(name, {})))) + (f" ({problems} problems)" if problems < len(whole) else ""),
            *cells,
            _mean(seen.get(name)),
            NONE if against is None else f"{against.mean:+.3f} [{against.low:+.3f}, {against.high:+.3f}]",
            f"{1000 * statistics.median(run['overhead'] for run in mine):.3g}",
        ])  # fmt: skip
    return found


def _mean(cells: Mapping[tuple[str, int], float] | None) -> str:
    if not cells:
        return NONE
    middle, width = mean(cells)
    return f"{middle:.3f}" + (f" ± {width:.3f}" if np.isfinite(width) else "")


def _difference(cells: Mapping[str, Mapping[tuple[str, int], float]], one: str, other: str) -> Difference | None:
    return difference(cells[one], cells[other]) if one in cells and other in cells else None


def write(reported: Sequence[Run], developed: Sequence[Run]) -> None:
    """Write the page's tables and the plots."""
    page, known = reports.PAGES / "optimize.md", Known(reported)
    choosing = [run for run in reported if run["seed"] < CONFIRMING]
    confirming = [run for run in reported if run["seed"] >= CONFIRMING]
    told = {
        "problems": problems([*reported, *developed]),
        "results": results(choosing, REFERENCE, known, ROWS),
        "confirmation": results(confirming, REFERENCE, known),
        "development": results(developed, REFERENCE, Known(developed)),
        "claims": claims(choosing, confirming, known),
        "by problem": by_problem(choosing, known),
    }
    page.write_text(reports.fill(page.read_text(encoding="utf-8"), told), encoding="utf-8")
    draw(choosing, known)
    for path in (page, PICTURE):
        print(f"wrote {path.relative_to(reports.ROOT)}")


def results(runs: Sequence[Run], beside: str, known: Known, asked: Iterable[str] = ()) -> str:
    """Give the table of all rows, and say which seeds there are, and which of the rows that were asked for are missing."""
    if not runs:
        return "Not run yet."
    seeds = sorted({run["seed"] for run in runs})
    lead = f"Seeds {seeds[0]} to {seeds[-1]}"
    if len(seeds) < SEEDS:
        lead += f": {len(seeds)} of the {SEEDS} that are planned. What a row lacks it has not been run on yet"
    missing = [row.title for row in ROWS.values() if row.name in asked and not any(run["row"] == row.name for run in runs)]
    if missing:
        lead += f". Not run yet: {'; '.join(missing)}"
    table = reports.page_table([head.format(ROWS[beside].title) for head in HEADS], rows(runs, beside, known))
    return f"{lead}.\n\n{table}"


def problems(runs: Sequence[Run]) -> str:
    """Tell of the problems."""
    cells = []
    for kind, names in SETS.items():
        for name in names:
            problem, knobs = PROBLEMS[name], knobs_of(PROBLEMS[name].hyperparameters)
            taken = [1000 * run["evaluation"] for run in runs if run["problem"] == name]
            cells.append([
                problem.title,
                "reported" if kind == "reported" else "to build on",
                str(len(knobs)),
                str(sum(bool(knob.choices) for knob in knobs)),
                str(sum(knob.parent is not None for knob in knobs)),
                problem.metric,
                f"{statistics.median(taken):.2g}" if taken else NONE,
            ])  # fmt: skip
    return reports.page_table(("", "used", "knobs", "choices", "conditional", "loss", "ms"), cells)


def claims(choosing: Sequence[Run], confirming: Sequence[Run], known: Known) -> str:
    """Say of each claim that was set beforehand whether its interval shows it, or its opposite, or neither."""
    cells = []
    for name, claim, bar in CLAIMS:
        told = []
        for runs in (choosing, confirming, [*choosing, *confirming]):
            found = _difference(known.table(runs, PRIMARY), name, REFERENCE)
            if found is None:
                told += [NONE, NONE]
            else:
                shown = "yes" if found.high < bar else "**no**" if found.low >= bar else "not shown"
                told += [f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}], {found.seeds} seeds", shown]
        cells.append([claim, *told])
    return reports.page_table(
        ("beside the core alone, 40 trials", "measured", "holds", "fresh seeds", "holds", "all seeds", "holds"),
        cells,
        numbers=False,
    )


def by_problem(runs: Sequence[Run], known: Known) -> str:
    """Give the mean regret of every row on every problem, and the problem that carries most of a row's."""
    hidden = known.table(runs, PRIMARY)
    names = [name for name in PROBLEMS if any(name == run["problem"] for run in runs)]
    cells = []
    for row in ROWS:
        if row in hidden:
            parts = [[value for (problem, _), value in hidden[row].items() if problem == name] for name in names]
            share = largest_share(hidden[row])
            cells.append(
                [ROWS[row].title, *(f"{statistics.mean(part):.2f}" if part else NONE for part in parts), f"{share[1]:.0%}"]
            )
    return reports.page_table(("", *names, "largest share"), cells)


def curve(runs: Iterable[Run], trials: int, kind: Kind, known: Known) -> list[float]:
    """Give the mean regret after each number of trials."""
    asked = list(runs)
    return [statistics.mean(known.regret(run, at, kind) for run in asked) for at in range(1, trials + 1)]


def longest(runs: Sequence[Run]) -> list[Run]:
    """Give the runs of most trials, of the seeds that all problems were run with."""
    most = max((run["trials"] for run in runs), default=0)
    long = [run for run in runs if run["trials"] == most]
    problems = {run["problem"] for run in long}
    known = {(run["problem"], run["seed"]) for run in long}
    return [run for run in long if all((problem, run["seed"]) in known for problem in problems)]


def draw(runs: Sequence[Run], known: Known) -> None:
    """Plot the mean regret over the trials: the other optimisers, and ours."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    mpl.rcParams |= {"svg.hashsalt": "optimize", "font.size": 8, "axes.spines.top": False, "axes.spines.right": False}
    figure, places = plt.subplots(1, 2, figsize=(12, 4.5), sharey=True)
    colours = [f"C{number}" for number in range(10) if number != 7]  # which is grey, as random search is
    kinds: tuple[tuple[str, Callable[[Row], bool]], ...]
    kinds = (("others, and our core", lambda row: row.kind != "ours" or row.name == REFERENCE),
             ("ours", lambda row: row.kind == "ours" or row.name == "random"))  # fmt: skip
    for place, (title, wanted) in zip(places, kinds, strict=True):
        number = 0
        for name, row in ROWS.items():
            mine = longest([run for run in runs if run["row"] == name])
            if not mine or not wanted(row):
                continue
            told = curve(mine, mine[0]["trials"], "hidden", known)
            colour = "black" if name == REFERENCE else "grey" if name == "random" else colours[number % len(colours)]
            number += name not in (REFERENCE, "random")
            place.plot(range(1, len(told) + 1), told, color=colour, label=row.title, linewidth=2 if name == REFERENCE else 1,
                       linestyle="--" if number > len(colours) and name != REFERENCE else "-")  # fmt: skip
        place.set(title=title, xlabel="trials", ylabel="mean regret on the hidden test", ylim=(0, 1))
        place.legend(frameon=False)
    figure.set_layout_engine("tight")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, metadata={"Date": None})
    plt.close(figure)
