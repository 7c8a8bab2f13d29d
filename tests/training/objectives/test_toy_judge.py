"""The benchmark of the objectives, cut short: a judge's scores teach by RLOO, and as a factor they teach nothing."""

from __future__ import annotations

import pytest
import torch

from benchmarks.teaching.toy_judge import OPTIONS, run, table, train, world
from llm_brain.training.objectives import OBJECTIVES


def test_what_the_teacher_labels_is_right_about_as_often_as_it_should_be() -> None:
    made = world(0)
    assert made.agreement == pytest.approx(0.3, abs=0.05)
    assert ((made.grades == 1).sum(dim=1) == 1).all()
    assert made.grades[made.grades < 1].max() <= 0.4


def test_the_judge_scores_in_range_and_fails_sometimes() -> None:
    made, random = world(0), torch.Generator().manual_seed(0)
    rewards, known = made.judge(torch.arange(1000), torch.randint(OPTIONS, (1000, 4), generator=random), random)
    assert float((~known).float().mean()) == pytest.approx(0.05, abs=0.02)
    assert bool(((rewards[known] >= 0) & (rewards[known] <= 1)).all())


def test_rloo_learns_from_the_judge_and_a_factor_does_not() -> None:
    rows = {row["name"]: row for row in run(seeds=[0], names=("rloo", "factor", "supervised"), updates=100)}
    assert rows["rloo"]["score"] > 0.75
    assert abs(rows["factor"]["score"] - rows["supervised"]["score"]) < 0.1
    assert rows["factor"]["judgements"] == rows["rloo"]["judgements"] > 0 == rows["supervised"]["judgements"]
    assert table(list(rows.values())).row_count == 3


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_every_objective_begins_to_learn(name: str) -> None:
    made = train(name, seed=1, rate=1e-2, updates=40)
    assert made["score"] > made["before"] + 0.05
