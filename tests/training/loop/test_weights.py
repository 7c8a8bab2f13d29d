"""That a step is the same step in however many parts, and by however many processes, it is computed."""

from __future__ import annotations

import threading
import zlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from llm_brain.errors import BackendError
from llm_brain.training.feedback import FeedbackPool, Group
from llm_brain.training.learner import Policy
from llm_brain.training.loop.losses import Losses, Work, log_probabilities
from llm_brain.training.loop.trainer import Trainer
from llm_brain.training.loop.weights import FeedbackWeights, feedback_weights
from llm_brain.training.loop.world import World
from llm_brain.training.objectives import OBJECTIVES
from llm_brain.training.settings import TrainingSettings
from tests.training.loop.toy import Toy

REWARDS = st.tuples(*[st.sampled_from([None, 0.0, 0.5, 1.0])] * 3)


def lesson(objective: str) -> TrainingSettings:
    return TrainingSettings(
        objective=objective,  # type: ignore[arg-type]
        feedback_weight=1.0,
        entropy_bonus=0.3,
        kl_weight=0.2,
        epochs=1,
        batch_size=12,
        feedback_prompts=6,
        answers_per_prompt=3,
        gradient_clip=1e9,
    )


def gradient(toy: Toy, objective: str, works: list[Work]) -> Tensor:
    for parameter in toy.parameters():
        parameter.grad = torch.zeros_like(parameter)
    losses = Losses(toy, lesson(objective))
    for work in works:
        losses(work)[0].backward()
    return torch.cat([parameter.grad.flatten() for parameter in toy.parameters() if parameter.grad is not None])


def work(groups: list[Group], reference: Policy, weights: FeedbackWeights) -> Work:
    logs = log_probabilities(reference, groups).detach() - 0.1
    return Work([], 0.0, groups, weights, logs, torch.full((len(groups),), 0.4))


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
@pytest.mark.parametrize("critic", [False, True])
@given(rewards=st.lists(REWARDS, min_size=1, max_size=6), parts=st.integers(1, 3), processes=st.integers(1, 2))
@settings(max_examples=30, deadline=None)
def test_failed_evaluations_and_ties_in_one_part_change_nothing_in_another(
    objective: str, critic: bool, rewards: list[tuple[float | None, ...]], parts: int, processes: int
) -> None:
    toy = Toy(dropout=0.0, critic=critic)
    groups = [Group(place, (0, 1, 2), (0, 1, 2), (-1.6,) * 3, 0, place, given) for place, given in enumerate(rewards)]
    (weights,) = feedback_weights([groups], groups, objective)
    whole = gradient(toy, objective, [work(groups, toy.policy([each.prompt for each in groups]), weights)])
    works = []
    for rank in range(processes):
        mine = World(rank, processes).share(groups)
        shares = [mine[place::parts] for place in range(parts)]
        for share, weights in zip(shares, feedback_weights(shares, groups, objective, processes), strict=True):
            if share:
                works.append(work(share, toy.policy([each.prompt for each in share]), weights))
    assert torch.allclose(gradient(toy, objective, works) / processes, whole, atol=1e-5)


def judge(prompt: int, answer: int) -> float:
    """Some evaluations fail, and many are ties."""
    chance = zlib.crc32(f"{prompt} {answer}".encode()) % 4
    if chance == 0:
        raise BackendError("the server answered 503", kind="server")
    return float(chance == 1)


@pytest.mark.parametrize("accumulate", [2, 3])
@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_a_step_that_is_accumulated_is_the_whole_step(objective: str, accumulate: int) -> None:
    found, told = [], []
    for parts in (1, accumulate):
        toy, may_come = Toy(dropout=0.0), threading.Event()

        def patient(prompt: int, answer: int, may_come: threading.Event = may_come) -> float:
            assert may_come.wait(30)
            return judge(prompt, answer)

        with FeedbackPool(patient, workers=64) as pool:
            trainer = Trainer(
                toy,
                lesson(objective).model_copy(update={"accumulate": parts}),
                feedback=pool,
                optimizer=torch.optim.SGD(toy.parameters(), lr=0.5),
            )
            trainer.train_step(range(12))
            may_come.set()
            assert pool.wait(30)
            told.append(trainer.train_step(range(12)))
        found.append(toy.weights())
    assert told[0]["reward_count"] > 0
    assert told[0] == pytest.approx(told[1], abs=1e-5)
    assert torch.allclose(*found, atol=1e-5)
