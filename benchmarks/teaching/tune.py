"""Try recipes on texts of the pool that nobody was taught, and never on the gold set.

    python -m benchmarks.teaching.tune routing noisy brain gru,epochs=10 feedback,labels=0.9 --seeds 3

Each row is named with what it changes of the task's recipe. What is told: the accuracy on the quarter of the pool that was not
asked about, where its true answers are known, and on the task's development set; means over seeds that are not reported.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from benchmarks.teaching import plan, pupils
from benchmarks.teaching.baselines import train_tfidf
from benchmarks.teaching.pupils import Recipe
from benchmarks.teaching.task import accuracy
from benchmarks.teaching.teachers import FOLDER, TEACHERS, ask, read_answers

FIRST_SEED = 100


def changed(recipe: Recipe, changes: Sequence[str]) -> Recipe:
    """Change fields of a recipe that are written as `name=value`."""
    told: dict[str, Any] = {}
    for change in changes:
        name, value = change.split("=")
        told[name] = type(getattr(recipe, name))(value)
    return replace(recipe, **told)


def tried(task_name: str, teacher: str, row: str, recipe: Recipe, *, seeds: int, share: float) -> str:
    """Teach a row from some seeds, and tell how good it is."""
    task = plan.load(task_name)
    answers = read_answers(task, teacher)
    truth = {text: answer for text, answer in task.pool if answer is not None}
    begun, calls = time.process_time(), ""
    rest: list[float] = []
    dev: list[float] = []
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        order = pupils.shuffled_pool(task, answers, seed)
        number = round(share * len(order))
        if row == "tfidf":
            answer_all = train_tfidf([(text, answers[text].answer) for text in order[:number]])
        else:
            learned = pupils.learn(task, answers, number, recipe, seed, row=row, order=order)
            answer_all, calls = learned.answer_all, f", {learned.labels} labels and {learned.evaluations} evaluations"
        for found, examples in (
            (rest, [(text, truth[text]) for text in order[round(plan.SHARE * len(order)) :] if text in truth]),
            (dev, task.dev),
        ):
            if examples:
                found.append(accuracy(answer_all([text for text, _ in examples]), examples))
    seconds = (time.process_time() - begun) / seeds
    told = [f"{statistics.mean(found):.3f}" if found else "none" for found in (rest, dev)]
    return f"pool {told[0]} ({' '.join(f'{one:.3f}' for one in rest)}), dev {told[1]}{calls}, {seconds:.1f} s of CPU a seed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=list(plan.RECIPES))
    parser.add_argument("teacher", choices=list(TEACHERS))
    parser.add_argument("rows", nargs="+", help="such as brain,epochs=10,dropout=0.2")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--share", type=float, default=plan.SHARE, help="of the pool, that is asked about")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if not (FOLDER / f"{asked.task}-{asked.teacher}.json").is_file():
        ask(plan.load(asked.task), asked.teacher)
    for told in asked.rows:
        row, *changes = told.split(",")
        recipe = changed(plan.recipe(asked.task), changes)
        print(f"{told}: {tried(asked.task, asked.teacher, row, recipe, seeds=asked.seeds, share=asked.share)}", flush=True)


if __name__ == "__main__":
    main()
