"""How long a call takes: the brain, nn.GRU, TF-IDF and the embedded model, one after the other in every round, one thread each.

A call is one of the typed function, with all that belongs to it, and no round repeats the texts of another one; a thousand
answers are asked for at once, the embedded model's sixteen at a time. Weights do not matter to the time, so nobody is trained.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle, islice
from typing import Any

import torch

from benchmarks.reports import median, median_ratio, rounded
from benchmarks.teaching import pupils
from benchmarks.teaching.baselines import train_tfidf
from benchmarks.teaching.task import TeachingTask
from llm_brain.backends import LocalBackend
from llm_brain.backends.embedded import weights_folder
from llm_brain.backends.layers.prices import price
from llm_brain.strategy import TypedFunction
from llm_brain.strategy.implementation import Implementation, ModelImplementation
from llm_brain.training import Student

ROUNDS = 5
SINGLE, THOUSAND = 40, 1000
SINGLE_OF_MODEL, MANY_OF_MODEL, AT_ONCE = 4, 32, 16
HOSTED, ADDRESS = "gpt-5-mini", "https://api.openai.com/v1"


def measure(task: TeachingTask, recipe: pupils.Recipe, rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure all rows of a task.

    Returns:
        `call_ms` and `seconds_a_thousand` of each row, the medians of the rounds; how many times faster the brain is, the medians
        of the rounds' own ratios; and what a thousand answers of a hosted model would cost, by the tokens of the embedded one.
    """
    texts = list(islice(cycle(task.inputs), THOUSAND))
    function = task.function
    spec = function.spec
    networks = {row: pupils.build(task, recipe, gru=row == "gru") for row in ("brain", "gru")}
    students = {row: Student(network, pupils.reader(), spec.qualified_name, spec.returns) for row, network in networks.items()}
    model = bound(function, ModelImplementation(LocalBackend(weights_folder())))
    usages = [details.usage for details in map(model.with_details, texts[:SINGLE_OF_MODEL]) if details.usage is not None]
    truth = task.true_pairs or [*task.dev, *task.gold]
    tfidf = train_tfidf(truth[:300])
    singly: dict[str, Callable[[int], float]] = {
        row: called(bound(function, student), texts, SINGLE) for row, student in students.items()
    }
    singly["tfidf"] = called(lambda text: tfidf([text]), texts, SINGLE)
    singly["embedded"] = called(model, texts, SINGLE_OF_MODEL)
    at_once: dict[str, Callable[[], object]] = {row: partial(student.answer_all, texts) for row, student in students.items()}
    at_once["tfidf"] = lambda: tfidf(texts)
    at_once["embedded"] = lambda: model.map_details(texts[:MANY_OF_MODEL], concurrency=AT_ONCE)
    one: dict[str, list[float]] = {row: [] for row in singly}
    many: dict[str, list[float]] = {row: [] for row in singly}
    for number in range(rounds + 1):  # the first one warms up
        for row, turn in singly.items():
            gc.collect()
            seconds = turn(number)
            all_seconds = timed(at_once[row]) * (THOUSAND / MANY_OF_MODEL if row == "embedded" else 1)
            if number:
                one[row].append(1000 * seconds)
                many[row].append(all_seconds)
    costs = [cost for usage in usages if (cost := price(HOSTED, usage, base_url=ADDRESS)) is not None]
    return {
        "call_ms": {row: median(values) for row, values in one.items()},
        "seconds_a_thousand": {row: median(values) for row, values in many.items()},
        "times_faster_a_call": median_ratio(one["embedded"], one["brain"]),
        "times_faster_a_thousand": median_ratio(many["embedded"], many["brain"]),
        "hosted_cost_a_thousand": rounded(1000 * statistics.mean(costs)) if costs else None,
        "threads": torch.get_num_threads(),
    }


def bound(function: TypedFunction[..., Any], implementation: Implementation) -> TypedFunction[..., Any]:
    """Give a function another implementation."""
    return TypedFunction(function.spec, implementation, function.instance)


def called(function: Callable[[str], object], texts: Sequence[str], number: int) -> Callable[[int], float]:
    """Give what calls a function with the texts of a round, and tells the median time of a call in seconds."""

    def turn(round_: int) -> float:
        return statistics.median(timed(partial(function, text)) for text in texts[number * round_ : number * (round_ + 1)])

    return turn


def timed(do: Callable[[], object]) -> float:
    """Tell how many seconds something takes."""
    begun = time.perf_counter()
    do()
    return time.perf_counter() - begun
