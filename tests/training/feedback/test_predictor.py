"""That the predictor is Bayesian linear regression: exact in batches, and less unsure of what it has seen."""

import math

import pytest
import torch

from llm_brain.training.feedback import LinearRewardPredictor
from llm_brain.training.feedback.predictor import hashed_features

EXAMPLES = [(f"film {number} was {word}", answer, float((word == "good") == (answer == "yes")))
            for number in range(10) for word in ("good", "bad") for answer in ("yes", "no")]  # fmt: skip


def test_it_gives_the_posterior_of_linear_regression() -> None:
    predictor = LinearRewardPredictor(64, prior_mean=0.4, prior_deviation=0.5, noise=0.2)
    for example in EXAMPLES:
        predictor.learn(*example)
    rows = torch.stack([hashed_features(prompt, answer, 64) for prompt, answer, _ in EXAMPLES])
    scores = torch.tensor([score for *_, score in EXAMPLES], dtype=torch.float64) - 0.4
    covariance = torch.linalg.inv(rows.T @ rows / 0.2**2 + torch.eye(64, dtype=torch.float64) / 0.5**2)
    weights = covariance @ rows.T @ scores / 0.2**2
    row = hashed_features("film 3 was fine", "yes", 64)
    mean, deviation = predictor.predict("film 3 was fine", "yes")
    assert mean == pytest.approx(0.4 + float(row @ weights))
    assert deviation == pytest.approx(math.sqrt(0.2**2 + float(row @ covariance @ row)))


def test_it_does_not_matter_in_which_batches_it_learns() -> None:
    at_once, one_by_one = LinearRewardPredictor(64), LinearRewardPredictor(64)
    for example in EXAMPLES * 3:  # more than one batch
        at_once.learn(*example)
        one_by_one.learn(*example)
        one_by_one.predict("a", "b")
    assert at_once.predict("film 3 was fine", "no") == pytest.approx(one_by_one.predict("film 3 was fine", "no"))


def test_it_learns_what_depends_on_prompt_and_answer_together() -> None:
    predictor = LinearRewardPredictor()
    for example in EXAMPLES:
        predictor.learn(*example)
    for word, answer, score in (("good", "yes", 1), ("good", "no", 0), ("bad", "yes", 0), ("bad", "no", 1)):
        assert abs(predictor.predict(f"film 99 was {word}", answer)[0] - score) < 0.35


def test_it_is_surer_of_what_it_has_seen_and_knows_nothing_of_an_empty_text() -> None:
    predictor = LinearRewardPredictor()
    before = predictor.predict("film 1 was good", "yes")
    predictor.learn("film 1 was good", "yes", 1.0)
    after = predictor.predict("film 1 was good", "yes")
    assert before[0] == 0.5
    assert after[0] > before[0]
    assert after[1] < before[1]
    assert predictor.predict("", "") == pytest.approx((0.5, 0.1))
