"""One run in a process of its own, with one thread."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import torch

from benchmarks.reports import rounded
from benchmarks.teaching import plan, pupils
from benchmarks.teaching.baselines import train_tfidf
from benchmarks.teaching.gru import parameters
from benchmarks.teaching.plan import Unit
from benchmarks.teaching.task import TeachingTask, accuracy, field_accuracy
from benchmarks.teaching.teachers import Answers, Recorded, read_answers
from llm_brain.strategy import Details, TypedFunction
from llm_brain.training import Student
from llm_brain.training.cascade import cascade

AGREEMENTS = (0.9, 0.95)
UNSUREST = 0.1


def begin() -> None:
    """Set a worker up."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def work(unit: Unit, *, quick: bool = False) -> dict[str, Any]:
    """Run a unit and give its record, as it is read from a file."""
    task = plan.load(unit.task)
    answers = read_answers(task, unit.teacher)
    started = time.process_time()
    record = {**unit._asdict(), "settings": plan.settings(unit), **measured(unit, task, answers, quick=quick)}
    record["cpu_seconds"] = rounded(time.process_time() - started)
    loaded: dict[str, Any] = json.loads(json.dumps(record))
    return loaded


def measured(unit: Unit, task: TeachingTask, answers: Answers, *, quick: bool = False) -> dict[str, Any]:
    """Teach whom a unit names, and test what it learned on the gold set."""
    asked = [text for text, _ in task.gold]
    order = pupils.shuffled_pool(task, answers, unit.seed)
    calls = plan.calls(len(order), quick=quick)
    if unit.row == "teacher":
        return {"labels": 0, "evaluations": 0, **scores(task, [answers[text].answer for text in asked])}
    if unit.row == "tfidf":
        answer_all = train_tfidf([(text, answers[text].answer) for text in order[:calls]])
        return {"labels": calls, "evaluations": 0, **scores(task, answer_all(asked))}
    recipe = plan.recipe(unit.task, quick=quick)
    learned = pupils.learn(task, answers, calls, recipe, unit.seed, row=unit.row, order=order)
    told: dict[str, Any] = {"labels": learned.labels, "evaluations": learned.evaluations, "parameters": parameters(learned.brain)}
    told |= scores(task, learned.answer_all(asked))
    if unit.row == "brain":
        told["cascade"] = cascades(task, answers, learned, order[calls:])
    return told


def scores(task: TeachingTask, answers: Sequence[Any]) -> dict[str, Any]:
    """Score answers to the gold set."""
    hard = set(task.hard)
    told: dict[str, Any] = {"score": rounded(accuracy(answers, task.gold)), "fields": field_accuracy(answers, task.gold)}
    if hard:
        picked = [
            (answer, example) for place, (answer, example) in enumerate(zip(answers, task.gold, strict=True)) if place in hard
        ]
        told["hard"] = rounded(accuracy([answer for answer, _ in picked], [example for _, example in picked]))
    return told


def cascades(task: TeachingTask, answers: Answers, learned: pupils.Learned, held_out: Sequence[str]) -> list[dict[str, Any]]:
    """Let the brain and its teacher answer the gold set together.

    Args:
        task: The task.
        answers: What the teacher says.
        learned: The brain.
        held_out: Texts with answers of the teacher that the brain has not seen: thresholds are calibrated on them.

    Returns:
        The accuracy and the share of calls of the teacher: for each agreement that is asked for, and where the teacher is asked
        about the tenth of the gold set of which the brain is least sure.
    """
    function, texts = task.function, [text for text, _ in task.gold]
    student = Student(learned.brain, pupils.reader(), function.spec.qualified_name, function.spec.returns)
    pairs = pupils.pairs_of(held_out, answers)
    points = []
    for agreement in AGREEMENTS:
        both = cascade(student, Recorded(answers, "teacher"), agreement=agreement, held_out=pairs)
        told = TypedFunction(function.spec, both, function.instance).map_details(texts, concurrency=1)
        given = [one.value if isinstance(one, Details) else None for one in told]
        stats = both.stats
        points.append(
            {"at": f"agreement {agreement:g}", "asked": rounded(1 - stats.share), "alarms": stats.alarms, **scores(task, given)}
        )
    answered = [student.answer(text) for text in texts]
    unsure = sorted(range(len(texts)), key=lambda place: answered[place].confidence)[: int(UNSUREST * len(texts))]
    given = [one.details.value for one in answered]
    for place in unsure:
        given[place] = answers[texts[place]].answer
    points.append({"at": "the unsurest tenth", "asked": rounded(len(unsure) / len(texts)), "alarms": 0, **scores(task, given)})
    return points
