"""The way out of the synapses: what was read is normalised a head, gated and added, with its gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from llm_brain.brain.equations.gating import add_gated

few = settings(max_examples=25, deadline=None)


def inputs(leading: list[int], heads: int, size: int, seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(*leading, heads * size), (*leading, heads, size), (*leading, heads * size)]
    return [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]


def as_written(base: Tensor, read: Tensor, gate: Tensor) -> Tensor:
    normed = read / (read.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    return base + normed.flatten(-2) * gate * gate.sigmoid()


@few
@given(
    leading=st.lists(st.integers(1, 4), max_size=2),
    heads=st.integers(1, 3),
    size=st.integers(1, 5),
    scale=st.sampled_from([0.0, 1e-4, 1.0, 1e3]),
    seed=st.integers(0, 99),
)
def test_it_is_the_equation_as_written_in_values_and_gradients(
    leading: list[int], heads: int, size: int, scale: float, seed: int
) -> None:
    base, read, gate = inputs(leading, heads, size, seed)
    read = (scale * read).detach().requires_grad_()
    found, expected = add_gated(base, read, gate), as_written(base, read, gate)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    weight = torch.randn_like(expected)
    for fast, slow in zip(
        torch.autograd.grad((found * weight).sum(), (base, read, gate)),
        torch.autograd.grad((expected * weight).sum(), (base, read, gate)),
        strict=True,
    ):
        torch.testing.assert_close(fast, slow, rtol=1e-8, atol=1e-10)
    with torch.no_grad():
        torch.testing.assert_close(add_gated(base, read, gate), found, rtol=0, atol=1e-12)


@pytest.mark.parametrize("learned", [(True, False, False), (False, True, False), (False, False, True)])
def test_any_input_may_be_the_only_one_that_learns(learned: tuple[bool, ...]) -> None:
    parts = [part.detach().requires_grad_(learns) for part, learns in zip(inputs([4, 2], 2, 3, seed=0), learned, strict=True)]
    (source,) = [part for part in parts if part.requires_grad]
    (found,) = torch.autograd.grad(add_gated(*parts).sin().sum(), source)
    (expected,) = torch.autograd.grad(as_written(*parts).sin().sum(), source)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)


def test_inputs_and_gradients_may_lie_in_memory_in_any_order() -> None:
    base, read, gate = (part.detach() for part in inputs([4, 3], 2, 3, seed=1))
    strided = [part.transpose(0, 1).contiguous().transpose(0, 1).requires_grad_() for part in (base, read, gate)]
    strided[2] = gate[:1].expand(4, 3, 6).requires_grad_()
    straight = [part.detach().clone(memory_format=torch.contiguous_format).requires_grad_() for part in strided]
    weight = torch.randn(3, 6, 4).double().permute(2, 0, 1)
    found = torch.autograd.grad(add_gated(*strided), strided, weight)
    torch.testing.assert_close(found, torch.autograd.grad(as_written(*straight), straight, weight), rtol=0, atol=1e-11)
    found = torch.autograd.grad(add_gated(*strided).sum(), strided)
    torch.testing.assert_close(found, torch.autograd.grad(as_written(*straight).sum(), straight), rtol=0, atol=1e-11)


def test_it_passes_gradcheck() -> None:
    assert torch.autograd.gradcheck(add_gated, inputs([2, 2], 2, 3, seed=2))


def test_a_closed_gate_lets_nothing_through_and_an_open_one_all() -> None:
    base, read, _ = (part.detach() for part in inputs([3], 2, 4, seed=3))
    torch.testing.assert_close(add_gated(base, read, torch.zeros_like(base)), base, rtol=0, atol=0)
    normed = functional.rms_norm(read, (4,), eps=1e-6).flatten(-2)
    torch.testing.assert_close(add_gated(base, read, torch.full_like(base, 50.0)), base + 50 * normed, rtol=0, atol=1e-10)


def test_what_it_was_given_stays_as_it_was() -> None:
    parts = inputs([4, 2], 2, 3, seed=4)
    kept = [part.detach().clone() for part in parts]
    add_gated(*parts).sum().backward()
    with torch.inference_mode():
        add_gated(*parts)
    torch.testing.assert_close([part.detach() for part in parts], kept, rtol=0, atol=0)
