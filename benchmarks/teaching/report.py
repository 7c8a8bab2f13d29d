"""What is told of the runs: a table for the terminal, the page's tables and bars, and the plot."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from benchmarks import reports
from benchmarks.teaching.plan import RECIPES, ROWS
from benchmarks.teaching.store import Store
from benchmarks.teaching.teachers import TEACHERS
from benchmarks.teaching.worker import AGREEMENTS
from llm_brain.training.objectives import OBJECTIVES

Run = Mapping[str, Any]
PICTURE = reports.ROOT / "docs" / "pictures" / "teaching.svg"
HEADS = (
    "",
    "accuracy",
    "95% interval",
    "labels",
    "evaluations",
    "asks the teacher",
    "a call, ms",
    "a thousand, s",
    "a thousand, $",
)
# Student's t for 95%, by the number of seeds.
STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
UNSUREST = "the unsurest tenth"
NONE = ""


def interval(scores: Sequence[float]) -> tuple[float, float] | None:
    """Give the 95% interval of the mean over seeds, by Student's t; None where there are not two to ten."""
    if len(scores) not in STUDENT:
        return None
    half = STUDENT[len(scores)] * statistics.stdev(scores) / math.sqrt(len(scores))
    return statistics.mean(scores) - half, statistics.mean(scores) + half


def table(runs: Sequence[Run]) -> Table:
    """Make the table for a terminal."""
    rows: list[tuple[str | None, Sequence[str]]] = []
    for task, teacher in groups(runs):
        rows.append(("dim", (f"{task}, {TEACHERS[teacher]}", *[""] * 5)))
        rows += [("bold" if cells[0] == ROWS["brain"] else None, cells[:6]) for cells in group_rows(runs, task, teacher, {})]
    return reports.terminal_table(HEADS[:6], rows, "what is learned from a teacher")


def write(store: Store, runs: Sequence[Run]) -> None:
    """Write the page's tables and the plot."""
    more = store.more
    told = {"results": results(runs, more), "bars": bars(runs, more), "speed": speeds(more)}
    for name, made in (("toy judge", toy_judge()), ("overlap", overlap())):
        told |= {name: made} if made else {}
    page = reports.PAGES / "teaching.md"
    page.write_text(reports.fill(page.read_text(encoding="utf-8"), told), encoding="utf-8")
    draw(runs)
    for path in (store.path, page, PICTURE):
        print(f"wrote {path}")


