"""That evaluations never hold up a step, and that each group is used, dropped or still waited for, and counted."""

import contextvars
import math
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from pydantic import BaseModel

from llm_brain.errors import ArgumentError, BackendError, BudgetError, DefinitionError, MissingKeyError
from llm_brain.training.feedback import Allocation, FeedbackPool, Group, LinearRewardPredictor


def group(prompt: int = 0, answers: tuple[Any, ...] = (0, 1), version: int = 0) -> Group:
    return Group(prompt, answers, answers, tuple(-0.7 for _ in answers), version)


def rewards(pool: FeedbackPool, version: int = 0) -> list[tuple[float | None, ...]]:
    return [arrived.rewards for arrived in pool.arrived(version)]


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()  # no thread is left behind


def test_a_slow_evaluator_holds_up_neither_submitting_nor_collecting(gate: threading.Event) -> None:
    def slow(_prompt: int, answer: int) -> float:
        gate.wait(10)
        return float(answer)

    with FeedbackPool(slow, workers=2) as pool:
        for number in range(50):
            pool.submit([group(number)])
            assert pool.arrived(version=0) == []
        assert pool.pending == 100
        assert not pool.wait(timeout=0.01)
        gate.set()
        assert pool.wait()
        assert pool.pending == 0
        assert rewards(pool) == [(0.0, 1.0)] * 50
        assert pool.metrics()["seconds_waited"] > 0.0


def test_there_is_no_room_while_all_workers_are_busy(gate: threading.Event) -> None:
    def slow(_prompt: int, answer: int) -> float:
        gate.wait(10)
        return float(answer)

    with FeedbackPool(slow, workers=2) as pool:
        assert pool.has_room(0)
        pool.submit([group(0, (0,))])
        assert pool.arrived(0) == []
        assert pool.has_room(1)
        pool.submit([group(1)])
        assert pool.arrived(1) == []
        assert not pool.has_room(2)
        assert pool.arrived(2) == []
        gate.set()
        pool.wait()
        assert pool.has_room(3)
        assert len(pool.arrived(3)) == 2
        assert pool.counts.held_back == 1


def test_a_group_comes_back_once_as_it_was_handed_in_with_its_rewards() -> None:
    with FeedbackPool(lambda _prompt, answer: answer / 2) as pool:
        pool.submit([Group(4, (1, 0, 1), ("b", "a", "b"), (-0.1, -2.0, -0.1), 7)])
        pool.wait()
        assert pool.arrived(version=9) == [Group(4, (1, 0, 1), ("b", "a", "b"), (-0.1, -2.0, -0.1), 7, 0, (0.5, 0.0, 0.5))]
        assert pool.arrived(version=9) == []
        assert (pool.counts.submitted, pool.counts.used, pool.counts.mean_staleness) == (1, 1, 2.0)


def test_groups_come_back_in_the_order_in_which_they_were_handed_in_whenever_their_evaluations_arrive() -> None:
    gates = [threading.Event() for _ in range(3)]
    done = threading.Semaphore(0)

    def slow(prompt: int, _answer: int) -> float:
        gates[prompt].wait(10)
        return 1.0

    with FeedbackPool(slow, workers=3, on_evaluation=lambda *_: done.release()) as pool:
        pool.submit([group(prompt, (0,)) for prompt in range(3)])
        for prompt in (2, 1, 0):
            gates[prompt].set()
            assert done.acquire(timeout=10)
        pool.wait()
        assert [(arrived.number, arrived.prompt) for arrived in pool.arrived(version=0)] == [(0, 0), (1, 1), (2, 2)]


def test_groups_that_are_too_old_are_dropped_and_counted() -> None:
    with FeedbackPool(lambda _prompt, _answer: 1.0, max_staleness=2) as pool:
        pool.submit([group(version=0), group(version=1)])
        pool.wait()
        assert [arrived.version for arrived in pool.arrived(version=3)] == [1]
        assert (pool.counts.used, pool.counts.stale) == (1, 1)


