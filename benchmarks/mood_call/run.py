"""One typed call, implemented by the embedded model, by a brain, and by scikit-learn: seconds a call, interleaved, as ratios.

    python -m benchmarks.mood_call.run

The brain's weights are random: its speed does not depend on them. Medians over rounds; each round asks everyone the same
messages, one after the other, so that a busy machine is busy for all of them.
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from examples.mood.interface import Mood, MoodReader
from examples.mood.school import BRAIN
from llm_brain import Student, typed
from llm_brain.backends import resolve_model
from llm_brain.backends.embedded import weights_folder
from llm_brain.training import Subject, TokenReader, read_messages
from llm_brain.training.lesson import build_brain

ROUNDS = 5
MESSAGES = 20
RESULTS = Path(__file__).parent.parent / "results" / "mood_call.json"


def main() -> None:
    messages = [line["message"] for line in read_messages(Path("examples/mood/gold.jsonl"), "message")][:MESSAGES]
    rows = contenders(messages)
    for ask in rows.values():
        ask(messages[0])
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(ROUNDS):
        for name, ask in rows.items():
            begin = time.perf_counter()
            for message in messages:
                ask(message)
            seconds[name].append((time.perf_counter() - begin) / len(messages))
    report({name: statistics.median(times) for name, times in seconds.items()})


def contenders(messages: list[str]) -> dict[str, Callable[[str], Any]]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    torch.set_num_threads(1)
    tokens = TokenReader.from_folder(weights_folder())
    subject = Subject.of(typed(MoodReader().mood))
    student = Student(build_brain(subject, tokens, BRAIN), tokens, subject.function.spec.qualified_name, Mood)
    classical = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression())
    classical.fit(messages, [index % 2 for index in range(len(messages))])
    return {
        "embedded model, typed call": MoodReader.using(resolve_model("local"))().mood,  # type: ignore[attr-defined]
        "brain, typed call": MoodReader.using(student)().mood,  # type: ignore[attr-defined]
        "TF-IDF + logistic regression, bare": lambda message: classical.predict([message]),
    }


def report(medians: dict[str, float]) -> None:
    table = Table("who answers", "ms a call", "times the brain's")
    brain = medians["brain, typed call"]
    for name, value in medians.items():
        table.add_row(name, f"{value * 1e3:.3f}", f"{value / brain:.1f}")
    Console().print(table)
    RESULTS.parent.mkdir(exist_ok=True)
    record = {"seconds_a_call": medians, "processor": platform.processor() or platform.machine(), "torch": torch.__version__}
    RESULTS.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
