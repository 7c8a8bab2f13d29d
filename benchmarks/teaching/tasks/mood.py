"""The mood of customers' messages: the example's interface and data, as they are. Nobody labelled the pool."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import examples.mood.interface
from benchmarks.teaching.task import TeachingTask, read_lines
from examples.mood.interface import MOODS, MoodReader, Product, Topic

FOLDER = Path(examples.mood.interface.__file__).parent


def load_task() -> TeachingTask:
    """Load the task."""
    gold = read_lines(FOLDER / "gold.jsonl", "message", "mood", "hard")
    return TeachingTask(
        name="mood",
        interface=MoodReader,
        function_name="mood",
        pool=[(line["message"], None) for line in read_lines(FOLDER / "pool.jsonl", "message")],
        gold=[(line["message"], line["mood"]) for line in gold],
        dev=[(line["message"], line["mood"]) for line in read_lines(FOLDER / "dev.jsonl", "message", "mood")],
        topics={"product": get_args(Product), "topic": get_args(Topic), "mood": MOODS},
        hard=[index for index, line in enumerate(gold) if line["hard"]],
    )
