"""That evaluations never hold up a step, and that each group is used, dropped or still waited for, and counted."""

import math
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from llm_brain.errors import BackendError, BudgetError, MissingKeyError
from llm_brain.training import FeedbackPool, Group
from llm_brain.training.feedback import group_tensors


def group(prompt: str = "a", answers: tuple[int, ...] = (0, 1), version: int = 0) -> Group:
    return Group(prompt, answers, tuple(-0.7 for _ in answers), version)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()  # no thread is left behind


def test_a_slow_evaluator_holds_up_neither_submitting_nor_collecting(gate: threading.Event) -> None:
    def slow(_prompt: str, answer: int) -> float:
        gate.wait(10)
        return float(answer)

    with FeedbackPool(slow, workers=2) as pool:
        started = time.monotonic()
        for number in range(50):
            pool.submit([group(f"prompt {number}")])
            assert pool.arrived(version=0) == []
        assert time.monotonic() - started < 1.0
        assert pool.pending == 100
        gate.set()
        pool.wait()
        assert pool.pending == 0
        assert [arrived.rewards for arrived in pool.arrived(version=0)] == [(0.0, 1.0)] * 50


def test_a_group_comes_back_once_as_it_was_handed_in_with_its_rewards() -> None:
    with FeedbackPool(lambda _prompt, answer: answer / 2) as pool:
        pool.submit([Group("a", (1, 0, 1), (-0.1, -2.0, -0.1), 7)])
        pool.wait()
        assert pool.arrived(version=9) == [Group("a", (1, 0, 1), (-0.1, -2.0, -0.1), 7, (0.5, 0.0, 0.5))]
        assert pool.arrived(version=9) == []
        assert (pool.counts.submitted, pool.counts.used, pool.counts.staleness) == (1, 1, [2])


def test_groups_that_are_too_old_are_dropped_and_counted() -> None:
    with FeedbackPool(lambda _prompt, _answer: 1.0, max_staleness=2) as pool:
        pool.submit([group(version=0), group(version=1)])
        pool.wait()
        assert [arrived.version for arrived in pool.arrived(version=3)] == [1]
        assert (pool.counts.used, pool.counts.stale) == (1, 1)


def test_a_group_that_is_waited_for_too_long_is_dropped_and_its_evaluations_serve_the_next(gate: threading.Event) -> None:
    calls: Counter[tuple[str, int]] = Counter()

    def slow(prompt: str, answer: int) -> float:
        calls[prompt, answer] += 1
        gate.wait(10)
        return 1.0

    with FeedbackPool(slow, max_staleness=1) as pool:
        pool.submit([group()])
        assert pool.arrived(version=2) == []
        assert pool.counts.stale == 1
        gate.set()
        pool.wait()
        pool.submit([group(version=2)])
        assert len(pool.arrived(version=2)) == 1
        assert set(calls.values()) == {1}


def test_the_same_answer_is_evaluated_once() -> None:
    calls: Counter[tuple[str, int]] = Counter()

    def count(prompt: str, answer: int) -> float:
        calls[prompt, answer] += 1
        return 1.0

    with FeedbackPool(count) as pool:
        for _ in range(5):
            pool.submit([group("a", (0, 0, 1, 0)), group("b")])
        pool.wait()
        pool.submit([group("a")])
    assert calls == {("a", 0): 1, ("a", 1): 1, ("b", 0): 1, ("b", 1): 1}


def failing(kind: str, *, on: int = 1) -> tuple[Counter[int], FeedbackPool]:
    calls: Counter[int] = Counter()

    def evaluate(_prompt: str, answer: int) -> float:
        calls[answer] += 1
        if answer == on:
            raise BackendError("no", kind=kind, retryable=True)  # type: ignore[arg-type]
        return 1.0

    return calls, FeedbackPool(evaluate, workers=1)


