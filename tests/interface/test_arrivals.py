"""Training with feedback that comes when it comes: what waits for what, what decides, and what is left as it was."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from llm_brain.brain.heads.distribution import Distribution
from llm_brain.interface import FeedbackWarning, Outputs
from tests.interface.colours import COLOURS, PROMPTS, liked, network, right, train
from tests.interface.models import judged_by


def test_no_step_waits_for_an_evaluation(gate: threading.Event) -> None:
    losses = 0

    def after_ten(output: Tensor, _target: Tensor) -> Tensor:
        nonlocal losses
        losses += 1
        if losses == 10:
            gate.set()
        return output.sum() * 0.0

    def patient(task: str, output: str) -> float:
        assert gate.wait(30)
        return right(task, output)

    model = network()
    data = {"inputs": torch.eye(3).repeat(10, 1), "targets": torch.zeros(30), "prompts": PROMPTS * 10, "batch_size": 3}
    history = train(judged_by(patient, outputs=COLOURS), model, **data, loss_fn=after_ten, epochs=1, concurrency=64)
    assert losses == 10
    assert history[0].reward is not None
    assert min(liked(model)) > 1 / 3


def test_what_arrives_after_the_last_step_is_learned_from_as_well(gate: threading.Event) -> None:
    def last(output: Tensor, _target: Tensor) -> Tensor:
        gate.set()
        return output.sum() * 0.0

    def patient(task: str, output: str) -> float:
        assert gate.wait(30)
        return right(task, output)

    model = network()
    history = train(judged_by(patient, outputs=COLOURS), model, loss_fn=last, epochs=1, answers_per_prompt=16)
    assert history[0].evaluations > 0
    assert history[0].reward is not None
    assert min(liked(model)) > 1 / 3


def test_nobody_is_waited_for_beyond_the_deadline_and_what_is_given_up_has_an_unknown_cost(gate: threading.Event) -> None:
    def stuck(_task: str, _output: str) -> float:
        gate.wait(60)
        return 1.0

    model = network()
    begin = time.monotonic()
    with pytest.warns(FeedbackWarning, match="none of them was there in time"):
        history = train(judged_by(stuck, outputs=COLOURS), model, epochs=2, deadline=0.1)
    assert time.monotonic() - begin < 30
    assert [epoch.cost for epoch in history] == [0.0, None]
    assert [epoch.reward for epoch in history] == [None, None]


def test_without_feedback_the_same_seed_trains_the_same_network() -> None:
    weights = []
    for seed in (1, 1, 2):
        model = network()
        alone = {"feedback_weight": 0.0, "loss_fn": functional.cross_entropy, "epochs": 3}
        train(judged_by(right), model, seed=seed, batch_size=2, **alone)
        weights.append(model.weight.detach())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_with_feedback_the_same_seed_and_the_same_arrivals_train_the_same_network() -> None:
    class Ordered(nn.Linear):
        """Lets no evaluation come in before an epoch's second and last step has begun to learn."""

        steps, may_come = 0, threading.Event()

        def forward(self, given: Tensor) -> Tensor:
            if not torch.is_grad_enabled():  # answers are drawn
                self.may_come.clear()
            return super().forward(given)

        def loss(self, output: Tensor, _target: Tensor) -> Tensor:
            self.steps += 1
            if self.steps % 2 == 0:
                self.may_come.set()
            return output.sum() * 0.0

    weights = []
    for seed in (1, 1, 2):
        model = Ordered(3, 3)
        model.load_state_dict(network().state_dict())

        def patient(task: str, output: str, model: Ordered = model) -> float:
            assert model.may_come.wait(30)
            return right(task, output)

        train(judged_by(patient, outputs=COLOURS), model, seed=seed, batch_size=2, loss_fn=model.loss, epochs=10)
        weights.append(model.weight.detach())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_torch_draws_afterwards_what_it_would_have_drawn() -> None:
    model = network()
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    train(judged_by(right, outputs=COLOURS), model, epochs=2)
    assert torch.equal(torch.rand(4), expected)


