"""That a budget of calls goes to what is uncertain, lasts for the whole training, and biases nothing."""

import random
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.errors import ArgumentError, BackendError
from llm_brain.training.feedback import Allocation, Draw, FeedbackPool, Group, Journal
from llm_brain.training.feedback.allocation import scale_for


class Fixed:
    """Predicts 0.3, as uncertain as the answer says."""

    def __init__(self) -> None:
        self.learned: list[tuple[str, str, float]] = []

    def predict(self, _prompt: str, answer: str) -> tuple[float, float]:
        return 0.3, float(answer) % 1

    def learn(self, prompt: str, answer: str, score: float) -> None:
        self.learned.append((prompt, answer, score))


def allocation(budget: int, planned: int, **options: float) -> Allocation:
    return Allocation(Fixed(), "prompt {}".format, budget=budget, planned=planned, **options)  # type: ignore[arg-type]


def group(*answers: float, prompt: int = 0) -> Group:
    return Group(prompt, answers, answers, tuple(-1.0 for _ in answers), 0)


@given(st.floats(-10, 10), st.floats(0.05, 1), st.floats(-1, 1))
def test_the_corrected_reward_is_the_score_in_expectation_whatever_was_predicted(
    predicted: float, probability: float, score: float
) -> None:
    asked, not_asked = (
        Draw(predicted, probability, asked=True).reward(score),
        Draw(predicted, probability, asked=False).reward(None),
    )
    assert asked is not None
    assert not_asked is not None
    assert probability * asked + (1 - probability) * not_asked == pytest.approx(score, abs=1e-9)


def test_a_corrected_reward_is_not_clamped_and_a_failed_one_is_none() -> None:
    assert Draw(0.5, 0.1, asked=True).reward(1.0) == pytest.approx(5.5)
    assert Draw(0.5, 0.1, asked=True).reward(None) is None


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=50), st.floats(0.05, 1))
def test_probabilities_spend_the_rate_in_expectation_and_rise_with_uncertainty(uncertainties: list[float], rate: float) -> None:
    scale = scale_for(rate, uncertainties)
    probabilities = [min(max(scale * value, 0.05), 1.0) for value in uncertainties]
    assert sum(probabilities) / len(probabilities) == pytest.approx(rate, abs=1e-6)


def test_the_budget_lasts_for_the_plan() -> None:
    draw, spender = random.Random(0), allocation(budget=200, planned=1600)
    spent = []
    for number in range(400):
        spender.draws(number, 0, [str(draw.uniform(0.1, 0.9) + place) for place in range(4)], size=4)
        spent.append(spender.spent)
    assert 70 < spent[199] < 130
    assert 170 <= spent[-1] <= 200


def test_the_uncertain_is_asked_more_often_and_nothing_less_often_than_the_floor() -> None:
    spender = allocation(budget=300, planned=1000)
    draws = [spender.draws(number, 0, ["0.01", "0.9"], size=2) for number in range(100)]
    assert all(sure.probability == 0.05 and unsure.probability > 0.4 for sure, unsure in draws)


def test_draws_repeat_themselves_and_differ_with_the_seed() -> None:
    def asked(seed: int) -> list[bool]:
        spender = allocation(budget=500, planned=1000, seed=seed)
        return [draw.asked for number in range(50) for draw in spender.draws(number, 0, ["0.3", "0.7"], size=2)]

    assert asked(0) == asked(0) != asked(1)


def test_predictions_are_clamped_to_the_range_of_scores() -> None:
    (draw,) = Allocation(Fixed(), str, budget=0, planned=1, score_range=(0.5, 1.0)).draws(0, 0, ["0.1"], size=1)
    assert draw == Draw(0.5, 0.0, asked=False)


@pytest.mark.parametrize("answer", ["nan", "inf", "-0.5"])
def test_a_predictor_that_gives_no_numbers_is_told_of(answer: str) -> None:
    class Odd(Fixed):
        def predict(self, _prompt: str, answer: str) -> tuple[float, float]:
            return 0.5, float(answer)

    with pytest.raises(ArgumentError, match="finite"):
        Allocation(Odd(), str, budget=1, planned=1).draws(0, 0, [answer], size=1)


@pytest.mark.parametrize(("budget", "planned", "floor"), [(-1, 1, 0.1), (1, -1, 0.1), (1, 1, 0.0), (1, 1, 1.1)])
def test_what_is_no_budget_is_refused(budget: int, planned: int, floor: float) -> None:
    with pytest.raises(ArgumentError, match="floor"):
        allocation(budget, planned, floor=floor)


