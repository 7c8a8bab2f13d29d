"""What came out: the brain beside its teacher and a classical baseline, as a summary, a table, and a page."""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Grid

from examples.mood.interface import MOODS, Mood, MoodReader
from examples.mood.school import Knobs
from llm_brain._atomic import write_atomically
from llm_brain.optimize import Study
from llm_brain.tracing import ConfusionMatrix, Curve, Prose, Table, write_report
from llm_brain.training import PairSet

WHO = {"teacher": "teacher", "brain": "brain", "cascade": "cascade", "baseline": "TF-IDF baseline"}


@dataclass
class Summary:
    """The figures of a run.

    Accuracies are shares of the gold set; its hard part is told apart. Of the cascade: the share of the gold set that the model
    was asked about, the share on which its answer is the model's, and how often it found that inputs had changed.
    """

    teacher_accuracy: float
    teacher_accuracy_uncalibrated: float
    brain_accuracy: float
    cascade_accuracy: float
    baseline_accuracy: float
    teacher_accuracy_hard: float
    brain_accuracy_hard: float
    cascade_accuracy_hard: float
    baseline_accuracy_hard: float
    cascade_model_share: float
    cascade_agreement: float
    cascade_alarms: int
    teacher_seconds_a_call: float
    brain_seconds_a_call: float
    speed_ratio: float
    model_calls: int
    cached_calls: int
    training_pairs: int
    trials: int
    seconds: float


def baseline_answers(pairs: PairSet, messages: Sequence[str]) -> list[Mood]:
    """Train TF-IDF and logistic regression on the very pairs that the brain was trained on, and let them answer.

    How strongly it is regularised, and whether it reads pairs of words, is chosen by cross-validation on these pairs.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline

    steps = [("words", TfidfVectorizer(sublinear_tf=True)), ("choice", LogisticRegression(max_iter=2000))]
    grid = {"words__ngram_range": [(1, 1), (1, 2)], "choice__C": [0.3, 1, 3, 10, 30]}
    model = GridSearchCV(Pipeline(steps), grid, cv=5)
    model.fit([pair.text for pair in pairs.pairs], [pair.answer for pair in pairs.pairs])
    answers: list[Mood] = model.predict(list(messages)).tolist()
    return answers


def seconds_a_call(reader: MoodReader, messages: Sequence[str]) -> float:
    """Time single calls, one after the other, and take the median."""
    reader.mood(messages[0])
    times = []
    for message in messages:
        begin = time.perf_counter()
        reader.mood(message)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def accuracy(answers: Sequence[Mood], gold: Sequence[dict[str, Any]], *, only_hard: bool = False) -> float:
    """Return the share of right answers."""
    judged = [answer == record["mood"] for answer, record in zip(answers, gold, strict=True) if record["hard"] or not only_hard]
    return float(sum(judged) / len(judged))


def accuracies(answers: dict[str, list[Mood]], gold: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return each one's share of right answers, and that of the hard part, by the summary's names."""
    overall = {f"{who}_accuracy": accuracy(answers[who], gold) for who in WHO}
    return overall | {f"{who}_accuracy_hard": accuracy(answers[who], gold, only_hard=True) for who in WHO}


def agreement(answers: Sequence[Mood], others: Sequence[Mood]) -> float:
    """Return the share of answers that are the others'."""
    return sum(answer == other for answer, other in zip(answers, others, strict=True)) / len(others)


def save_summary(summary: Summary, run: Path) -> None:
    """Write summary.json."""
    write_atomically(run / "summary.json", json.dumps(asdict(summary), indent=2) + "\n")


