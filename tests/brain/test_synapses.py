"""The plastic synapses: the chunk-parallel form is the loop, exactly; and the rule does what its three factors say."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from llm_brain.brain import SynapseState, plastic_chunked, plastic_loop, plastic_step


def arguments(batch: int, heads: int, time: int, key: int, value: int, seed: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return {
        "query": normal(batch, heads, time, key),
        "key": normal(batch, heads, time, key),
        "value": normal(batch, heads, time, value),
        "dopamine": normal(batch, heads, time).tanh(),
        "log_retention": -normal(batch, heads, time).abs(),
        "log_decay": -normal(heads).abs() - 0.01,
    }


def some_state(batch: int, heads: int, key: int, value: int) -> SynapseState:
    return SynapseState(*torch.randn(2, batch, heads, value, key, dtype=torch.float64).unbind())


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 3),
    heads=st.integers(1, 3),
    time=st.integers(1, 12),
    key=st.integers(1, 4),
    value=st.integers(1, 4),
    chunk=st.integers(1, 13),
    carried=st.booleans(),
    padded=st.booleans(),
    seed=st.integers(0, 999),
)
def test_the_chunked_form_is_the_loop_in_values_and_gradients(
    batch: int, heads: int, time: int, key: int, value: int, chunk: int, carried: bool, padded: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    inputs = {name: part.requires_grad_() for name, part in arguments(batch, heads, time, key, value, seed).items()}
    state = some_state(batch, heads, key, value) if carried else None
    sources = [*inputs.values(), *(part.requires_grad_() for part in state or ())]
    lengths = torch.randint(0, time + 1, (batch,)) if padded else None
    real = torch.ones(batch, time) if lengths is None else (torch.arange(time) < lengths[:, None]).double()

    results = []
    for output, after in (
        plastic_loop(**inputs, state=state, lengths=lengths),
        plastic_chunked(**inputs, state=state, chunk=chunk, lengths=lengths),
    ):
        seen = output * real[:, None, :, None]
        loss = seen.square().sum() + after.plastic.sin().sum() + after.eligibility.cos().sum()
        gradients = torch.autograd.grad(loss, sources, allow_unused=True, materialize_grads=True)
        results.append((seen, *after, *gradients))
    for slow, fast in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("chunk", range(1, 35))
def test_the_chunk_length_never_changes_the_result(chunk: int) -> None:
    inputs = arguments(2, 2, 33, 4, 4, seed=7)
    expected, after = plastic_loop(**inputs)
    found, state = plastic_chunked(**inputs, chunk=chunk)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(state.plastic, after.plastic, rtol=0, atol=1e-12)
    torch.testing.assert_close(state.eligibility, after.eligibility, rtol=0, atol=1e-12)


def test_strong_forgetting_over_a_long_chunk_leaves_gradients_finite() -> None:
    inputs = {name: part.float() for name, part in arguments(1, 2, 64, 4, 4, seed=3).items()}
    inputs["log_retention"] = torch.full((1, 2, 64), -30.0, requires_grad=True)
    inputs["log_decay"] = torch.full((2,), -20.0, requires_grad=True)
    output, _ = plastic_chunked(**inputs)
    gradients = torch.autograd.grad(output.square().sum(), (inputs["log_retention"], inputs["log_decay"]))
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_what_stands_in_padding_reaches_no_state() -> None:
    inputs, state = arguments(2, 2, 9, 3, 3, seed=5), some_state(2, 2, 3, 3)
    lengths = torch.tensor([4, 0])
    _, expected = plastic_chunked(**inputs, state=state, lengths=lengths, chunk=4)
    noise = (torch.arange(9) >= lengths[:, None])[:, None, :].double()
    for name in ("key", "value"):
        inputs[name] = inputs[name] + noise[..., None]
    for name in ("dopamine", "log_retention"):
        inputs[name] = inputs[name] - noise
    _, found = plastic_chunked(**inputs, state=state, lengths=lengths, chunk=4)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    for before, after in zip(state, found, strict=True):
        torch.testing.assert_close(after[1], before[1], rtol=0, atol=0)


def test_a_reward_commits_a_pair_that_is_past() -> None:
    key, value = torch.eye(4)[None, None, :1], torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])
    silence = torch.zeros(1, 1, 2, 4)
    keys, values = torch.cat([key, silence], dim=2), torch.cat([value, silence], dim=2)
    queries = torch.cat([silence, key], dim=2)
    forever, decay = torch.zeros(1, 1, 3), torch.tensor([0.5]).log()

    def recalled(*dopamine: float) -> list[float]:
        output, _ = plastic_chunked(
            queries, keys, values, dopamine=torch.tensor([[dopamine]]), log_retention=forever, log_decay=decay
        )
        read: list[float] = output[0, 0, 2].tolist()
        return read

    assert recalled(0, 0, 0) == [0, 0, 0, 0]
    assert recalled(0, 1, 0) == [0.5, 1, 1.5, 2]
    assert recalled(0, -1, 0) == [-0.5, -1, -1.5, -2]


def test_a_step_leaves_the_old_state_as_it_was() -> None:
    inputs, state = arguments(1, 2, 1, 3, 3, seed=2), some_state(1, 2, 3, 3)
    before = SynapseState(*(part.clone() for part in state))
    plastic_step(**{name: part if name == "log_decay" else part[:, :, 0] for name, part in inputs.items()}, state=state)
    torch.testing.assert_close(state, before, rtol=0, atol=0)
