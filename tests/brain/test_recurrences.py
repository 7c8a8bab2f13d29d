"""The neuron's scan and the slow average: what they compute, in every form, with its gradient."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from llm_brain.brain import gated_scan, leaky_average

few = settings(max_examples=25, deadline=None)


def as_written(retain: Tensor, update: Tensor, initial: Tensor) -> Tensor:
    states = []
    for t in range(retain.shape[0]):
        initial = retain[t] * initial + update[t]
        states.append(initial)
    return torch.stack(states)


def scan_inputs(time: int, batch: int, width: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    retain = torch.rand(time, batch, width, generator=generator, dtype=torch.float64)
    update = torch.randn(time, batch, width, generator=generator, dtype=torch.float64)
    initial = torch.randn(batch, width, generator=generator, dtype=torch.float64)
    return retain, update, initial


@few
@given(time=st.integers(1, 70), batch=st.integers(1, 3), width=st.integers(1, 5), seed=st.integers(0, 99))
def test_the_scan_is_the_equation_as_written_in_values_and_gradients(time: int, batch: int, width: int, seed: int) -> None:
    inputs = [part.requires_grad_() for part in scan_inputs(time, batch, width, seed)]
    expected, found = as_written(*inputs), gated_scan(*inputs)
    weight = torch.randn_like(expected)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    for slow, fast in zip(
        torch.autograd.grad((expected * weight).sum(), inputs),
        torch.autograd.grad((found * weight).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(fast, slow, rtol=0, atol=1e-11)


@few
@given(time=st.integers(1, 70), batch=st.integers(1, 3), seed=st.integers(0, 99))
def test_the_scan_gives_the_same_without_gradients(time: int, batch: int, seed: int) -> None:
    retain, update, initial = scan_inputs(time, batch, 4, seed)
    kept = update.clone()
    with torch.inference_mode():
        found = gated_scan(retain, update, initial)
    torch.testing.assert_close(found, as_written(retain, update, initial), rtol=0, atol=1e-12)
    torch.testing.assert_close(update, kept, rtol=0, atol=0)


def test_a_scan_wider_than_a_small_step_is_the_same() -> None:
    inputs = scan_inputs(20, 80, 64, seed=0)
    torch.testing.assert_close(gated_scan(*inputs), as_written(*inputs), rtol=0, atol=1e-12)


def test_without_an_initial_state_the_scan_starts_from_zero() -> None:
    for time in (1, 5, 30):
        retain, update, initial = scan_inputs(time, 2, 3, seed=0)
        update.requires_grad_()
        found, expected = gated_scan(retain, update), as_written(retain, update, torch.zeros_like(initial))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
        (gradient,) = torch.autograd.grad(found.sum(), update)
        torch.testing.assert_close(gradient, torch.autograd.grad(expected.sum(), update)[0], rtol=0, atol=1e-12)


def test_the_scan_passes_gradcheck() -> None:
    for time in (1, 4, 16):
        retain, update, initial = (part.requires_grad_() for part in scan_inputs(time, 2, 2, seed=1))
        assert torch.autograd.gradcheck(gated_scan, (retain, update, initial))
        assert torch.autograd.gradcheck(gated_scan, (retain, update))


def test_the_scan_takes_a_transposed_batch_first_sequence() -> None:
    retain, update, initial = scan_inputs(20, 3, 4, seed=2)
    strided = [part.transpose(0, 1).contiguous().transpose(0, 1) for part in (retain, update)]
    torch.testing.assert_close(
        gated_scan(strided[0], strided[1], initial), gated_scan(retain, update, initial), rtol=0, atol=1e-12
    )


@few
@given(time=st.integers(1, 30), chunk=st.integers(1, 31), carried=st.booleans(), seed=st.integers(0, 99))
def test_the_slow_average_is_the_equation_as_written_for_every_chunk_length(
    time: int, chunk: int, carried: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    value = torch.rand(2, time, 3, dtype=torch.float64, requires_grad=True)
    log_retention = (-torch.rand(3, dtype=torch.float64) - 0.01).requires_grad_()
    initial = torch.rand(2, 3, dtype=torch.float64) if carried else None
    level = torch.zeros(2, 3, dtype=torch.float64) if initial is None else initial
    levels = []
    for t in range(time):
        level = log_retention.exp() * level + (1 - log_retention.exp()) * value[:, t]
        levels.append(level)
    expected = torch.stack(levels, dim=1)
    found = leaky_average(value, log_retention, initial, chunk=chunk)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    for slow, fast in zip(
        torch.autograd.grad(expected.square().sum(), (value, log_retention)),
        torch.autograd.grad(found.square().sum(), (value, log_retention)),
        strict=True,
    ):
        torch.testing.assert_close(fast, slow, rtol=0, atol=1e-10)
