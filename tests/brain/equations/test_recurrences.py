"""The neuron's scan and the slow average: what they compute, in every form, with its gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from llm_brain.brain import gated_scan, leaky_average

few = settings(max_examples=25, deadline=None)


def as_written(gate: Tensor, candidate: Tensor, initial: Tensor) -> Tensor:
    states = []
    for t in range(gate.shape[0]):
        initial = (1 - gate[t]) * initial + gate[t] * candidate[t]
        states.append(initial)
    return torch.stack(states)


def scan_inputs(time: int, batch: int, width: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    gate = torch.rand(time, batch, width, generator=generator, dtype=torch.float64)
    candidate = torch.randn(time, batch, width, generator=generator, dtype=torch.float64)
    initial = torch.randn(batch, width, generator=generator, dtype=torch.float64)
    return gate, candidate, initial


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
    gate, candidate, initial = scan_inputs(time, batch, 4, seed)
    kept = gate.clone(), candidate.clone()
    with torch.inference_mode():
        found = gated_scan(gate, candidate, initial)
    torch.testing.assert_close(found, as_written(gate, candidate, initial), rtol=0, atol=1e-12)
    torch.testing.assert_close((gate, candidate), kept, rtol=0, atol=0)


@few
@given(time=st.integers(2, 40), cut=st.integers(1, 39), seed=st.integers(0, 99))
def test_a_scan_carried_across_a_cut_is_one_long_scan(time: int, cut: int, seed: int) -> None:
    gate, candidate, initial = scan_inputs(time, 2, 3, seed)
    cut = min(cut, time - 1)
    first = gated_scan(gate[:cut], candidate[:cut], initial)
    rest = gated_scan(gate[cut:], candidate[cut:], first[-1])
    torch.testing.assert_close(torch.cat([first, rest]), gated_scan(gate, candidate, initial), rtol=0, atol=1e-12)


def test_a_scan_wider_than_a_small_step_is_the_same() -> None:
    inputs = scan_inputs(20, 80, 64, seed=0)
    torch.testing.assert_close(gated_scan(*inputs), as_written(*inputs), rtol=0, atol=1e-12)


@pytest.mark.parametrize("time", [1, 5, 30])
def test_without_an_initial_state_the_scan_starts_from_zero(time: int) -> None:
    gate, candidate, initial = scan_inputs(time, 2, 3, seed=0)
    candidate.requires_grad_()
    found, expected = gated_scan(gate, candidate), as_written(gate, candidate, torch.zeros_like(initial))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    (gradient,) = torch.autograd.grad(found.sum(), candidate)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected.sum(), candidate)[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("time", [1, 4, 13, 16])
@pytest.mark.parametrize("carried", [True, False])
def test_the_scan_passes_gradcheck(time: int, carried: bool) -> None:
    gate, candidate, initial = (part.requires_grad_() for part in scan_inputs(time, 2, 2, seed=1))
    assert torch.autograd.gradcheck(gated_scan, (gate, candidate, initial) if carried else (gate, candidate))


@pytest.mark.parametrize("opened", [0.0, 1.0])
def test_a_scan_takes_in_nothing_or_everything_where_its_gate_is_closed_or_open(opened: float) -> None:
    _, candidate, initial = scan_inputs(17, 2, 3, seed=4)
    found = gated_scan(torch.full_like(candidate, opened), candidate, initial)
    torch.testing.assert_close(found, candidate if opened else initial.expand_as(candidate), rtol=0, atol=1e-12)


def test_the_scan_takes_a_transposed_batch_first_sequence() -> None:
    gate, candidate, initial = scan_inputs(20, 3, 4, seed=2)
    strided = [part.transpose(0, 1).contiguous().transpose(0, 1) for part in (gate, candidate)]
    torch.testing.assert_close(
        gated_scan(strided[0], strided[1], initial), gated_scan(gate, candidate, initial), rtol=0, atol=1e-12
    )


def test_asking_a_scan_for_a_second_derivative_is_refused() -> None:
    inputs = [part.requires_grad_() for part in scan_inputs(4, 1, 2, seed=0)]
    (gradient,) = torch.autograd.grad(gated_scan(*inputs).square().sum(), inputs[0], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@few
@given(time=st.integers(1, 30), chunk=st.integers(1, 31), carried=st.booleans(), seed=st.integers(0, 99))
def test_the_slow_average_is_the_equation_as_written_for_every_chunk_length(
    time: int, chunk: int, carried: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    value = torch.rand(time, 2, 3, dtype=torch.float64, requires_grad=True)
    retention = (0.98 * torch.rand(3, dtype=torch.float64) + 0.01).requires_grad_()
    initial = torch.rand(2, 3, dtype=torch.float64, requires_grad=True) if carried else None
    level = torch.zeros(2, 3, dtype=torch.float64) if initial is None else initial
    levels = []
    for t in range(time):
        level = retention * level + (1 - retention) * value[t]
        levels.append(level)
    expected = torch.stack(levels)
    found = leaky_average(value, retention, initial, chunk=chunk)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    sources = (value, retention) if initial is None else (value, retention, initial)
    for slow, fast in zip(
        torch.autograd.grad(expected.square().sum(), sources),
        torch.autograd.grad(found.square().sum(), sources),
        strict=True,
    ):
        torch.testing.assert_close(fast, slow, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kept", [0.0, 1.0])
def test_an_average_follows_its_value_or_never_moves_where_it_is_told_to(kept: float) -> None:
    value, initial = torch.rand(9, 2, 3).double(), torch.rand(2, 3).double()
    found = leaky_average(value, torch.full((3,), kept).double(), initial, chunk=4)
    torch.testing.assert_close(found, value if kept == 0.0 else initial.expand(9, 2, 3), rtol=0, atol=1e-12)