def test_what_is_evaluated_for_a_group_that_is_dropped_serves_the_next(gate: threading.Event) -> None:
    calls: Counter[tuple[int, int]] = Counter()
    begun = threading.Semaphore(0)

    def slow(prompt: int, answer: int) -> float:
        calls[prompt, answer] += 1
        begun.release()
        gate.wait(10)
        return 1.0

    with FeedbackPool(slow, max_staleness=1) as pool:
        pool.submit([group()])
        assert begun.acquire(timeout=10)
        assert begun.acquire(timeout=10)
        assert pool.arrived(version=2) == []
        assert pool.counts.stale == 1
        gate.set()
        pool.wait()
        pool.submit([group(version=2)])
        assert len(pool.arrived(version=2)) == 1
        assert set(calls.values()) == {1}


def test_what_has_not_begun_for_a_group_that_is_dropped_is_given_up_unless_another_group_waits_for_it(
    gate: threading.Event,
) -> None:
    calls: Counter[int] = Counter()
    begun = threading.Event()

    def slow(_prompt: int, answer: int) -> float:
        calls[answer] += 1
        begun.set()
        gate.wait(10)
        return 1.0

    with FeedbackPool(slow, max_staleness=1, workers=1) as pool:
        pool.submit([group(answers=(0, 1, 2)), group(answers=(2,), version=2)])
        assert begun.wait(10)
        assert pool.arrived(version=2) == []
        gate.set()
        pool.wait()
        assert calls == {0: 1, 2: 1}
        assert rewards(pool, version=2) == [(1.0,)]
        pool.submit([group(answers=(1,), version=2)])
        pool.wait()
        assert rewards(pool, version=2) == [(1.0,)]


def test_the_same_answer_is_evaluated_once() -> None:
    calls: Counter[tuple[int, int]] = Counter()

    def count(prompt: int, answer: int) -> float:
        calls[prompt, answer] += 1
        return 1.0

    with FeedbackPool(count) as pool:
        for _ in range(5):
            pool.submit([group(0, (0, 0, 1, 0)), group(1)])
        pool.wait()
        pool.submit([group(0)])
        assert pool.metrics()["asked"] == 4
    assert calls == {(0, 0): 1, (0, 1): 1, (1, 0): 1, (1, 1): 1}


class Mood(BaseModel):
    name: str
    strength: int


def test_answers_of_equal_json_are_one_answer_and_are_evaluated_as_they_are() -> None:
    seen = []

    def evaluate(_prompt: int, answer: Mood) -> float:
        seen.append(answer)
        return answer.strength / 10

    with FeedbackPool(evaluate, workers=1) as pool:
        pool.submit([group(answers=(Mood(name="calm", strength=3), Mood(name="calm", strength=3), Mood(name="sad", strength=8)))])
        pool.wait()
        assert rewards(pool) == [(0.3, 0.3, 0.8)]
    assert seen == [Mood(name="calm", strength=3), Mood(name="sad", strength=8)]


def failing(kind: str, **options: Any) -> tuple[Counter[int], FeedbackPool]:
    calls: Counter[int] = Counter()

    def evaluate(_prompt: int, answer: int) -> float:
        calls[answer] += 1
        if answer == 1:
            raise BackendError("no", kind=kind, retryable=True)  # type: ignore[arg-type]
        return 1.0

    return calls, FeedbackPool(evaluate, workers=1, **options)


def test_a_failed_evaluation_is_none_and_counted() -> None:
    _, pool = failing("timeout")
    with pool:
        pool.submit([group()])
        pool.wait()
        assert rewards(pool) == [(1.0, None)]
        assert pool.counts.failed == 1


def test_a_failed_evaluation_that_is_to_be_raised_comes_out_of_arrived() -> None:
    _, pool = failing("timeout", on_failure="raise")
    with pool:
        pool.submit([group()])
        pool.wait()
        with pytest.raises(BackendError, match="no"):
            pool.arrived(version=0)


