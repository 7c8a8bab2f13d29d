"""A recording holds what the modulators said while it was open."""

from __future__ import annotations

import pytest
import torch

from llm_brain.brain import CHANNELS, Recording
from tests.brain.layers.networks import a_life, between, some_network


def test_a_recording_joins_calls_along_time_and_ends_with_its_block() -> None:
    network, lived = some_network(), a_life(10, 2)
    with network.record() as whole:
        network(**lived)
    with network.record() as pieces:
        _, state = network(**between(lived, 0, 9))
        now = {name: part[9] for name, part in lived.items()}
        network.step(now.pop("input"), state, **now)
    network(**lived)
    for block in range(2):
        assert pieces.course(block).tonic.shape == (10, 2, 4)
        assert pieces.course(block).dopamine.shape == (10, 2, 2)
        torch.testing.assert_close(pieces.course(block), whole.course(block), rtol=1e-9, atol=1e-10)
        assert [call.tonic.shape[0] for call in pieces.calls(block)] == [9, 1]


def test_a_recording_changes_nothing_and_holds_no_graph() -> None:
    network, lived = some_network(), a_life(6, 2)
    expected, _ = network(**lived)
    with network.record() as recording:
        found, _ = network(**lived)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert found.requires_grad
    assert not any(part.requires_grad for part in recording.course(0))


def test_the_last_levels_are_those_of_the_state() -> None:
    network = some_network()
    with network.record() as recording:
        _, state = network(**a_life(6, 2))
    for block in range(2):
        torch.testing.assert_close(recording.course(block).tonic[-1], state.blocks[block].tonic.detach())


def test_mean_levels_are_told_by_name() -> None:
    network = some_network()
    with network.record() as recording:
        network(**a_life(6, 2))
        network(**a_life(3, 5))
    mean = torch.cat([call.tonic.flatten(end_dim=1) for call in recording.calls(1)]).mean(0)
    assert recording.levels(1) == pytest.approx(dict(zip(CHANNELS, mean.tolist(), strict=True)))


def test_two_recordings_at_once_both_hear() -> None:
    network = some_network()
    with network.record() as outer:
        network(**a_life(3, 2))
        with network.record() as inner:
            network(**a_life(4, 2))
    assert (outer.course().tonic.shape[0], inner.course().tonic.shape[0]) == (7, 4)


def test_a_recording_ends_when_its_block_fails() -> None:
    network = some_network()

    def fail() -> None:
        with network.record() as recording:
            recorded.append(recording)
            raise KeyError

    recorded: list[Recording] = []
    with pytest.raises(KeyError):
        fail()
    network(**a_life(3, 2))
    assert recorded[0].calls() == ()


def test_an_empty_recording_says_so() -> None:
    with some_network().record() as recording:
        pass
    with pytest.raises(ValueError, match="nothing was recorded"):
        recording.course(0)
    assert recording.levels() == {}


def test_calls_of_different_batch_sizes_are_kept_apart() -> None:
    network = some_network()
    with network.record() as recording:
        network(**a_life(3, 2))
        network(**a_life(3, 1))
    with pytest.raises(ValueError, match="different batch sizes"):
        recording.course(0)
    assert [call.tonic.shape[1] for call in recording.calls(0)] == [2, 1]