def test_past_the_budget_training_goes_on_on_predictions_and_the_metrics_say_so() -> None:
    asked = []

    def evaluate(_prompt: int, answer: float) -> float:
        asked.append(answer)
        return 0.9

    with FeedbackPool(evaluate, allocation=allocation(budget=2, planned=2)) as pool:
        pool.submit([group(0.1, 0.2)])
        pool.wait()
        assert pool.metrics()["budget_spent"] == 1.0
        pool.submit([group(0.3, 0.4, 0.1)])
        pool.wait()
        first, second = pool.arrived(0)
        assert first.rewards == pytest.approx((0.9, 0.9))
        assert second.rewards == pytest.approx((0.3, 0.3, 0.9))  # what is remembered costs nothing
        assert pool.metrics()["predicted"] == 2.0
    assert sorted(asked) == [0.1, 0.2]


def test_the_predictor_learns_what_was_evaluated() -> None:
    predictor = Fixed()
    spender = Allocation(predictor, "prompt {}".format, budget=9, planned=2)
    with FeedbackPool(lambda _prompt, answer: answer, allocation=spender) as pool:
        pool.submit([group(0.5, 0.25, prompt=7)])
        pool.wait()
        pool.submit([])
    assert sorted(predictor.learned) == [("prompt 7", "0.25", 0.25), ("prompt 7", "0.5", 0.5)]


def test_a_refused_key_leaves_predictions() -> None:
    def refuse(_prompt: int, _answer: float) -> float:
        message = "no"
        raise BackendError(message, kind="auth")

    with FeedbackPool(refuse, allocation=allocation(budget=100, planned=100)) as pool:
        pool.submit([group(0.5)])
        pool.wait()
        pool.submit([group(0.25)])
        assert [arrived.rewards for arrived in pool.arrived(0)] == [(None,), (0.3,)]
        assert pool.metrics()["budget_spent"] == 1.0


def test_an_answer_that_was_asked_for_is_used_however_late_its_score_comes() -> None:
    gate = threading.Event()

    def slow(_prompt: int, _answer: float) -> float:
        gate.wait(10)
        return 1.0

    with FeedbackPool(slow, max_staleness=1, allocation=allocation(budget=2, planned=2)) as pool:
        pool.submit([group(0.5, 0.6)])
        assert pool.arrived(version=9) == []
        pool.submit([group(0.7, 0.8)])  # of which nothing is asked any more
        assert [arrived.rewards for arrived in pool.arrived(version=10)] == [(0.3, 0.3)]
        gate.set()
        pool.wait()
        assert [arrived.rewards for arrived in pool.arrived(version=11)] == [(1.0, 1.0)]
        assert pool.counts.stale == 0


def test_what_a_refused_key_left_unasked_is_not_charged_to_the_training_that_goes_on(tmp_path: Path) -> None:
    calls = []

    def refuse(_prompt: int, _answer: float) -> float:
        calls.append(1)
        message = "no"
        raise BackendError(message, kind="auth")

    path = tmp_path / "journal.jsonl"
    with (
        Journal(path, "f") as journal,
        FeedbackPool(refuse, journal=journal, workers=1, allocation=allocation(20, 20)) as pool,
    ):
        pool.submit([group(0.5, 0.6, 0.7, 0.8)])
        pool.wait()
        assert len(pool.arrived(0)) == 1
    assert len(calls) == 1
    with Journal(path, "f") as journal:
        assert journal.charged == 1


def test_what_was_predicted_and_spent_is_remembered_over_processes(tmp_path: Path) -> None:
    gate = threading.Event()

    def slow(_prompt: int, _answer: float) -> float:
        gate.wait(10)
        return 1.0

    groups = [group(*(number + place / 10 for place in range(1, 6))) for number in range(10)]
    path = tmp_path / "journal.jsonl"
    with Journal(path, "f") as journal, FeedbackPool(slow, journal=journal, allocation=allocation(20, 50)) as pool:
        pool.submit(groups)
        waiting, following, predicted = pool.waiting(), pool.next_number, pool.counts.predicted
    gate.set()
    with Journal(path, "f") as journal:
        expected = [journal.draws(held) for held in waiting]
        # Another seed and budget would decide otherwise, were it not decided.
        spender = allocation(20, 50, seed=5)
        with FeedbackPool(slow, journal=journal, allocation=spender) as pool:
            pool.restore(waiting, following)
            pool.wait()
            arrived = pool.arrived(0)
    assert (
        spender.spent == sum(draw is not None and draw.asked for draws in expected if draws for draw in draws) == 50 - predicted
    )
    for held, draws in zip(arrived, expected, strict=True):
        assert draws is not None
        assert held.rewards == tuple(draw and draw.reward(1.0) for draw in draws)
