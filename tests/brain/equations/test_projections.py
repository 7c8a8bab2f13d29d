"""Several projections by one matrix are what one linear layer and a split give, with their gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from llm_brain.brain.equations.projections import project

few = settings(max_examples=25, deadline=None)


@few
@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    biased=st.integers(0, 4),
    leading=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    used=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_projections_are_one_linear_layer_in_values_and_gradients(
    sizes: list[int], biased: int, leading: list[int], used: int, seed: int
) -> None:
    torch.manual_seed(seed)
    x, weight = torch.randn(*leading, 3).double().requires_grad_(), torch.randn(sum(sizes), 3).double().requires_grad_()
    bias = torch.randn(sum(sizes[:biased])).double().requires_grad_()
    found = project(x, weight, bias, sizes)
    whole = functional.linear(x, weight) + functional.pad(bias, (0, sum(sizes) - len(bias)))
    expected = whole.split(sizes, dim=-1)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    results = [
        torch.autograd.grad(
            torch.stack([part.sin().sum() for part in parts[:used]]).sum(),
            (x, weight, bias),
            allow_unused=True,
            materialize_grads=True,
        )
        for parts in (found, expected)
    ]
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=0, atol=1e-11)
    with torch.inference_mode():
        torch.testing.assert_close(project(x, weight, bias, sizes), tuple(part.detach() for part in found), rtol=0, atol=1e-12)


@pytest.mark.parametrize("learned", [(True, False, False), (False, True, False), (False, False, True)])
def test_any_input_may_be_the_only_one_that_learns(learned: tuple[bool, ...]) -> None:
    torch.manual_seed(0)
    x, weight, bias = (
        part.double().requires_grad_(learns)
        for part, learns in zip((torch.randn(4, 2, 3), torch.randn(7, 3), torch.randn(5)), learned, strict=True)
    )
    (source,) = [part for part in (x, weight, bias) if part.requires_grad]
    found = torch.cat(project(x, weight, bias, [3, 2, 2]), dim=-1)
    expected = functional.linear(x, weight) + functional.pad(bias, (0, 2))
    torch.testing.assert_close(
        torch.autograd.grad(found.sin().sum(), source), torch.autograd.grad(expected.sin().sum(), source), rtol=0, atol=1e-11
    )


def test_inputs_and_gradients_may_lie_in_memory_in_any_order() -> None:
    torch.manual_seed(0)
    weight, bias = torch.randn(3, 7).double().t().requires_grad_(), torch.randn(5).double().requires_grad_()
    for x in (torch.randn(2, 4, 3).double().transpose(0, 1), torch.randn(1, 3).double().expand(5, 3)):
        sources = (x.detach().requires_grad_(), weight, bias)
        found = project(*sources, [3, 2, 2])
        expected = (functional.linear(sources[0], weight) + functional.pad(bias, (0, 2))).split([3, 2, 2], dim=-1)
        for at in range(3):
            torch.testing.assert_close(
                torch.autograd.grad(found[at].sum(), sources, retain_graph=True),
                torch.autograd.grad(expected[at].sum(), sources, retain_graph=True, materialize_grads=True, allow_unused=True),
                rtol=0,
                atol=1e-11,
            )


def test_they_pass_gradcheck() -> None:
    torch.manual_seed(0)
    sources = [part.double().requires_grad_() for part in (torch.randn(2, 2, 3), torch.randn(5, 3), torch.randn(3))]
    assert torch.autograd.gradcheck(lambda x, weight, bias: project(x, weight, bias, [1, 2, 2]), sources)
