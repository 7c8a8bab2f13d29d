"""That online DPO is the published loss of each group's best and worst answer, as a formula that is written out here."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from llm_brain.errors import ArgumentError
from llm_brain.training.objectives import Samples, dpo

LOGS = torch.tensor([[-0.3, -1.9, -2.5], [-0.8, -1.1, -0.4]], dtype=torch.float64)
REFERENCE = torch.tensor([[-1.0, -1.2, -1.1], [-0.9, -0.7, -1.6]], dtype=torch.float64)
REWARDS = torch.tensor([[0.1, 0.9, 0.4], [0.5, 0.2, 0.6]], dtype=torch.float64)
ALL = torch.ones(2, 3).bool()


def pair_loss(beta: float, row: int, best: int, worst: int) -> float:
    margins = LOGS - REFERENCE
    return math.log1p(math.exp(-beta * float(margins[row, best] - margins[row, worst])))


def loss_of(rewards: Tensor, known: Tensor, beta: float = 0.1) -> float:
    return float(dpo(Samples(LOGS, rewards, known, LOGS, reference=REFERENCE), beta=beta))


@pytest.mark.parametrize("beta", [0.1, 1.0])
def test_it_is_the_loss_of_the_best_against_the_worst(beta: float) -> None:
    expected = (pair_loss(beta, 0, 1, 0) + pair_loss(beta, 1, 2, 1)) / 2
    assert loss_of(REWARDS, ALL, beta) == pytest.approx(expected, rel=1e-12)


def test_answers_whose_evaluation_failed_are_neither_best_nor_worst() -> None:
    known = torch.tensor([[True, False, True], [True, True, True]])
    assert loss_of(REWARDS, known) == pytest.approx((pair_loss(0.1, 0, 2, 0) + pair_loss(0.1, 1, 2, 1)) / 2, rel=1e-12)


def test_a_prompt_whose_answers_are_all_alike_is_skipped() -> None:
    rewards = REWARDS.clone()
    rewards[1] = 0.5
    assert loss_of(rewards, ALL) == pytest.approx(pair_loss(0.1, 0, 1, 0), rel=1e-12)


def test_several_best_answers_are_all_paired_with_the_worst() -> None:
    rewards = torch.tensor([[0.9, 0.1, 0.9], [0.5, 0.5, 0.5]], dtype=torch.float64)
    assert loss_of(rewards, ALL) == pytest.approx((pair_loss(0.1, 0, 0, 1) + pair_loss(0.1, 0, 2, 1)) / 2, rel=1e-12)


def test_how_much_better_the_best_is_does_not_count() -> None:
    assert loss_of(REWARDS, ALL) == loss_of(REWARDS.square(), ALL)


def test_without_a_reference_it_says_what_to_give() -> None:
    with pytest.raises(ArgumentError, match=r"samples\.reference"):
        dpo(Samples(LOGS, REWARDS, ALL, LOGS))
