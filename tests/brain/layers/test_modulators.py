"""The four modulators: where they start, what moves them, and what they never depend on."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from llm_brain.brain import CHANNELS, Channel, Modulators

few = settings(max_examples=20, deadline=None)


def some_modulators(seed: int, heads: int = 3, chunk: int = 64) -> Modulators:
    torch.manual_seed(seed)
    modulators = Modulators(heads, chunk=chunk)
    with torch.no_grad():
        for parameter in modulators.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return modulators.double()


def observed(time: int, batch: int, heads: int = 3) -> dict[str, Tensor]:
    shapes = {"drive": (4,), "dopamine": (heads,), "reward": (), "prediction_error": ()}
    return {name: torch.randn(time, batch, *more).double() for name, more in shapes.items()}


def test_every_channel_starts_with_its_own_retention() -> None:
    start = dict(zip(CHANNELS, Modulators(heads=2).retention_logit.sigmoid().tolist(), strict=True))
    assert start == pytest.approx({"dopamine": 0.5, "acetylcholine": 0.9, "noradrenaline": 0.8, "serotonin": 0.98})


def test_a_level_moves_from_rest_towards_its_drive_at_its_own_pace() -> None:
    signals, last = Modulators(heads=1)(torch.full((1, 1, 4), 100.0), torch.zeros(1, 1, 1))
    assert dict(zip(CHANNELS, last[0].tolist(), strict=True)) == pytest.approx(
        {"dopamine": 0.75, "acetylcholine": 0.55, "noradrenaline": 0.6, "serotonin": 0.51}
    )
    torch.testing.assert_close(signals.tonic[-1], last)


def test_a_prediction_error_sets_the_sign_of_dopamine() -> None:
    error = torch.tensor([0.0, 2.0, -2.0])[:, None]
    signals, _ = Modulators(heads=1)(torch.zeros(3, 1, 4), torch.zeros(3, 1, 1), prediction_error=error)
    assert signals.dopamine.flatten().sign().tolist() == [0.0, 1.0, -1.0]


def test_a_reward_raises_the_levels_and_fades() -> None:
    modulators, drive, dopamine = Modulators(heads=1), torch.zeros(9, 2, 4), torch.zeros(9, 2, 1)
    reward = torch.zeros(9, 2)
    reward[0] = 1.0
    quiet, _ = modulators(drive, dopamine)
    rewarded, _ = modulators(drive, dopamine, reward=reward)
    raised = rewarded.tonic - quiet.tonic
    assert (raised > 0).all()
    assert (raised.diff(dim=0) < 0).all()


@few
@given(time=st.integers(1, 14), chunk=st.integers(1, 15), carried=st.booleans(), seed=st.integers(0, 99))
def test_the_signals_are_the_equations_as_written(time: int, chunk: int, carried: bool, seed: int) -> None:
    modulators, lived = some_modulators(seed, chunk=chunk), observed(time, 2)
    initial = torch.rand(2, 4).double() if carried else None
    found, last = modulators(**lived, initial=initial)
    level = torch.full((2, 4), 0.5).double() if initial is None else initial
    kappa = modulators.retention_logit.sigmoid()
    for t in range(time):
        reward, error = lived["reward"][t, :, None], lived["prediction_error"][t, :, None]
        drive = lived["drive"][t] + reward * modulators.reward_to_drive + error * modulators.error_to_drive
        level = kappa * level + (1 - kappa) * drive.sigmoid()
        dopamine = lived["dopamine"][t] + error * modulators.error_to_dopamine
        dopamine = (dopamine + (level[:, :1] - 0.5) * modulators.tonic_to_dopamine).tanh()
        torch.testing.assert_close(found.tonic[t], level, rtol=0, atol=1e-12)
        torch.testing.assert_close(found.dopamine[t], dopamine, rtol=0, atol=1e-12)
    torch.testing.assert_close(last, level, rtol=0, atol=1e-12)


@few
@given(lengths=st.lists(st.integers(0, 6), min_size=2, max_size=2), carried=st.booleans(), seed=st.integers(0, 99))
def test_the_levels_that_are_carried_on_are_those_of_the_last_real_step(lengths: list[int], carried: bool, seed: int) -> None:
    modulators, lived = some_modulators(seed), observed(6, 2)
    initial = torch.rand(2, 4).double() if carried else modulators.resting(2)
    signals, last = modulators(**lived, initial=initial, lengths=torch.tensor(lengths))
    for row, length in enumerate(lengths):
        expected = signals.tonic[length - 1, row] if length else initial[row]
        torch.testing.assert_close(last[row], expected, rtol=0, atol=0)


@pytest.mark.parametrize("ablated", CHANNELS)
def test_an_ablated_channel_is_frozen_and_the_others_go_on(ablated: Channel) -> None:
    modulators, lived = some_modulators(0), observed(6, 2)
    with torch.no_grad():
        modulators.tonic_to_dopamine.zero_()  # or else the tonic level of dopamine moves the signal
    whole, _ = modulators(**lived)
    modulators.set_ablation([ablated])
    frozen, last = modulators(**lived)
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
    torch.testing.assert_close(modulators(**lived)[0], whole, rtol=0, atol=0)


def test_an_ablation_moves_to_another_device_with_its_modulators() -> None:
    modulators = Modulators(heads=1, ablate=["serotonin"])
    assert "frozen" in dict(modulators.named_buffers())
    assert "frozen" not in modulators.state_dict()


def test_an_unknown_channel_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no modulator is called 'adrenaline': choose from dopamine"):
        Modulators(heads=1, ablate=["adrenaline"])  # type: ignore[list-item]


def test_a_fresh_dopamine_is_centred_on_what_its_ablation_freezes_it_to() -> None:
    from llm_brain.brain.layers.modulators import MEAN_DOPAMINE, initial_dopamine_bias

    assert math.tanh(initial_dopamine_bias()) == pytest.approx(MEAN_DOPAMINE)
