"""The benchmark of teaching: its teachers, its store, who is told how much, and what is told of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.teaching import overlap, plan, pupils, report, worker
from benchmarks.teaching.gru import GRUNetwork, gru_of_the_same_size, parameters
from benchmarks.teaching.order import Order
from benchmarks.teaching.plan import Unit
from benchmarks.teaching.store import Store
from benchmarks.teaching.task import accuracy
from benchmarks.teaching.teachers import Noisy, Recorded, Told, another, evaluation, options_of
from llm_brain.brain import Brain, BrainConfig, Choice
from llm_brain.errors import BackendError, BudgetError
from llm_brain.strategy import Details, TypedFunction

ROUTES = ("payment", "bug", "praise", "question")


def answers_of(name: str) -> dict[str, Told]:
    task = plan.load(name)
    teacher = Noisy(dict([*task.true_pairs, *task.gold]), options_of(task.function))
    told = {text: teacher.call(task.function.spec, {"message": text}) for text, _ in [*task.pool, *task.gold]}
    return {text: Told(details.value, tuple(details.probabilities.values())) for text, details in told.items()}


@pytest.mark.parametrize("name", ["routing", "orders"])
def test_the_noisy_teacher_is_wrong_in_a_tenth_of_its_answers_and_always_in_the_same(name: str) -> None:
    pool, first, second = plan.load(name).pool, answers_of(name), answers_of(name)
    assert first == second
    assert 0.87 < accuracy([first[text].answer for text, _ in pool], pool) < 0.93


def test_its_probabilities_are_nine_tenths_for_its_answer() -> None:
    told = answers_of("routing")[plan.load("routing").inputs[0]]
    assert max(told.probabilities) == 0.9
    assert sum(told.probabilities) == pytest.approx(1.0)


def test_a_wrong_record_has_one_wrong_field() -> None:
    right = Order(item="desk", quantity=3, urgent=False)
    for seed in range(50):
        wrong = another(right, (), random.Random(seed))
        assert sum(getattr(wrong, name) != getattr(right, name) for name in Order.model_fields) == 1
        Order.model_validate(wrong.model_dump())


def test_an_evaluation_is_what_the_teacher_thinks_of_an_answer() -> None:
    assert evaluation(Told("bug", (0.1 / 3, 0.9, 0.1 / 3, 0.1 / 3)), "bug", ROUTES) == 1.0
    assert evaluation(Told("bug", (0.1 / 3, 0.9, 0.1 / 3, 0.1 / 3)), "praise", ROUTES) == 0.0
    assert evaluation(Told("bug", (0.1, 0.6, 0.1, 0.2)), "question", ROUTES) == 0.2
    order = Order(item="desk", quantity=3, urgent=False)
    assert evaluation(Told(order), order.model_copy(update={"quantity": 4}), ()) == pytest.approx(2 / 3)


def test_what_a_teacher_did_not_answer_fails_as_it_did() -> None:
    function = plan.load("routing").function
    recorded = TypedFunction(function.spec, Recorded({"a": Told("bug"), "b": Told(None)}, "teacher"), function.instance)
    told = recorded.map_details(["a", "b"])
    assert isinstance(told[0], Details)
    assert told[0].value == "bug"
    assert isinstance(told[1], BackendError)


def test_a_judge_gives_no_more_scores_than_it_has_calls() -> None:
    judge = pupils.Judge({"a": Told("bug")}, ["a"], ROUTES, calls=2)
    assert [judge(0, "bug"), judge(0, "praise")] == [1.0, 0.0]
    with pytest.raises(BudgetError):
        judge(0, "bug")
    assert judge.spent == 2


def test_the_gru_has_the_brains_size_and_reads_no_padding() -> None:
    table = torch.randn(50, 24)
    config = BrainConfig(input_size=24, answer=Choice(options=3), width=32, heads=4)
    brain, gru = Brain(config, embedding=table), gru_of_the_same_size(config, table)
    assert isinstance(gru.network, GRUNetwork)
    assert parameters(gru) == pytest.approx(parameters(brain), rel=0.05)
    gru.eval()
    padded = gru(torch.tensor([[1, 2, 3, 4], [5, 6, 7, 7]]), lengths=torch.tensor([4, 2]))
    alone = gru(torch.tensor([[5, 6]]))
    assert torch.allclose(padded.answer.logits[1], alone.answer.logits[0], atol=1e-5)


def tiny(**more: Any) -> pupils.Recipe:
    return replace(pupils.Recipe(width=16, epochs=1, feedback_epochs=1), **more)


@pytest.mark.parametrize("row", ["brain", "gru", "feedback"])
def test_every_row_takes_as_many_calls_as_it_may(row: str) -> None:
    task, answers = plan.load("routing"), answers_of("routing")
    learned = pupils.learn(task, answers, 40, tiny(labels=0.5), seed=0, row=row)
    assert learned.labels == (20 if row == "feedback" else 40)
    assert learned.labels + learned.evaluations <= 40
    assert learned.evaluations > 0 or row != "feedback"
    assert set(learned.answer_all(["It broke.", "Thank you!"])) <= set(ROUTES)


def test_a_seed_decides_which_texts_are_labelled() -> None:
    task, answers = plan.load("orders"), answers_of("orders")
    first, second = (pupils.shuffled_pool(task, answers, seed) for seed in (0, 1))
    assert first != second
    assert sorted(first) == sorted(second)
    assert first == pupils.shuffled_pool(task, answers, 0)


def test_the_cascade_asks_about_the_tenth_of_which_the_brain_is_least_sure() -> None:
    task, answers = plan.load("routing"), answers_of("routing")
    learned = pupils.learn(task, answers, 32, tiny(), seed=0)
    *agreeing, tenth = worker.cascades(task, answers, learned, task.inputs[-60:])
    assert [point["at"] for point in agreeing] == ["agreement 0.9", "agreement 0.95"]
    assert tenth["asked"] == 0.1
    assert tenth["score"] >= accuracy(learned.answer_all([text for text, _ in task.gold]), task.gold)
    assert all(0 <= point["asked"] <= 1 for point in agreeing)


def record(unit: Unit, score: float) -> dict[str, Any]:
    point = {"asked": 0.1, "score": score, "alarms": 0}
    cascade = [{**point, "at": at} for at in ("agreement 0.9", "agreement 0.95", report.UNSUREST)]
    more = {"cascade": cascade} if unit.row == "brain" else {}
    return {**unit._asdict(), "settings": plan.settings(unit), "score": score, "labels": 10, "evaluations": 0, **more}


def test_what_is_finished_is_found_again_until_its_settings_change(tmp_path: Path) -> None:
    unit = Unit("routing", "noisy", "brain", 0)
    Store(tmp_path / "runs.json").add(record(unit, 0.75))
    found = Store(tmp_path / "runs.json").finished(unit)
    assert found is not None
    assert found["score"] == 0.75
    assert Store(tmp_path / "runs.json").finished(unit._replace(seed=1)) is None
    other = record(unit, 0.5)
    other["settings"]["epochs"] += 1
    store = Store(tmp_path / "runs.json")
    store.add(other)
    assert store.finished(unit) is None
    assert len(store.runs) == 1


def test_the_units_of_a_task_nobody_knows_the_truth_of_have_no_noisy_teacher() -> None:
    found = list(plan.units(["mood", "routing"], ["embedded", "noisy"], ["teacher", "brain"], 2))
    assert {unit.teacher for unit in found if unit.task == "mood"} == {"embedded"}
    assert [unit.seed for unit in found if unit.row == "teacher"] == [0, 0, 0]
    assert len(found) == 3 * 3


def test_bars_are_told_as_they_are() -> None:
    scores = {"teacher": 0.9, "tfidf": 0.7, "gru": 0.8, "brain": 0.85, "feedback": 0.84}
    runs = [record(Unit("routing", "noisy", row, seed), score) for row, score in scores.items() for seed in range(2)]
    told = report.bars(runs, {"speed": {"routing": {"times_faster_a_call": 60.0, "times_faster_a_thousand": 400.0}}})
    lines = told.splitlines()[2:]
    assert ["**no**" in line for line in lines[:4]] == [False, True, True, True]
    assert "0.850; 0.700, 0.800" in lines[0]


def test_an_interval_is_that_of_the_mean_over_seeds() -> None:
    assert report.interval([0.5]) is None
    assert report.interval([0.6, 0.7, 0.8, 0.7, 0.7]) == pytest.approx((0.612, 0.788), abs=1e-3)


@pytest.mark.parametrize("evaluated", [("bug", 1.0), ("praise", 0.0)])
def test_the_server_scores_after_its_time(evaluated: tuple[str, float]) -> None:
    with overlap.served() as port:
        evaluate: Callable[[int, Any], float] = overlap.asking(port, ["bug"])
        assert evaluate(0, evaluated[0]) == evaluated[1]
    with pytest.raises(OSError):
        HTTPConnection("127.0.0.1", port, timeout=1).connect()
