"""Any module as a learner: its losses, its policies, and its weights on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from llm_brain.errors import ArgumentError, DataError
from llm_brain.interface.feedback import settings_of
from llm_brain.interface.module_learner import ModuleLearner
from llm_brain.training.loop.train import train
from tests.interface.colours import COLOURS, PROMPTS, network


def learner(model: nn.Module | None = None, **changes: Any) -> ModuleLearner:
    given = {"inputs": torch.eye(3), "targets": torch.arange(3), "loss_fn": functional.cross_entropy}
    return ModuleLearner(model or network(), **{**given, "prompts": PROMPTS, "outputs": COLOURS, **changes})


def test_its_loss_is_that_of_the_function_on_the_chosen_rows() -> None:
    model = nn.Linear(3, 3)
    expected = functional.cross_entropy(model(torch.eye(3)[[2, 0]]), torch.tensor([2, 0]))
    assert torch.equal(learner(model).loss([2, 0]), expected)


def test_its_policy_is_what_the_outputs_mean() -> None:
    model = nn.Linear(3, 3)
    made = learner(model)
    policy = made.policy([1])
    assert policy.value is None
    assert torch.allclose(policy.answer.log_prob(torch.tensor([2])), torch.log_softmax(model(torch.eye(3)[[1]]), dim=-1)[:, 2])
    assert made.values(torch.tensor([2, 0])) == ["blue", "red"]
    assert [made.prompt_text(place) for place in range(3)] == PROMPTS


def test_its_parameters_are_those_of_the_model() -> None:
    model = network()
    made = learner(model, inputs=nn.Parameter(torch.eye(3)))
    assert list(map(id, made.parameters())) == list(map(id, model.parameters()))


def test_where_nobody_is_asked_there_are_no_prompts() -> None:
    made = learner(prompts=(), outputs=None)
    assert list(made.prompt_lengths) == []
    with pytest.raises(ArgumentError, match="give `outputs`"):
        made.policy([0])


def test_outputs_that_are_no_numbers_any_more_are_said() -> None:
    model = network()
    nn.init.constant_(model.weight, torch.nan)
    with pytest.raises(DataError, match="lower the learning rate"):
        learner(model).policy([0])


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.scale: Tensor
        self.register_buffer("scale", torch.ones(()))

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.second(self.first(inputs)) * self.scale
        return outputs


def test_weights_that_are_shared_are_written_and_read(tmp_path: Path) -> None:
    written, read = Tied(), Tied()
    written.scale.fill_(2.0)
    learner(written).save(tmp_path / "weights")
    learner(read).load(tmp_path / "weights")
    assert read.second.weight is read.first.weight
    assert torch.equal(read(torch.eye(3)), written(torch.eye(3)))


@pytest.mark.parametrize(
    "changes", [{"inputs": torch.eye(3) * 2}, {"targets": torch.zeros(3).long()}, {"prompts": PROMPTS[::-1]}, {"model": Tied()}]
)
def test_it_says_what_it_learns_from(changes: dict[str, Any]) -> None:
    assert learner().describe() == learner().describe()
    assert learner().describe() != learner(**changes).describe()


def test_a_whole_training_with_checkpoints_takes_it_as_any_other_learner(tmp_path: Path) -> None:
    model = network()
    settings = settings_of(3, epochs=40, feedback_weight=0.0, learning_rate=0.1)
    assert len(train(learner(model), settings, tmp_path).history) == 40
    assert model(torch.eye(3)).argmax(dim=1).tolist() == [0, 1, 2]
    assert train(learner(model), settings, tmp_path).resumed_steps == 40
