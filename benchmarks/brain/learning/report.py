"""What is told of the runs: a table for the terminal, the page's tables, and the plots."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks import reports
from benchmarks.brain.learning.models import MODELS
from benchmarks.brain.learning.plan import TASKS, Unit
from benchmarks.brain.learning.store import Store
from benchmarks.brain.learning.tasks import bandits
from benchmarks.brain.learning.training import TEST, VALIDATION

Run = Mapping[str, Any]
PICTURE = reports.ROOT / "docs" / "pictures" / "brain-learning.svg"
HEADS = ("", "median", "lowest", "highest", "updates", "rate", "CPU, s", "parameters")


def references(tasks: Iterable[str]) -> dict[str, dict[str, float]]:
    """Give the scores of policies that are not learned."""
    if "bandits" not in tasks:
        return {}
    rows = bandits.BANDITS.tested
    return {"references": bandits.references(rows, TEST), "validation_references": bandits.references(rows // 4, VALIDATION)}


def table(runs: Sequence[Run]) -> Table:
    """Make the table for a terminal."""
    rows: list[tuple[str | None, Sequence[str]]] = []
    for task in _tasks(runs):
        rows.append(("dim", (TASKS[task].title, *[""] * (len(HEADS) - 2))))
        rows.extend(("bold" if model == "ours" else None, cells[:-1]) for model, cells in _rows(task, runs))
    return reports.terminal_table(HEADS[:-1], rows, "what is learned")


def write(store: Store, units: Iterable[Unit]) -> None:
    """Write the page's tables and plots."""
    runs = [run for unit in units if (run := store.finished(unit)) is not None]
    told = {"results": _results(runs, store.more), "bars": _bars(runs, store.more["references"])}
    page = reports.PAGES / "brain-learning.md"
    page.write_text(reports.fill(page.read_text(encoding="utf-8"), told), encoding="utf-8")
    draw(runs, store.more["validation_references"], PICTURE)
    for path in (store.path, page, PICTURE):
        print(f"wrote {path}")


def draw(runs: Sequence[Run], references: Mapping[str, float], path: Path) -> None:
    """Plot the validation scores over the updates: medians, and ranges behind them."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    mpl.rcParams |= {"svg.hashsalt": "brain", "font.size": 8, "axes.spines.top": False, "axes.spines.right": False}
    tasks = _tasks(runs)
    figure, places = plt.subplots(2, -(-len(tasks) // 2), figsize=(12, 5.5), squeeze=False)
    colours = dict(zip(MODELS, plt.get_cmap("tab10").colors, strict=False))
    for place, task in zip(places.flat, tasks, strict=False):
        for model in TASKS[task].models:
            x, low, middle, high = _curve([run["curve"] for run in runs if (run["task"], run["model"]) == (task, model)])
            place.plot(x, middle, color=colours[model], label=MODELS[model].title, linewidth=2 if model == "ours" else 1)
            place.fill_between(x, low, high, color=colours[model], alpha=0.15, linewidth=0)
        if task == "bandits":
            place.axhline(references["Gittins' index"], color="grey", linestyle=":", label="Gittins' index")
        if TASKS[task].metric == "squared error":
            place.set_yscale("log")
        if getattr(TASKS[task], "converge", ()):
            place.set_xscale("log")
        place.set(title=TASKS[task].title, xlabel="updates", ylabel=TASKS[task].metric)
    for place in list(places.flat)[len(tasks) :]:
        place.axis("off")
    labels = {label: line for place in places.flat for line, label in zip(*place.get_legend_handles_labels(), strict=True)}
    figure.legend(labels.values(), labels.keys(), loc="lower center", ncols=5, frameon=False)
    figure.tight_layout(rect=(0, 0.09, 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _curve(curves: Sequence[Sequence[tuple[int, float]]]) -> tuple[list[int], list[float], list[float], list[float]]:
    """Put the seeds' curves together. One that has ended stays where it was."""
    steps = sorted({step for curve in curves for step, _ in curve})
    at = [[next((score for when, score in reversed(curve) if when <= step), curve[0][1]) for curve in curves] for step in steps]
    return steps, [min(row) for row in at], [statistics.median(row) for row in at], [max(row) for row in at]


