"""Texts, llm_brain's optimiser beside GEPA: the same task, the same writer of texts, the same number of runs, the same seeds.

    python -m benchmarks.optimize.texts                # patterns, and this page's tables: about five minutes
    python -m benchmarks.optimize.texts --prompts      # then prompts for the embedded model: about as long the first time
    python -m benchmarks.optimize.texts --seeds 3      # a look, which writes nothing

GEPA is the package `gepa`, installed into a folder of its own at the first run. It has no dependencies.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from benchmarks import reports
from benchmarks.environments import Environment, make_environments
from benchmarks.optimize import texts_fields, texts_gepa, texts_ours
from benchmarks.optimize.texts_rewriter import QUALITIES, Rewriter
from llm_brain import LLMBrainError
from llm_brain.optimize.proposers.edits import EditProposer
from llm_brain.optimize.proposers.merge import MergeProposer
from llm_brain.optimize.proposers.reflection import GATE, ReflectionProposer

FOLDER = Path(__file__).parent
GEPA = Environment(FOLDER / ".environments" / "gepa", FOLDER / "texts_gepa_requirements.txt")
SEEDS = 24
FIRST_SEED = 200  # defaults were chosen on others
CASES, HIDDEN = 30, 300
BUDGETS = (300, 600)
OURS, REFERENCE = "llm_brain", "gepa"
TITLES = {
    "start": "as it was written",
    REFERENCE: "GEPA, by its defaults",
    "gepa_merge": "GEPA, merging and remembering scores",
    "gepa_split": "GEPA, half of the cases for reflection, half for the front",
    OURS: "llm_brain: reflection and merging",
    "llm_brain_shown": "llm_brain, with the gate on what was shown",
    "llm_brain_replies": "the same, ending at as many replies as GEPA had",
    "llm_brain_edits": "llm_brain, with blind edits as well",
}


def optimised(
    row: str, cases: Sequence[Any], quality: str, *, budget: int, seed: int, most_replies: int
) -> tuple[dict[str, str], int, int]:
    """Give a row's texts, how often texts were run, and how often the writer was asked."""
    rewriter = Rewriter(quality, seed)

    def rewrite(name: str, text: str, runs: Sequence[Mapping[str, Any]]) -> str:
        if row == "llm_brain_replies" and rewriter.asked >= most_replies:
            message = "there were as many replies as GEPA had"
            raise LLMBrainError(message)
        return rewriter.rewrite(name, text, [run["Feedback"] for run in runs])

    start, metric = texts_fields.START, metric_of_fields
    if row == "start":
        return start, 0, 0
    if row.startswith("llm_brain"):
        gate = None if row in {"llm_brain_shown", "llm_brain_replies"} else GATE
        proposers: list[Any] = [ReflectionProposer(texts_ours.Scripted(rewrite), gate=gate, perfect=1.0), MergeProposer()]
        proposers += [EditProposer()] if row.endswith("edits") else []
        found = texts_ours.optimise(start, cases, metric, proposers, budget=budget, seed=seed, longest=texts_fields.LONGEST)
        return *found, rewriter.asked
    options: dict[str, Any] = {
        "gepa": {},
        "gepa_merge": {"use_merge": True, "cache_evaluation": True},
        "gepa_split": {"validation": cases[1::2]},
    }[row]
    seen = cases[::2] if row == "gepa_split" else cases
    return *texts_gepa.optimise(start, seen, metric, rewrite, budget=budget, seed=seed, **options), rewriter.asked


def metric_of_fields(texts: dict[str, str], case: texts_fields.Message) -> tuple[Any, float, str]:
    result = texts_fields.found(texts, case.text)
    return result, *texts_fields.score(case, result)


def measured(seeds: Iterable[int]) -> dict[str, Any]:
    """Run everything: scores on the hidden cases, by rewriter and budget, row and seed."""
    kept: dict[str, Any] = {"scores": {}, "runs": {}, "replies": {}}
    for seed in track(list(seeds), "seeds", transient=True):
        cases, hidden = texts_fields.messages(seed, CASES), texts_fields.messages(seed + 1_000_000, HIDDEN)
        for quality, budget, row in itertools.product(QUALITIES, BUDGETS, TITLES):
            most_replies = kept["replies"][f"{quality} {budget}"][REFERENCE][-1] if row == "llm_brain_replies" else 0
            texts, runs, replies = optimised(row, cases, quality, budget=budget, seed=seed, most_replies=most_replies)
            told = {"scores": round(texts_fields.accuracy(texts, hidden), 4), "runs": runs, "replies": replies}
            for name, value in told.items():
                kept[name].setdefault(f"{quality} {budget}", {}).setdefault(row, []).append(value)
    for name in ("runs", "replies"):
        means = {cell: {row: round(statistics.mean(found)) for row, found in rows.items()} for cell, rows in kept[name].items()}
        kept[name] = means
    return kept