def test_a_failed_evaluation_is_tried_again_when_its_answer_is_drawn_again_but_not_for_ever() -> None:
    calls, pool = failing("timeout")
    with pool:
        for _ in range(6):
            pool.submit([group()])
            pool.wait()
            assert rewards(pool) == [(1.0, None)]
    assert calls == {0: 1, 1: 3}


def test_a_failure_that_passes_is_forgotten() -> None:
    replies: Iterator[Any] = iter([BackendError("busy", kind="server", retryable=True), 0.8])

    def evaluate(_prompt: int, _answer: int) -> float:
        reply = next(replies)
        if isinstance(reply, Exception):
            raise reply
        return float(reply)

    with FeedbackPool(evaluate) as pool:
        told = []
        for _ in range(2):
            pool.submit([group(answers=(0, 0))])
            pool.wait()
            told += rewards(pool)
    assert told == [(None, None), (0.8, 0.8)]


@pytest.mark.parametrize(
    "error", [BackendError("no", kind="auth"), BackendError("no", kind="quota"), BudgetError("spent"), MissingKeyError("no")]
)
def test_a_refused_key_an_empty_account_and_a_spent_budget_end_the_asking_at_once(error: Exception) -> None:
    calls = []

    def evaluate(prompt: int, _answer: int) -> float:
        calls.append(prompt)
        raise error

    with FeedbackPool(evaluate, workers=1) as pool:
        pool.submit([group(number) for number in range(100)])
        pool.wait()
        assert len(calls) == 1
        assert (pool.counts.asked, pool.counts.failed) == (1, 200)
        assert rewards(pool) == [(None, None)] * 100


def test_a_score_that_is_not_a_number_is_a_failure() -> None:
    with FeedbackPool(lambda _prompt, _answer: math.nan) as pool:
        pool.submit([group()])
        pool.wait()
        assert rewards(pool) == [(None, None)]
        assert pool.counts.failed == 2


@pytest.mark.parametrize(("score", "kept"), [(1.7, 1.0), (-3.0, -1.0), (math.inf, 1.0), (0.25, 0.25)])
def test_scores_are_clamped_to_their_range(score: float, kept: float) -> None:
    with FeedbackPool(lambda _prompt, _answer: score, score_range=(-1.0, 1.0)) as pool:
        pool.submit([group()])
        pool.wait()
        assert rewards(pool) == [(kept, kept)]


def test_a_fault_of_the_evaluator_itself_is_not_hidden() -> None:
    with FeedbackPool(lambda _prompt, answer: 1 / answer) as pool:
        pool.submit([group()])
        pool.wait()
        with pytest.raises(ZeroDivisionError):
            pool.arrived(version=0)


def test_an_evaluator_that_is_defined_wrongly_is_not_skipped() -> None:
    def wrong(_prompt: int, _answer: int) -> float:
        raise DefinitionError("`evaluate_output` returns no number")

    with FeedbackPool(wrong) as pool:
        pool.submit([group()])
        pool.wait()
        with pytest.raises(DefinitionError, match="no number"):
            pool.arrived(version=0)


def test_closing_gives_up_what_has_not_begun_and_waits_for_nothing(gate: threading.Event) -> None:
    calls = []

    def slow(prompt: int, _answer: int) -> float:
        calls.append(prompt)
        gate.wait(10)
        return 1.0

    pool = FeedbackPool(slow, workers=1)
    pool.submit([group(number) for number in range(20)])
    started = time.monotonic()
    pool.close()
    assert time.monotonic() - started < 5.0
    assert pool.arrived(version=0) == []
    gate.set()
    pool.wait()
    assert len(calls) <= 1


def test_evaluations_run_in_the_context_of_whoever_submits() -> None:
    user = contextvars.ContextVar("user", default="nobody")
    user.set("somebody")
    with FeedbackPool(lambda _prompt, _answer: float(user.get() == "somebody")) as pool:
        pool.submit([group(answers=(0,))])
        pool.wait()
        assert rewards(pool) == [(1.0,)]


