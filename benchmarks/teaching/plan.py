"""What is run: tasks, teachers, rows and seeds, and with which settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

from benchmarks.teaching.pupils import Recipe, described
from benchmarks.teaching.task import TeachingTask
from benchmarks.teaching.tasks import TASKS
from benchmarks.teaching.teachers import teaches

SEEDS = 5
SHARE = 0.75  # of the pool is what a row may ask about; the rest calibrates the cascade, and is what recipes were chosen by
ROWS = {
    "teacher": "the teacher itself",
    "tfidf": "TF-IDF, logistic regression",
    "gru": "nn.GRU in the brain's place",
    "brain": "the brain",
    "feedback": "the brain, with feedback",
}
UNSEEDED = ("teacher",)
RECIPES = {
    "mood": Recipe(),
    "routing": Recipe(),
    "fortunes": Recipe(),
    "orders": Recipe(epochs=30, dropout=0.1, word_dropout=0.1),
}
QUICK = {"epochs": 1, "feedback_epochs": 1, "width": 16}
QUICK_CALLS = 32


class Unit(NamedTuple):
    """One run: who is taught what by whom, from which seed."""

    task: str
    teacher: str
    row: str
    seed: int


def units(tasks: Iterable[str], teachers: Iterable[str], rows: Iterable[str], seeds: int) -> Iterator[Unit]:
    """Give the runs, one seed of all of them after the other."""
    taught = [(task, teacher) for task in tasks for teacher in teachers if teaches(load(task), teacher)]
    for seed in range(seeds):
        for task, teacher in taught:
            for row in rows:
                if seed == 0 or row not in UNSEEDED:
                    yield Unit(task, teacher, row, seed)


@cache
def load(name: str) -> TeachingTask:
    """Load a task once."""
    return TASKS[name]()


def recipe(task: str, *, quick: bool = False) -> Recipe:
    """Give the recipe of a task; a quick one is there to see that all of it runs."""
    told: dict[str, Any] = QUICK if quick else {}
    return replace(RECIPES[task], **told)


def calls(known: int, *, quick: bool = False) -> int:
    """Tell how many calls a row has, of a pool with so many answers."""
    return QUICK_CALLS if quick else round(SHARE * known)


def settings(unit: Unit) -> dict[str, Any]:
    """Tell what a run's outcome depends on beside its unit: a kept run is used again only where this is the same."""
    learns = unit.row not in ("teacher", "tfidf")
    return {"share": SHARE, **(described(RECIPES[unit.task]) if learns else {})}