def gain(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """Give the mean difference in pairs, and its interval of 95% (Student)."""
    from scipy.stats import ttest_1samp

    differences = [one - other for one, other in zip(ours, theirs, strict=True)]
    if len(set(differences)) == 1:
        return differences[0], differences[0], differences[0]
    interval = ttest_1samp(differences, 0.0).confidence_interval(0.95)
    return statistics.mean(differences), float(interval.low), float(interval.high)


def primary(scores: Mapping[str, Mapping[str, Sequence[float]]], row: str) -> list[float]:
    """Give each seed's mean score over both rewriters with the larger budget: the figure that was named before the run."""
    return [
        statistics.mean(pair) for pair in zip(*(scores[f"{quality} {BUDGETS[-1]}"][row] for quality in QUALITIES), strict=True)
    ]


def tables(record: Mapping[str, Any]) -> dict[str, str]:
    scores = record["scores"]
    cells = list(scores)
    heads = [
        "",
        *(f"{cell.split()[0]}, {cell.split()[1]} runs" for cell in cells),
        f"both, {BUDGETS[-1]}",
        "llm_brain minus this",
        "runs",
        "replies",
    ]
    lines = []
    for row, title in TITLES.items():
        means = [f"{statistics.mean(scores[cell][row]):.3f}" for cell in cells]
        mark = "**" if row == OURS else ""
        mean = f"{statistics.mean(primary(scores, row)):.3f}"
        lines.append([f"{mark}{title}{mark}", *means, mean, _gain(scores, row, primary), *_spent(record, row)])
    by_cell = [
        [f"{cell.split()[0]}, {cell.split()[1]} runs", *(_gain(scores, row, lambda told, one: told[cell][one]) for row in PEERS)]  # noqa: B023
        for cell in cells
    ]
    low = gain(primary(scores, OURS), primary(scores, REFERENCE))[1]
    bar = f"{'met' if low > 0 else '**not met**'}: llm_brain minus GEPA is {_gain(scores, REFERENCE, primary)}"
    found = {
        "bar": f"At least GEPA's score on the hidden messages, both rewriters, {BUDGETS[-1]} runs: {bar}.",
        "patterns": reports.page_table(heads, lines),
        "differences": reports.page_table(["llm_brain minus", *(TITLES[row] for row in PEERS)], by_cell),
    }
    if "prompts" in record:
        found["prompts"] = prompts_table(record["prompts"])
    return found


PEERS = (REFERENCE, "gepa_merge", "gepa_split")


def _gain(scores: Any, row: str, figure: Callable[[Any, str], Sequence[float]]) -> str:
    if row == OURS:
        return ""
    mean, low, high = gain(figure(scores, OURS), figure(scores, row))
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def _spent(record: Mapping[str, Any], row: str) -> list[str]:
    """Tell what the larger budget was spent on, for each writer."""
    return [
        ", ".join(str(record[what][f"{quality} {BUDGETS[-1]}"][row]) for quality in QUALITIES) for what in ("runs", "replies")
    ]


def prompts_table(prompts: Mapping[str, Any]) -> str:
    rows = [
        [
            TITLES[row],
            *(f"{score:.3f}" for score in found["scores"]),
            ", ".join(map(str, found["runs"])),
            f"*{found['texts'][0]}*",
        ]
        for row, found in prompts["rows"].items()
    ]
    count = len(next(iter(prompts["rows"].values()))["scores"])
    return reports.page_table(["", *(f"seed {seed}" for seed in range(count)), "runs", "the text of seed 0"], rows)


def main() -> None:
    asked = arguments()
    make_environments([GEPA])
    sys.path.append(str(next((GEPA.folder / "lib").glob("python*")) / "site-packages"))
    earlier = reports.RESULTS / "optimize_texts.json"
    record = json.loads(earlier.read_text(encoding="utf-8")) if earlier.is_file() else {}
    if asked.prompts:
        from benchmarks.optimize import texts_prompts

        record["prompts"] = texts_prompts.measured()
    else:
        found = measured(range(FIRST_SEED, FIRST_SEED + asked.seeds))
        record = {**record, "machine": reports.machine(), "seeds": asked.seeds, **found}
    Console().print(*tables(record).values(), sep="\n\n", markup=False)
    if asked.seeds >= SEEDS:
        reports.write("optimize_texts", record, tables(record))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"how many (default: {SEEDS}); with fewer nothing is written")
    parser.add_argument("--prompts", action="store_true", help="prompts for the embedded model instead")
    return parser.parse_args()


if __name__ == "__main__":
    main()
