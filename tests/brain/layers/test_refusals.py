"""What does not fit a network is refused with what would."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_sequence

from llm_brain.brain import PlasticRNN
from llm_brain.errors import ArgumentError
from tests.brain.layers.networks import INPUT, WIDTH, some_network


@pytest.mark.parametrize(
    ("shape", "lengths", "message"),
    [
        ((2, 3, 5), None, r"pass \[T, B, 6\]"),
        ((0, 2, 6), None, "at least one"),
        ((2, 0, 6), None, "at least one"),
        ((1, 1, 2, 6), None, r"pass \[T, B, 6\]"),
        ((3, 2, 6), torch.tensor([3]), "lengths must be 2 whole numbers"),
        ((3, 2, 6), torch.tensor([3.0, 2.0]), "lengths must be 2 whole numbers"),
        ((3, 2, 6), torch.tensor([True, False]), "lengths must be 2 whole numbers"),
        ((3, 2, 6), torch.tensor([4, 2]), "between 0 and the 3 steps"),
        ((3, 2, 6), torch.tensor([-1, 2]), "between 0 and the 3 steps"),
    ],
)
def test_an_input_that_does_not_fit_is_refused_with_what_would(
    shape: tuple[int, ...], lengths: Tensor | None, message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        some_network()(torch.zeros(shape).double(), lengths=lengths)


def test_a_batch_first_network_asks_for_its_own_layout() -> None:
    with pytest.raises(ArgumentError, match=r"pass \[B, T, 6\]"):
        some_network(batch_first=True)(torch.zeros(2, 3, 5).double())


def test_a_step_of_another_size_is_refused() -> None:
    network = some_network()
    for shape in ((2, 5), (INPUT,), (1, 2, INPUT)):
        with pytest.raises(ArgumentError, match=r"a step takes \[B, 6\]"):
            network.step(torch.zeros(shape).double(), network.initial_state(2))


def test_a_step_with_a_signal_of_another_shape_is_refused() -> None:
    network = some_network()
    with pytest.raises(ArgumentError, match="one number a step and row"):
        network.step(torch.zeros(2, INPUT).double(), network.initial_state(2), reward=torch.zeros(2, 1).double())


@pytest.mark.parametrize("name", ["reward", "prediction_error"])
def test_a_signal_of_another_shape_is_refused(name: str) -> None:
    with pytest.raises(ArgumentError, match="one number a step and row"):
        some_network()(torch.zeros(4, 2, INPUT).double(), **{name: torch.zeros(2).double()})


def test_a_state_of_another_network_or_batch_is_refused() -> None:
    network, deeper = some_network(), some_network(num_layers=3)
    other_heads, longer = PlasticRNN(INPUT, WIDTH, 2, heads=4).double(), some_network(conv_size=3)
    given_now = torch.zeros(4, 2, INPUT).double()
    for state in (*(other.initial_state(2) for other in (deeper, other_heads, longer)), network.initial_state(3)):
        with pytest.raises(ArgumentError, match="the network has 2 blocks"):
            network(given_now, state)
        with pytest.raises(ArgumentError, match="the network has 2 blocks"):
            network.step(given_now[0], state)


@pytest.mark.parametrize(
    "beside", [{"reward": torch.zeros(2, 1)}, {"prediction_error": torch.zeros(2, 1)}, {"lengths": torch.tensor([2])}]
)
def test_a_signal_or_lengths_beside_a_packed_sequence_are_refused(beside: dict[str, Tensor]) -> None:
    packed = pack_sequence([torch.zeros(2, INPUT).double()])
    with pytest.raises(ArgumentError, match="pass a padded one with `lengths`"):
        some_network()(packed, **beside)


def test_heads_that_do_not_share_the_width_are_refused() -> None:
    with pytest.raises(ArgumentError, match="choose a multiple of 3"):
        PlasticRNN(6, 8, heads=3)


@pytest.mark.parametrize(
    "wrong",
    [
        *({name: 0} for name in ("input_size", "hidden_size", "heads", "num_layers", "chunk", "conv_size", "key_size")),
        {"expansion": -1},
        {"dropout": 1.1},
        {"dropout": -0.1},
        {"eligibility_decay": (0.5, 1.1)},
        {"eligibility_decay": (-0.1, 0.5)},
    ],
)
def test_a_network_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError):
        PlasticRNN(**{"input_size": 6, "hidden_size": 8, "heads": 2, **wrong})
