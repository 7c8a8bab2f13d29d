"""The two normalisations: what they compute, at any length of a vector, with their gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from llm_brain.brain.equations.norms import rms_norm, unit_length

few = settings(max_examples=25, deadline=None)


def rms_as_written(x: Tensor) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()


def unit_as_written(x: Tensor) -> Tensor:
    return x / (x.square().sum(-1, keepdim=True) + 1e-6).sqrt()


Norm = Callable[[Tensor], Tensor]
both = pytest.mark.parametrize(("norm", "as_written"), [(rms_norm, rms_as_written), (unit_length, unit_as_written)])


def some(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).requires_grad_()


@both
@few
@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple),
    scale=st.sampled_from([0.0, 1e-6, 1e-3, 1.0, 1e6]),
    seed=st.integers(0, 99),
)
def test_it_is_the_equation_as_written_in_values_and_gradients(
    norm: Norm, as_written: Norm, shape: tuple[int, ...], scale: float, seed: int
) -> None:
    x = (scale * some(shape, seed)).detach().requires_grad_()
    found, expected, weight = norm(x), as_written(x), some(shape, seed + 1).detach()
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-15)
    (fast,), (slow,) = torch.autograd.grad(found, x, weight), torch.autograd.grad(expected, x, weight)
    torch.testing.assert_close(fast, slow, rtol=1e-7, atol=1e-10)
    with torch.no_grad():
        torch.testing.assert_close(norm(x), found, rtol=0, atol=0)


@both
def test_it_passes_gradcheck(norm: Norm, as_written: Norm) -> None:
    assert torch.autograd.gradcheck(norm, some((3, 4)))
    assert torch.autograd.gradcheck(as_written, some((3, 4)))


def test_one_is_the_root_mean_square_norm_of_torch() -> None:
    x = some((3, 2, 7)).detach()
    torch.testing.assert_close(rms_norm(x), functional.rms_norm(x, (7,), eps=1e-6), rtol=0, atol=1e-12)


def test_the_other_gives_a_length_of_one_to_all_but_the_very_short() -> None:
    x = some((20, 4)).detach()
    torch.testing.assert_close(unit_length(x).norm(dim=-1), torch.ones(20).double(), rtol=0, atol=1e-5)
    assert (unit_length(1e-5 * x).norm(dim=-1) < 0.1).all()


@both
def test_memory_may_be_in_any_order_and_gradients_expanded(norm: Norm, as_written: Norm) -> None:
    for x in (some((4, 3, 5)).permute(2, 0, 1), some((1, 5)).expand(6, 5), some((6, 10))[:, ::2]):
        given_now = x.detach().requires_grad_()
        (found,) = torch.autograd.grad(norm(given_now)[..., 0].sum(), given_now)
        (expected,) = torch.autograd.grad(as_written(given_now)[..., 0].sum(), given_now)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_another_precision_stays_what_it_is(norm: Norm, as_written: Norm, dtype: torch.dtype) -> None:
    x = some((3, 8)).detach()
    found = norm(x.to(dtype))
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), as_written(x), rtol=0.02, atol=0.02)


def test_a_second_derivative_is_refused() -> None:
    x = some((2, 3))
    (gradient,) = torch.autograd.grad(rms_norm(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_inference_first_does_not_hinder_training_after_it() -> None:
    x = torch.randn(2, 3, dtype=torch.float16)
    with torch.inference_mode():
        rms_norm(x)
    assert torch.autograd.grad(rms_norm(x.requires_grad_()).sum(), x)[0].isfinite().all()