def _results(runs: Sequence[Run], more: Mapping[str, Any]) -> str:
    parts = []
    for task in _tasks(runs):
        rows = [("**" + cells[0] + "**" if model == "ours" else cells[0], *cells[1:]) for model, cells in _rows(task, runs)]
        if task == "bandits":
            rows += [(f"*{name}*", f"{score:.2f}", *[""] * (len(HEADS) - 2)) for name, score in more["references"].items()]
        better = "higher" if TASKS[task].higher else "lower"
        parts += [f"**{TASKS[task].title}**: {TASKS[task].metric}, {better} is better", "", reports.page_table(HEADS, rows), ""]
    return "\n".join([*parts, f"Medians of {more['seeds']} seeds on {reports.told(more['machine'])}, one thread a run."])


def _rows(task: str, runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """Give the cells of a task's rows, in the order of its models."""
    rows = []
    for model in TASKS[task].models:
        mine = [run for run in runs if (run["task"], run["model"]) == (task, model)]
        if not mine:
            continue
        scores = [run["score"] for run in mine]
        form = "{:.2f}" if task == "bandits" else "{:.4f}" if TASKS[task].metric == "squared error" else "{:.3f}"
        told = [form.format(value) for value in (statistics.median(scores), min(scores), max(scores))]
        updates = sorted({run["updates"] for run in mine})
        rows.append((model, [
            MODELS[model].title,
            *told,
            f"{updates[0]:,}" if len(updates) == 1 else f"{updates[0]:,} to {updates[-1]:,}",
            f"{mine[0]['rate']:g}",
            f"{statistics.median(run['cpu_seconds'] for run in mine):.0f}",
            f"{mine[0]['parameters']:,}",
        ]))  # fmt: skip
    return rows


def _bars(runs: Sequence[Run], references: Mapping[str, float]) -> str:
    """Say of each bar that was set beforehand whether it is met."""

    def score(task: str, model: str) -> float:
        return statistics.median(run["score"] for run in runs if (run["task"], run["model"]) == (task, model))

    rows = []
    for task in ("binding_1", "binding_3"):
        others = [model for model in TASKS[task].models if model != "ours"]
        highest = max(score(task, model) for model in others)
        met = score(task, "ours") >= 0.95 and highest < 0.8
        told = f"{score(task, 'ours'):.3f}, and {highest:.3f} at most"
        rows.append((TASKS[task].title, "ours .95 at least, every other below .8", told, met))
    lesser = [model for model in TASKS["cue_reward"].models if model not in {"ours", "gru"}]
    highest = max(score("cue_reward", model) for model in lesser)
    told = f"{score('cue_reward', 'ours'):.3f}, and {highest:.3f} at most"
    rows.append((TASKS["cue_reward"].title, "ours above itself without a part", told, score("cue_reward", "ours") > highest))
    gittins, total = references["Gittins' index"], score("bandits", "ours")
    rows.append(("Bernoulli bandits", "within 5% of Gittins' index", f"{total:.2f} of {gittins:.2f}", total >= 0.95 * gittins))
    for task, model, rivals in (
        ("mnist1d", "ours", ("gru",)),
        ("mnist1d", "ours_conv", ("gru", "gru_conv")),
        ("text", "ours", ("gru", "mingru")),
    ):
        sign = 1 if TASKS[task].higher else -1
        best = max(sign * score(task, rival) for rival in rivals)
        told = f"{score(task, model):.3f}, and {sign * best:.3f}"
        bar = f"{MODELS[model].title}, at least as good as {' and '.join(MODELS[rival].title for rival in rivals)}"
        rows.append((TASKS[task].title, bar, told, sign * score(task, model) >= best))
    cells = ((task, bar, told, "yes" if met else "**no**") for task, bar, told, met in rows)
    return reports.page_table(("task", "bar", "measured, medians", "met"), cells, numbers=False)


def _tasks(runs: Iterable[Run]) -> list[str]:
    present = {run["task"] for run in runs}
    return [task for task in TASKS if task in present]