def test_the_users_optimiser_makes_its_own_steps_with_whole_gradients() -> None:
    model, expected = network(), network()
    optimizer = torch.optim.SGD(model.parameters(), 0.25)

    def steep(output: Tensor, target: Tensor) -> Tensor:
        return 1000 * functional.cross_entropy(output, target)

    train(judged_by(right), model, optimizer=optimizer, loss_fn=steep, feedback_weight=0.0, epochs=1)
    steep(expected(torch.eye(3)), torch.zeros(3).long()).backward()
    with torch.no_grad():
        assert expected.weight.grad is not None
        assert torch.allclose(model.weight, -0.25 * expected.weight.grad)
    assert optimizer.param_groups[0]["lr"] == 0.25


def test_all_inputs_are_learned_from_in_every_epoch_in_batches() -> None:
    seen: list[int] = []

    class Watching(nn.Linear):
        def forward(self, given: Tensor) -> Tensor:
            if self.training:
                seen.extend(given.argmax(dim=-1).tolist())
                assert len(given) <= 2
            return super().forward(given)

    model = Watching(3, 3)
    train(judged_by(right, outputs=COLOURS), model, epochs=4, batch_size=2)
    assert [sorted(seen[at : at + 3]) for at in range(0, 12, 3)] == [[0, 1, 2]] * 4
    assert len(seen) == 12


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_each_part_of_the_network_is_in_the_mode_that_it_was_in(weight: float) -> None:
    seen: list[bool] = []

    class Watched(nn.Linear):
        def forward(self, given: Tensor) -> Tensor:
            seen.append(self.training)
            return super().forward(given)

    model = nn.Sequential(Watched(3, 3), nn.Identity())
    model[1].eval()
    options = {"validation_prompts": ["the sky"], "validation_interval": 1, "encode": lambda _: torch.eye(3)[:1]}
    train(judged_by(right, outputs=COLOURS), model, epochs=2, feedback_weight=weight, **options)
    assert seen.count(True) == 2
    assert weight or seen == [True, False, True, False]
    assert [module.training for module in model] == [True, False]


def test_an_answer_that_was_drawn_is_the_one_that_is_judged() -> None:
    seen: list[tuple[str, str]] = []

    class Own(Distribution[Tensor]):
        """Draws, from the output of an input, its number and that of the draw."""

        def __init__(self, output: Tensor) -> None:
            self.output, self.draws = output, itertools.count()

        def sample(self, generator: torch.Generator | None = None) -> Tensor:  # noqa: ARG002
            draw = next(self.draws)
            return torch.tensor([[int(row.argmax()), draw] for row in self.output])

        def best(self) -> Tensor:
            raise NotImplementedError

        def log_prob(self, target: Tensor) -> Tensor:
            assert target[:, 0].tolist() == self.output.argmax(dim=1).tolist()
            return torch.log_softmax(self.output, dim=-1).gather(1, target[:, 1:]).squeeze(1)

        def entropy(self, generator: torch.Generator | None = None) -> Tensor:  # noqa: ARG002
            return self.output.sum(dim=1) * 0

    class Numbered(Outputs):
        """Answers say which input they belong to."""

        def answers(self, output: Tensor, vectors: Any = None) -> list[str]:
            raise NotImplementedError

        def distribution(self, output: Tensor, vectors: Any = None) -> Own:  # noqa: ARG002
            return Own(output)

        def said(self, target: Tensor) -> list[str]:
            return [f"{PROMPTS[place]} {draw}" for place, draw in target.tolist()]

    def note(task: str, output: str) -> float:
        seen.append((task, output))
        return 0.5

    model = nn.Linear(3, 3, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.eye(3))
    train(judged_by(note, outputs=Numbered()), model, answers_per_prompt=2, epochs=1)
    assert sorted(seen) == sorted((prompt, f"{prompt} {draw}") for prompt in PROMPTS for draw in range(2))


def test_answers_to_every_input_are_judged_in_every_epoch() -> None:
    drawn: list[int] = []

    class Watching(nn.Linear):
        def forward(self, given: Tensor) -> Tensor:
            if not torch.is_grad_enabled():
                drawn.extend(given.argmax(dim=-1).tolist())
            return super().forward(given)

    train(judged_by(right, outputs=COLOURS), Watching(3, 3), epochs=6, batch_size=2)
    assert [sorted(drawn[at : at + 3]) for at in range(0, 18, 3)] == [[0, 1, 2]] * 6
