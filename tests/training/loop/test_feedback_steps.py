"""Updates from evaluations alone: what they learn from, and what they leave as it is."""

from __future__ import annotations

import threading
from typing import NamedTuple

import pytest
import torch

from llm_brain.errors import BackendError
from llm_brain.training.feedback import Evaluate, FeedbackPool
from llm_brain.training.loop.trainer import Trainer
from llm_brain.training.settings import TrainingSettings
from tests.training.loop.toy import OPTIONS, Toy

SETTINGS = TrainingSettings(
    epochs=1, batch_size=40, learning_rate=0.05, feedback_prompts=4, entropy_bonus=0.0, feedback_weight=1.0
)


def judge(prompt: int, answer: int) -> float:
    return float(answer == (prompt + 1) % OPTIONS)


def failing(_prompt: int, _answer: int) -> float:
    raise BackendError("the server answered 503", kind="server")


class Late(NamedTuple):
    told: list[dict[str, float]]
    moved: bool


def late(evaluate: Evaluate, steps: int) -> Late:
    """Make steps whose evaluations come after the last of them, and then learn from those."""
    may_come = threading.Event()

    def patient(prompt: int, answer: int) -> float:
        assert may_come.wait(30)
        return evaluate(prompt, answer)

    toy = Toy(dropout=0.0)
    with FeedbackPool(patient, max_staleness=steps, workers=64) as pool:
        trainer = Trainer(toy, SETTINGS, feedback=pool)
        for _ in range(steps):
            assert "reward" not in trainer.train_step(range(8))
        before = toy.weights()
        may_come.set()
        assert pool.wait(30)
        told = trainer.feedback_steps()
        assert trainer.step == steps + len(told)
        assert not pool.waiting()
        assert trainer.feedback_steps() == []
    return Late(told, not torch.equal(toy.weights(), before))


def test_each_takes_as_many_prompts_as_a_step_draws_answers_to() -> None:
    told, moved = late(judge, steps=3)
    assert [metrics["reward_count"] for metrics in told] == [4 * SETTINGS.answers_per_prompt] * 3
    assert all("loss" not in metrics for metrics in told)
    assert moved


def test_where_no_evaluation_gave_a_score_nothing_is_updated() -> None:
    assert late(failing, steps=2) == ([], False)


@pytest.mark.parametrize("prompts", [0, 12])
def test_without_a_pool_there_are_none(prompts: int) -> None:
    assert Trainer(Toy(prompts=prompts), SETTINGS).feedback_steps() == []


def test_a_failed_evaluation_makes_no_answer_less_certain() -> None:
    weights = []
    for weight in (0.0, 1.0):
        toy = Toy(dropout=0.0)
        settings = SETTINGS.model_copy(update={"entropy_bonus": 0.5, "feedback_weight": weight})
        with FeedbackPool(failing) as pool:
            trainer = Trainer(toy, settings, feedback=pool)
            for _ in range(3):
                trainer.train_step(range(8))
                assert pool.wait(30)
        weights.append(toy.weights())
    assert torch.allclose(*weights, atol=1e-6)