def test_a_failed_evaluation_is_none_and_counted() -> None:
    _, pool = failing("timeout")
    with pool:
        pool.submit([group()])
        pool.wait()
        assert pool.arrived(version=0)[0].rewards == (1.0, None)
        assert pool.counts.failed == 1


def test_a_failed_evaluation_is_tried_again_when_its_answer_is_drawn_again_but_not_for_ever() -> None:
    calls, pool = failing("timeout")
    with pool:
        for _ in range(6):
            pool.submit([group()])
            pool.wait()
            assert pool.arrived(version=0)[0].rewards == (1.0, None)
    assert calls == {0: 1, 1: 3}


def test_a_failure_that_passes_is_forgotten() -> None:
    replies: Iterator[Any] = iter([BackendError("busy", kind="server", retryable=True), 0.8])

    def evaluate(_prompt: str, _answer: int) -> float:
        reply = next(replies)
        if isinstance(reply, Exception):
            raise reply
        return float(reply)

    with FeedbackPool(evaluate) as pool:
        rewards = []
        for _ in range(2):
            pool.submit([group(answers=(0, 0))])
            pool.wait()
            rewards.append(pool.arrived(version=0)[0].rewards)
    assert rewards == [(None, None), (0.8, 0.8)]


@pytest.mark.parametrize(
    "error", [BackendError("no", kind="auth"), BackendError("no", kind="quota"), BudgetError("spent"), MissingKeyError("no")]
)
def test_a_refused_key_an_empty_account_and_a_spent_budget_end_the_asking_at_once(error: Exception) -> None:
    calls = []

    def evaluate(prompt: str, _answer: int) -> float:
        calls.append(prompt)
        raise error

    with FeedbackPool(evaluate, workers=1) as pool:
        pool.submit([group(str(number)) for number in range(100)])
        pool.wait()
        assert len(calls) == 1
        assert pool.counts.failed == 200
        assert all(arrived.rewards == (None, None) for arrived in pool.arrived(version=0))


def test_a_score_that_is_not_a_number_is_a_failure() -> None:
    with FeedbackPool(lambda _prompt, _answer: math.nan) as pool:
        pool.submit([group()])
        pool.wait()
        assert pool.arrived(version=0)[0].rewards == (None, None)
        assert pool.counts.failed == 2


@pytest.mark.parametrize(("score", "kept"), [(1.7, 1.0), (-3.0, -1.0), (math.inf, 1.0), (0.25, 0.25)])
def test_scores_are_clamped_to_their_range(score: float, kept: float) -> None:
    with FeedbackPool(lambda _prompt, _answer: score, score_range=(-1.0, 1.0)) as pool:
        pool.submit([group()])
        pool.wait()
        assert pool.arrived(version=0)[0].rewards == (kept, kept)


def test_a_fault_of_the_evaluator_itself_is_not_hidden() -> None:
    with FeedbackPool(lambda _prompt, answer: 1 / answer) as pool:
        pool.submit([group()])
        pool.wait()
        with pytest.raises(ZeroDivisionError):
            pool.arrived(version=0)


def test_closing_gives_up_what_has_not_begun_and_waits_for_nothing(gate: threading.Event) -> None:
    calls = []

    def slow(prompt: str, _answer: int) -> float:
        calls.append(prompt)
        gate.wait(10)
        return 1.0

    pool = FeedbackPool(slow, workers=1)
    pool.submit([group(str(number)) for number in range(20)])
    started = time.monotonic()
    pool.close()
    assert time.monotonic() - started < 1.0
    assert pool.arrived(version=0) == []
    gate.set()
    pool.wait()
    assert len(calls) <= 1


def test_groups_become_tensors_with_a_mask_for_what_failed() -> None:
    answers, rewards, known, behaviour = group_tensors([Group("a", (0, 1), (-0.5, -1.0), 0, (0.5, None))])
    assert answers.tolist() == [[0, 1]]
    assert known.tolist() == [[True, False]]
    assert rewards[known].tolist() == [0.5]
    assert behaviour.tolist() == [[-0.5, -1.0]]