def groups(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Give the tasks and teachers of which there are runs."""
    present = {(run["task"], run["teacher"]) for run in runs}
    return [(task, teacher) for task in RECIPES for teacher in TEACHERS if (task, teacher) in present]


def of(runs: Sequence[Run], task: str, teacher: str, row: str) -> list[Run]:
    """Give the runs of a row, one a seed."""
    found = [run for run in runs if (run["task"], run["teacher"], run["row"]) == (task, teacher, row)]
    return sorted(found, key=lambda run: run["seed"])


def mean(runs: Sequence[Run], name: str = "score") -> float:
    """Give the mean over seeds."""
    return float(statistics.mean(run[name] for run in runs))


def group_rows(runs: Sequence[Run], task: str, teacher: str, more: Mapping[str, Any]) -> Iterator[list[str]]:
    """Give the cells of the rows of a task and a teacher."""
    timed = more.get("speed", {}).get(task)
    for row, title in ROWS.items():
        mine = of(runs, task, teacher, row)
        if not mine:
            continue
        asked = 1.0 if row == "teacher" else 0.0
        yield [title, *accuracy_cells(mine), *calls_cells(mine), f"{asked:.0%}", *cost_cells(timed, row, teacher, asked)]
    brains = of(runs, task, teacher, "brain")
    for place in range(len(AGREEMENTS) + 1):
        points = [{**run["cascade"][place], "labels": run["labels"], "evaluations": 0} for run in brains if "cascade" in run]
        if points:
            asked = mean(points, "asked")
            title = f"cascade, {points[0]['at']}"
            yield [
                title,
                *accuracy_cells(points),
                *calls_cells(points),
                f"{asked:.0%}",
                *cost_cells(timed, "cascade", teacher, asked),
            ]


def accuracy_cells(runs: Sequence[Run]) -> list[str]:
    """Tell the mean, and how sure it is over the seeds."""
    between = interval([run["score"] for run in runs])
    return [f"{mean(runs):.3f}", NONE if between is None else f"{between[0]:.3f} to {between[1]:.3f}"]


def calls_cells(runs: Sequence[Run]) -> list[str]:
    """Tell how many labels and evaluations it was learned from."""
    return [f"{mean(runs, 'labels'):,.0f}", f"{mean(runs, 'evaluations'):,.0f}"]


def cost_cells(timed: Mapping[str, Any] | None, row: str, teacher: str, asked: float) -> list[str]:
    """Tell the milliseconds of a call, and the seconds and dollars of a thousand answers; what is not known is left open.

    The noisy teacher stands for a hosted model: its time is not known, and its price is the hosted one's.
    """
    if timed is None:
        return [NONE] * 3
    local = {"teacher": "embedded", "feedback": "brain", "cascade": "brain"}.get(row, row)
    hosted = timed["hosted_cost_a_thousand"] or 0.0
    dollars = f"{asked * hosted:.2f}" if teacher == "noisy" else "0"
    if teacher == "noisy" and asked:
        return [NONE, NONE, dollars]
    call, thousand = timed["call_ms"][local], timed["seconds_a_thousand"][local]
    if row == "cascade":
        call += asked * timed["call_ms"]["embedded"]
        thousand += asked * timed["seconds_a_thousand"]["embedded"]
    return [f"{call:.3g}", f"{thousand:.3g}", dollars]


def results(runs: Sequence[Run], more: Mapping[str, Any]) -> str:
    """Make the page's tables."""
    parts = []
    for task, teacher in groups(runs):
        rows = [
            [f"**{cells[0]}**" if cells[0] == ROWS["brain"] else cells[0], *cells[1:]]
            for cells in group_rows(runs, task, teacher, more)
        ]
        parts += [f"**{task}**, taught by {TEACHERS[teacher]}", "", reports.page_table(HEADS, rows), ""]
    return "\n".join([*parts, f"Means of {more['seeds']} seeds on {reports.told(more['machine'])}, one thread a run."])


def speeds(more: Mapping[str, Any]) -> str:
    """Make the table of how many times faster the brain is."""
    heads = ("task", "a call: brain, ms", "embedded model, ms", "times", "a thousand: brain, s", "embedded model, s", "times")
    rows = [
        (
            task,
            *(f"{timed['call_ms'][row]:.3g}" for row in ("brain", "embedded")),
            f"{timed['times_faster_a_call']:,.0f}",
            *(f"{timed['seconds_a_thousand'][row]:.3g}" for row in ("brain", "embedded")),
            f"{timed['times_faster_a_thousand']:,.0f}",
        )
        for task, timed in more.get("speed", {}).items()
    ]
    return reports.page_table(heads, rows)


def bars(runs: Sequence[Run], more: Mapping[str, Any]) -> str:
    """Say of each bar that was set beforehand whether it is met."""
    rows: list[tuple[str, str, str, bool]] = []
    for task, teacher in groups(runs):
        of_row = {row: of(runs, task, teacher, row) for row in ROWS}
        if not all(of_row.values()):
            continue
        brain, feedback, taught_by = mean(of_row["brain"]), mean(of_row["feedback"]), mean(of_row["teacher"])
        others = {row: mean(of_row[row]) for row in ("tfidf", "gru")}
        where = f"{task}, {TEACHERS[teacher]}"
        told = f"{brain:.3f}; {others['tfidf']:.3f}, {others['gru']:.3f}"
        rows.append((where, "the brain above TF-IDF and nn.GRU at the same calls", told, brain > max(others.values())))
        rows.append((where, "feedback above distillation at the same calls", f"{feedback:.3f}; {brain:.3f}", feedback > brain))
        tenth = [point for run in of_row["brain"] for point in run["cascade"] if point["at"] == UNSUREST]
        bar = "the cascade at most a point below the teacher, with a tenth of the calls"
        rows.append((where, bar, f"{mean(tenth):.3f}; {taught_by:.3f}", mean(tenth) >= taught_by - 0.01))
    for task, timed in more.get("speed", {}).items():
        call, many = timed["times_faster_a_call"], timed["times_faster_a_thousand"]
        rows.append(
            (task, "a call 1,000 times faster than the embedded model's", f"{call:,.0f}; many at once {many:,.0f}", call >= 1000)
        )
    rows += judge_bars() + overlap_bars()
    cells = ((where, bar, told, "yes" if met else "**no**") for where, bar, told, met in rows)
    return reports.page_table(("where", "bar", "measured", "met"), cells, numbers=False)


def judge_bars() -> list[tuple[str, str, str, bool]]:
    """Say whether the sound objectives, without labels beside them, learn from the toy judge, and the seed's factor does not."""
    scores = {row["name"]: row["score"] for row in record_of("toy_judge").get("rows", ())}
    if not scores:
        return []
    sound = min(score for name, score in scores.items() if name in OBJECTIVES)
    factor = scores["factor"]
    return [
        ("toy judge", "every sound objective reaches .8", f"{sound:.3f} at least", sound >= 0.8),
        ("toy judge", "a factor on the supervised loss does not", f"{factor:.3f}", factor < 0.8),
    ]


def overlap_bars() -> list[tuple[str, str, str, bool]]:
    """Say whether evaluations under way leave the loop its speed."""
    kept = {row["name"]: row["of_alone"] for row in record_of("teaching_overlap").get("rows", ())}
    if not kept:
        return []
    bar = "95% of the speed without feedback, with sixteen evaluations of a second each in flight"
    told = f"{kept['overlapped']:.1%}; waiting for them {kept['blocking']:.1%}"
    return [("overlap", bar, told, kept["overlapped"] >= 0.95)]


def record_of(name: str) -> dict[str, Any]:
    """Read the record of another benchmark; empty where there is none."""
    path = reports.RESULTS / f"{name}.json"
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return record


def toy_judge() -> str:
    """Tell of the toy judge's results, where there are any."""
    rows = record_of("toy_judge").get("rows")
    if not rows:
        return ""
    cells = [(row["title"], *(f"{row[name]:.3f}" for name in ("score", "lowest", "highest", "right"))) for row in rows]
    heads = ("", "score", "lowest", "highest", "right")
    return reports.page_table(heads, cells) + f"\n\nMedians of {rows[0]['seeds']} seeds, from a score of {rows[0]['before']:.3f}."


def overlap() -> str:
    """Tell of the overlap's results, where there are any."""
    record = record_of("teaching_overlap")
    if not record:
        return ""
    heads = (
        "",
        "steps a second",
        "of the speed alone",
        "by CPU time",
        "evaluations a second",
        "answers drawn in",
        "CPU a step, ms",
    )
    cells = [
        (
            row["title"],
            f"{row['steps_a_second']:.3g}",
            f"{row['of_alone']:.1%} ({row['of_alone_range'][0]:.1%} to {row['of_alone_range'][1]:.1%})",
            f"{row['of_alone_by_cpu']:.1%}",
            f"{row['evaluations_a_second']:.3g}",
            f"{row['drawn']:.0%} of the steps",
            f"{row['cpu_ms']:.3g}",
        )
        for row in record["rows"]
    ]
    return reports.page_table(heads, cells) + f"\n\nMedians of {record['rounds']} rounds on {reports.told(record['machine'])}."


def draw(runs: Sequence[Run]) -> None:
    """Plot the accuracy of each row, with every seed as a point."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    mpl.rcParams |= {"svg.hashsalt": "teaching", "font.size": 8, "axes.spines.top": False, "axes.spines.right": False}
    shown = groups(runs)
    figure, places = plt.subplots(2, -(-len(shown) // 2), figsize=(12, 5), squeeze=False, sharey=True)
    for place, (task, teacher) in zip(places.flat, shown, strict=False):
        for height, row in enumerate(reversed(ROWS)):
            scores = [run["score"] for run in of(runs, task, teacher, row)]
            if scores:
                place.barh(height, statistics.mean(scores), color="tab:blue" if row == "brain" else "lightsteelblue", height=0.7)
                place.plot(scores, [height] * len(scores), "k.", markersize=3)
        place.set_yticks(range(len(ROWS)), [title.replace(", logistic regression", "") for title in reversed(ROWS.values())])
        place.set(title=f"{task}\n{TEACHERS[teacher]}", xlim=(0, 1), xlabel="accuracy on the gold set")
    for place in list(places.flat)[len(shown) :]:
        place.axis("off")
    figure.tight_layout()
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, metadata={"Date": None})
    plt.close(figure)