def test_whoever_wants_to_is_told_of_each_evaluation() -> None:
    told: list[tuple[int, Any, float | None]] = []
    _, pool = failing("timeout", on_evaluation=lambda *what: told.append(what))
    with pool:
        pool.submit([group(7)])
        pool.wait()
    assert told == [(7, 0, 1.0), (7, 1, None)]


def ranked(rank: Any, answers: Sequence[Any], **options: Any) -> tuple[FeedbackPool, list[tuple[float | None, ...]]]:
    with FeedbackPool(lambda _prompt, _answer: 1 / 0, rank=rank, **options) as pool:
        for _ in range(2):
            pool.submit([group(answers=tuple(answers))])
            pool.wait()
        return pool, rewards(pool)


def test_one_call_ranks_the_different_answers_of_a_group_and_is_remembered() -> None:
    calls = []

    def longest_first(prompt: int, answers: Sequence[str]) -> list[int]:
        calls.append((prompt, list(answers)))
        return sorted(range(len(answers)), key=lambda place: -len(answers[place]))

    pool, told = ranked(longest_first, ["aa", "a", "aa", "aaa"], score_range=(-1.0, 1.0))
    assert told == [(0.0, -1.0, 0.0, 1.0)] * 2
    assert calls == [(0, ["aa", "a", "aaa"])]
    assert pool.counts.asked == 1


@pytest.mark.parametrize("order", [[0], [0, 0], [1, 2]])
def test_an_order_that_is_none_makes_all_of_a_groups_rewards_none(order: list[int]) -> None:
    pool, told = ranked(lambda _prompt, _answers: order, ["a", "b"])
    assert told == [(None, None)] * 2
    assert pool.counts.failed == 2


def test_answers_that_are_all_equal_need_no_ranking() -> None:
    pool, told = ranked(lambda _prompt, _answers: 1 / 0, ["a", "a"])
    assert told == [(0.5, 0.5)] * 2
    assert (pool.counts.asked, pool.counts.predicted) == (0, 0)


def test_a_ranking_is_not_for_a_budget_of_single_evaluations() -> None:
    allocation = Allocation(LinearRewardPredictor(), str, budget=1, planned=1)
    with pytest.raises(ArgumentError, match="give one"):
        FeedbackPool(lambda _prompt, _answer: 1.0, rank=lambda _prompt, answers: list(range(len(answers))), allocation=allocation)


def test_what_waits_can_be_handed_to_another_pool_with_its_numbers(gate: threading.Event) -> None:
    def slow(_prompt: int, _answer: int) -> float:
        gate.wait(10)
        return 0.0

    with FeedbackPool(slow) as pool:
        pool.submit([group(0), group(1)])
        waiting, following = pool.waiting(), pool.next_number
    with FeedbackPool(lambda _prompt, _answer: 1.0) as pool:
        pool.restore(waiting, following)
        pool.submit([group(2)])
        pool.wait()
        assert [(arrived.number, arrived.prompt) for arrived in pool.arrived(version=0)] == [(0, 0), (1, 1), (2, 2)]
        with pytest.raises(ArgumentError, match="new pool"):
            pool.restore(waiting, following)


def test_the_metrics_are_numbers_by_name() -> None:
    with FeedbackPool(lambda _prompt, _answer: 1.0) as pool:
        pool.submit([group()])
        pool.wait()
        pool.arrived(version=3)
        metrics = pool.metrics()
    assert metrics.pop("seconds_waited") >= 0.0
    assert metrics == {
        "submitted": 1.0,
        "held_back": 0.0,
        "used": 1.0,
        "stale": 0.0,
        "asked": 2.0,
        "failed": 0.0,
        "predicted": 0.0,
        "staleness": 3.0,
        "budget_spent": 0.0,
        "pending": 0.0,
    }
