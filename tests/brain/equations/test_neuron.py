"""The modulated neurons over a sequence: the equation as written, with its gradient, padded or not."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from llm_brain.brain.equations.neuron import Modulation, neuron_scan

few = settings(max_examples=25, deadline=None)


def inputs(time: int, batch: int, width: int, seed: int) -> list[Tensor]:
    """Draw gate, candidate, the four parts of a modulation, and an initial state."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(time, batch, width), (time, batch, width), (time, batch, 1), (width,), (time, batch, 1), (width,), (batch, width)]
    return [torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]


def as_written(parts: list[Tensor], padded: Tensor | None) -> Tensor:
    gate, candidate, opening, opening_gain, gain, gain_gain, state = parts
    states = []
    for t in range(gate.shape[0]):
        z = (gate[t] + opening_gain * opening[t]).sigmoid()
        after = (1 - z) * state + z * (1 + gain_gain * gain[t]) * candidate[t]
        state = after if padded is None else torch.where(padded[t], state, after)
        states.append(state)
    return torch.stack(states)


@few
@given(
    time=st.integers(1, 30),
    batch=st.integers(1, 3),
    width=st.integers(1, 5),
    carried=st.booleans(),
    padded=st.booleans(),
    seed=st.integers(0, 99),
)
def test_the_scan_is_the_equation_as_written_in_values_and_gradients(
    time: int, batch: int, width: int, carried: bool, padded: bool, seed: int
) -> None:
    parts = inputs(time, batch, width, seed)
    lengths = torch.randint(0, time + 1, (batch,), generator=torch.Generator().manual_seed(seed))
    mask = (torch.arange(time)[:, None] >= lengths)[..., None] if padded else None
    if not carried:
        parts[-1] = torch.zeros_like(parts[-1])
    found = neuron_scan(parts[0], parts[1], Modulation(*parts[2:6]), parts[-1] if carried else None, mask)
    expected = as_written(parts, mask)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)
    sources = parts if carried else parts[:-1]
    weight = torch.randn_like(expected)
    for fast, slow in zip(
        torch.autograd.grad((found * weight).sum(), sources),
        torch.autograd.grad((expected * weight).sum(), sources),
        strict=True,
    ):
        torch.testing.assert_close(fast, slow, rtol=1e-9, atol=1e-10)
    with torch.inference_mode():
        again = neuron_scan(parts[0], parts[1], Modulation(*parts[2:6]), parts[-1] if carried else None, mask)
    torch.testing.assert_close(again, found.detach(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("time", [1, 4, 14])
def test_the_scan_passes_gradcheck(time: int) -> None:
    assert torch.autograd.gradcheck(
        lambda gate, candidate, *rest: neuron_scan(gate, candidate, Modulation(*rest[:4]), rest[4]), inputs(time, 2, 2, seed=1)
    )


def test_a_scan_leaves_what_it_was_given_as_it_was() -> None:
    parts = inputs(17, 2, 3, seed=0)
    kept = [part.detach().clone() for part in parts]
    neuron_scan(parts[0], parts[1], Modulation(*parts[2:6]), parts[-1]).sum().backward()
    with torch.inference_mode():
        neuron_scan(parts[0], parts[1], Modulation(*parts[2:6]), parts[-1])
    for part, before in zip(parts, kept, strict=True):
        torch.testing.assert_close(part.detach(), before, rtol=0, atol=0)


@pytest.mark.parametrize("carried", [True, False])
@pytest.mark.parametrize("time", [5, 14])
def test_the_scan_passes_gradcheck_with_padding(carried: bool, time: int) -> None:
    padded = (torch.arange(time)[:, None] >= torch.tensor([time - 2, 0]))[..., None]
    parts = inputs(time, 2, 2, seed=2)

    def run(gate: Tensor, candidate: Tensor, *rest: Tensor) -> Tensor:
        return neuron_scan(gate, candidate, Modulation(*rest[:4]), rest[4] if carried else None, padded)

    assert torch.autograd.gradcheck(run, parts if carried else parts[:-1])


@pytest.mark.parametrize("only", range(7))
@pytest.mark.parametrize("time", [3, 20])
def test_any_input_may_be_the_only_one_that_learns(only: int, time: int) -> None:
    parts = [part.detach().requires_grad_(at == only) for at, part in enumerate(inputs(time, 2, 3, seed=3))]
    found = neuron_scan(parts[0], parts[1], Modulation(*parts[2:6]), parts[6])
    torch.testing.assert_close(
        torch.autograd.grad(found.sin().sum(), parts[only]),
        torch.autograd.grad(as_written(parts, None).sin().sum(), parts[only]),
        rtol=0,
        atol=1e-11,
    )


@pytest.mark.parametrize("time", [5, 20])
def test_inputs_and_gradients_may_lie_in_memory_in_any_order(time: int) -> None:
    parts = [part.detach() for part in inputs(time, 3, 4, seed=4)]
    strided = [part.transpose(0, -1).contiguous().transpose(0, -1) for part in parts]
    strided[1], strided[6] = parts[1][:1].expand(time, 3, 4), parts[6][:, :1].expand(3, 4)
    for part in strided:
        part.requires_grad_()
    found, expected = neuron_scan(strided[0], strided[1], Modulation(*strided[2:6]), strided[6]), as_written(strided, None)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)
    for weight in (torch.randn(4, 3, time).double().permute(2, 1, 0), torch.ones(()).double().expand(time, 3, 4)):
        torch.testing.assert_close(
            torch.autograd.grad(found, strided, weight, retain_graph=True),
            torch.autograd.grad(expected, strided, weight, retain_graph=True),
            rtol=0,
            atol=1e-11,
        )


def test_a_neuron_that_forgets_all_or_nothing_has_finite_gradients() -> None:
    for gate in (-1e4, 1e4):
        parts = inputs(20, 2, 3, seed=5)
        parts[0] = torch.full_like(parts[0], gate).requires_grad_()
        states = neuron_scan(parts[0], parts[1], Modulation(*parts[2:6]), parts[6])
        assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(states.sum(), parts))
