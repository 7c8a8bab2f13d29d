"""Validation: what it measures, what it pays for, and what it does where a judge fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch
from pydantic import Field

from llm_brain.brain import Brain, BrainConfig
from llm_brain.errors import BackendError, BudgetError
from llm_brain.training import BrainLearner, ByteReader, Pair, Subject
from llm_brain.training.judging import Judging
from tests.training.functions import answered_by, by_words, mood

PAIRS = [Pair(f"text {number}", "happy") for number in range(4)]


class Judge:
    def __init__(self, score: Callable[[str], float] = lambda _: 1.0) -> None:
        self._score = score
        self.asked: Counter[tuple[str, str]] = Counter()

    def score_validation(self, message: str, answer: str) -> float:
        self.asked[message, answer] += 1
        return self._score(message)


def judging(folder: Path, teacher: Any = None, function: Any = mood, pairs: list[Pair] = PAIRS) -> Judging:
    subject, reader = Subject.of(answered_by(by_words, function), teacher), ByteReader()
    config = BrainConfig(input_size=32, vocabulary=reader.vocabulary, answer=subject.kind.answer, width=8, heads=1)
    torch.manual_seed(0)
    learner = BrainLearner(Brain(config).eval(), reader, subject.kind, [])
    return Judging(subject, learner, [], pairs, is_judged=teacher is not None, folder=folder)


def failing(which: str) -> Callable[[str], float]:
    def score(message: str) -> float:
        if message[-1] in which:
            raise BackendError("busy", kind="server")
        return float(message != "text 3")

    return score


def test_each_answer_to_an_input_is_scored_once_and_paid_for_once(tmp_path: Path) -> None:
    first = Judge()
    one = judging(tmp_path, first)
    assert one.validate().score == one.validate().score == 1.0
    assert first.asked.total() == 4
    again = Judge(lambda _: 0.0)
    assert judging(tmp_path, again).validate().score == 1.0
    assert not again.asked


def test_scores_of_another_judge_are_not_taken(tmp_path: Path) -> None:
    class Other(Judge):
        def score_validation(self, message: str, answer: str) -> float:
            return super().score_validation(message, answer) / 2

    assert judging(tmp_path, Judge()).validate().score == 1.0
    assert judging(tmp_path, Other()).validate().score == 0.5


def test_scores_that_failed_are_left_out_and_counted_and_asked_again(tmp_path: Path) -> None:
    judge = Judge(failing("01"))
    one = judging(tmp_path, judge)
    validation = one.validate()
    assert (validation.score, validation.metrics["failed"]) == (0.5, 2)
    one.validate()
    assert sorted(judge.asked.values()) == [1, 1, 2, 2]


@pytest.mark.parametrize(("score", "error"), [(failing("0123"), BackendError), (None, BudgetError)])
def test_where_all_fail_and_where_more_would_so_does_the_validation(score: Any, error: type[Exception], tmp_path: Path) -> None:
    def spent(_message: str) -> float:
        raise BudgetError("spent")

    with pytest.raises(error):
        judging(tmp_path, Judge(score or spent)).validate()


def test_how_likely_the_answers_are_breaks_ties_where_they_are_no_closed_set(tmp_path: Path) -> None:
    def heat(message: str) -> Annotated[float, Field(ge=0, le=1)]:
        """Tell how hot it is."""
        raise NotImplementedError

    validation = judging(tmp_path, function=heat, pairs=[Pair("hot", 0.9), Pair("cold", 0.1)]).validate()
    assert validation.score == 0.0
    assert validation.tie == -validation.metrics["loss"] != 0.0
    closed = judging(tmp_path).validate()
    assert closed.tie == 0.0
    assert "loss" not in closed.metrics