def print_summary(summary: Summary, run: Path, console: Console) -> None:
    """End the run with its figures, and say where the rest is."""
    given = asdict(summary)
    grid = Grid("", *WHO.values(), title="the mood of 240 messages that no training saw")
    grid.add_row("right", *(f"{given[f'{who}_accuracy']:.1%}" for who in WHO))
    grid.add_row("right, of the hard ones", *(f"{given[f'{who}_accuracy_hard']:.1%}" for who in WHO))
    grid.add_row("asks the model", "100%", "0%", f"{summary.cascade_model_share:.0%}", "0%")
    grid.add_row(
        "a call", f"{summary.teacher_seconds_a_call * 1e3:.1f} ms", f"{summary.brain_seconds_a_call * 1e3:.3f} ms", "", ""
    )
    console.print(grid)
    rest = Grid(show_header=False)
    for name in ("speed_ratio", "model_calls", "cached_calls", "training_pairs", "trials", "seconds"):
        rest.add_row(name, f"{given[name]:,.0f}")
    console.print(rest)
    console.print(f"look:    open {run / 'report.html'} in a browser", highlight=False, soft_wrap=True)
    console.print(
        f"figures: {run / 'summary.json'}   spans: {run / 'spans'}   brain: {run / 'brain'}", highlight=False, soft_wrap=True
    )
    console.print(f"W&B:     wandb sync {run / 'wandb'}/offline-run-*", highlight=False, soft_wrap=True)


def write_page(
    summary: Summary,
    *,
    pairs: PairSet,
    study: Study[Knobs],
    answers: dict[str, list[Mood]],
    gold: Sequence[dict[str, Any]],
    run: Path,
) -> None:
    """Write the one-page report."""
    sections: list[Any] = [
        Prose(
            "What this is",
            "A language model with 135 million parameters implemented two interfaces: it labelled messages, wrote messages of "
            "its own, evaluated a small network's answers while that network was trained, and scored its validation. The network "
            "then implemented the first interface itself. Both, a cascade that asks the model where the network is unsure, and a "
            "classical baseline were given 240 messages that no training saw, a quarter of them hard.",
        ),
        Table("Figures", ["figure", "value"], [[name, _shown(value)] for name, value in asdict(summary).items()]),
    ]
    for trial in study.trials:
        if trial.status == "complete":
            sections.extend(_trial_curves(trial.number, run))
    sections.append(
        Table(
            "Trials",
            ["trial", "proposed by", "hyperparameters", "better than all before?", "validation score", "reflection"],
            [
                [
                    trial.number,
                    trial.proposer,
                    ", ".join(f"{name} {value:.4g}" for name, value in trial.hyperparameters.model_dump().items()),
                    f"forecast: {trial.forecast.probability:.0%}" if trial.forecast else "",
                    trial.score if trial.score is not None else trial.outcomes[0].exception,
                    trial.reflection.hyperparameter_suggestion if trial.reflection else "none",
                ]
                for trial in study.trials
            ],
            note=f"Verdict: {study.verdict} The model that reflects and forecasts is small: it is fluent rather than wise. "
            "A stronger one is one changed line.",
        )
    )
    for name, given in answers.items():
        sections.append(ConfusionMatrix(f"Confusion on the gold set: {WHO.get(name, name)}", list(MOODS), confusion(given, gold)))
    refused = [[reason, number] for reason, number in sorted(pairs.refused.items()) if number]
    sections.append(Table("Pairs that were refused", ["reason", "number"], refused))
    write_report(run / "report.html", "The mood of customers", sections)


def confusion(answers: Sequence[Any], gold: Sequence[dict[str, Any]]) -> list[list[int]]:
    """Count how often each mood was taken for each: a row for what it is, a column for what was answered."""
    seen = Counter((line["mood"], answer) for line, answer in zip(gold, answers, strict=True))
    return [[seen[actual, predicted] for predicted in MOODS] for actual in MOODS]


def _trial_curves(number: int, run: Path) -> list[Curve]:
    history = json.loads((run / "trials" / str(number) / "training.json").read_text(encoding="utf-8"))["state"]["history"]
    epochs = [epoch["epoch"] for epoch in history]

    def line(name: str) -> tuple[list[float], list[float]]:
        return [epoch["epoch"] for epoch in history if name in epoch], [epoch[name] for epoch in history if name in epoch]

    return [
        Curve(f"Trial {number}: loss", "epoch", "nats", {"distillation": (epochs, line("loss")[1]), "entropy": line("entropy")}),
        Curve(
            f"Trial {number}: what the answers earn",
            "epoch",
            "score",
            {"reward": line("reward"), "validation": line("validation_score")},
        ),
    ]


def _shown(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
