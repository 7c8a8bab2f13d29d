"""The four modulators: where they start, what moves them, and what an ablation changes."""

from __future__ import annotations

import pytest
import torch

from llm_brain.brain import CHANNELS, Channel, Modulators


def test_every_channel_starts_with_its_own_retention() -> None:
    start = dict(zip(CHANNELS, Modulators(heads=2).retention_logit.sigmoid().tolist(), strict=True))
    assert start == pytest.approx({"dopamine": 0.5, "acetylcholine": 0.9, "noradrenaline": 0.8, "serotonin": 0.98})


def test_a_level_moves_from_rest_towards_its_drive_at_its_own_pace() -> None:
    signals, last = Modulators(heads=1)(torch.full((1, 1, 4), 100.0), torch.zeros(1, 1, 1))
    assert dict(zip(CHANNELS, last[0].tolist(), strict=True)) == pytest.approx(
        {"dopamine": 0.75, "acetylcholine": 0.55, "noradrenaline": 0.6, "serotonin": 0.51}
    )
    torch.testing.assert_close(signals.tonic[:, -1], last)


def test_a_prediction_error_sets_the_sign_of_dopamine() -> None:
    error = torch.tensor([[0.0, 2.0, -2.0]])
    signals, _ = Modulators(heads=1)(torch.zeros(1, 3, 4), torch.zeros(1, 3, 1), prediction_error=error)
    assert signals.dopamine.flatten().sign().tolist() == [0.0, 1.0, -1.0]


def test_a_reward_raises_the_levels() -> None:
    modulators, drive, dopamine = Modulators(heads=1), torch.zeros(1, 2, 4), torch.zeros(1, 2, 1)
    quiet, _ = modulators(drive, dopamine)
    rewarded, _ = modulators(drive, dopamine, reward=torch.tensor([[1.0, 0.0]]))
    assert (rewarded.tonic > quiet.tonic).all()


@pytest.mark.parametrize("ablated", CHANNELS)
def test_an_ablated_channel_is_frozen_and_the_others_go_on(ablated: Channel) -> None:
    torch.manual_seed(0)
    inputs = {"reward": torch.randn(2, 6), "prediction_error": torch.randn(2, 6)}
    drive, dopamine = torch.randn(2, 6, 4), torch.randn(2, 6, 3)
    modulators = Modulators(heads=3)
    whole, _ = modulators(drive, dopamine, **inputs)
    modulators.set_ablation([ablated])
    frozen, last = modulators(drive, dopamine, **inputs)
    for channel in CHANNELS:
        if channel == ablated:
            assert (frozen.channel(channel) == 0.5).all()
        else:
            torch.testing.assert_close(frozen.channel(channel), whole.channel(channel), rtol=0, atol=0)
    if ablated == "dopamine":
        assert (frozen.dopamine == 0.5).all()
    else:
        torch.testing.assert_close(frozen.dopamine, whole.dopamine, rtol=0, atol=0)
    assert (last[:, CHANNELS.index(ablated)] == 0.5).all()
    modulators.set_ablation([])
    torch.testing.assert_close(modulators(drive, dopamine, **inputs)[0], whole, rtol=0, atol=0)


def test_an_unknown_channel_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no modulator is called 'adrenaline': choose from dopamine"):
        Modulators(heads=1, ablate=["adrenaline"])  # type: ignore[list-item]
