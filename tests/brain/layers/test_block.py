"""One block: its equations as its page writes them, step by step and in parallel."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from llm_brain.brain import CHANNELS, BlockState, BrainBlock, SynapseState
from llm_brain.errors import ArgumentError
from tests.brain.layers.networks import off_its_start

few = settings(max_examples=15, deadline=None)
HEADS = 2


def some_block(seed: int, *, width: int = 8, key_size: int | None = None, expansion: int = 2, chunk: int = 5) -> BrainBlock:
    torch.manual_seed(seed)
    block = BrainBlock(width, heads=HEADS, key_size=key_size, expansion=expansion, chunk=chunk)
    off_its_start(block)
    return block.double()


def norm(x: Tensor) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()


def unit(x: Tensor) -> Tensor:
    return x / (x.square().sum(-1, keepdim=True) + 1e-6).sqrt()


def as_written(block: BrainBlock, x: Tensor, state: BlockState, reward: Tensor, error: Tensor) -> tuple[Tensor, BlockState]:
    """One step of the equations, read off the page and not off the code."""
    d, modulators = block.width, block.modulators
    keys = HEADS * block.key_size
    sizes = [d, 4, HEADS, HEADS, d, keys, keys, d]
    bias = torch.cat([block.observe_bias, torch.zeros(2 * d + 2 * keys).double()])
    a, drive, m, alpha, b, q, k, g = (norm(x) @ block.observe.T + bias).split(sizes, dim=-1)
    q, k, v = (part.unflatten(-1, (HEADS, -1)) for part in (q, k, b))
    q, k = unit(q), unit(k)

    drive = drive + reward[:, None] * modulators.reward_to_drive + error[:, None] * modulators.error_to_drive
    kappa = modulators.retention_logit.sigmoid()
    n = kappa * state.tonic + (1 - kappa) * drive.sigmoid()
    level = {channel: n[:, at, None] for at, channel in enumerate(CHANNELS)}
    m = m + error[:, None] * modulators.error_to_dopamine + (level["dopamine"] - 0.5) * modulators.tonic_to_dopamine
    m = m.tanh()

    z = (a + block.acetylcholine_gain * level["acetylcholine"]).sigmoid()
    c = (1 + block.noradrenaline_gain * level["noradrenaline"]) * b
    h = (1 - z) * state.neuron + z * c

    alpha = (alpha + block.serotonin_gain * level["serotonin"]).sigmoid()
    eligibility = block.eligibility_logit.sigmoid()[:, None, None] * state.synapses.eligibility
    eligibility = eligibility + v[..., :, None] * k[..., None, :]
    plastic = alpha[..., None, None] * state.synapses.plastic + m[..., None, None] * eligibility
    o = (plastic @ q[..., None]).squeeze(-1)

    x = x + (norm(o).flatten(1) * functional.silu(g) + h) @ block.retrieve.weight.T
    if block.expansion:
        left, right = (norm(x) @ block.expand.weight.T + block.expand.bias).chunk(2, dim=-1)
        x = x + (functional.silu(left) * right) @ block.contract.weight.T
    return x, BlockState(n, h, SynapseState(eligibility, plastic))


@few
@given(
    time=st.integers(1, 9),
    batch=st.integers(1, 3),
    head=st.integers(1, 4),
    key_size=st.none() | st.integers(1, 5),
    expansion=st.sampled_from([0, 1, 2]),
    seed=st.integers(0, 99),
)
def test_a_block_is_its_equations_in_values_and_gradients(
    time: int, batch: int, head: int, key_size: int | None, expansion: int, seed: int
) -> None:
    block = some_block(seed, width=HEADS * head, key_size=key_size, expansion=expansion)
    x = torch.randn(time, batch, HEADS * head).double().requires_grad_()
    reward, error = torch.randn(2, time, batch).double().unbind()
    found, after = block(x, reward=reward, prediction_error=error)
    outputs, state = [], block.initial_state(batch)
    for t in range(time):
        y, state = as_written(block, x[t], state, reward[t], error[t])
        outputs.append(y)
    expected = torch.stack(outputs)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(after, state, rtol=1e-9, atol=1e-9)
    sources = [x, *block.parameters()]
    for fast, slow in zip(
        torch.autograd.grad(found.sin().sum(), sources, allow_unused=True, materialize_grads=True),
        torch.autograd.grad(expected.sin().sum(), sources, allow_unused=True, materialize_grads=True),
        strict=True,
    ):
        torch.testing.assert_close(fast, slow, rtol=1e-7, atol=1e-8)


@few
@given(batch=st.integers(1, 3), seed=st.integers(0, 99))
def test_a_step_is_the_equations_too(batch: int, seed: int) -> None:
    block = some_block(seed)
    _, state = block(torch.randn(4, batch, 8).double())
    x, reward, error = torch.randn(batch, 8).double(), torch.randn(batch).double(), torch.randn(batch).double()
    found, after = block.step(x, state, reward, error)
    expected, written = as_written(block, x, state, reward, error)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(after, written, rtol=1e-9, atol=1e-9)


def test_an_output_depends_on_no_later_input() -> None:
    block = some_block(0)
    x = torch.randn(11, 1, 8).double().requires_grad_()
    output, _ = block(x)
    (gradient,) = torch.autograd.grad(output[6].sum(), x)
    assert gradient[:7].any(dim=-1).all()
    assert not gradient[7:].any()


def test_the_rows_of_a_batch_do_not_meet() -> None:
    block, x = some_block(0), torch.randn(9, 3, 8).double()
    whole, _ = block(x)
    for row in range(3):
        torch.testing.assert_close(block(x[:, row : row + 1])[0], whole[:, row : row + 1], rtol=1e-9, atol=1e-10)


def test_a_modulator_says_nothing_of_what_synapses_and_neuron_hold() -> None:
    block, x = some_block(0), torch.randn(5, 2, 8).double()
    fresh = block.initial_state(2)
    other = BlockState(
        fresh.tonic, torch.randn(2, 8).double(), SynapseState(*torch.randn(2, *fresh.synapses.plastic.shape).double().unbind())
    )
    said = []
    handle = block.modulators.register_forward_hook(lambda _, __, output: said.append(output[0]))
    block(x, fresh)
    block(x, other)
    handle.remove()
    torch.testing.assert_close(said[0], said[1], rtol=0, atol=0)


def test_a_fresh_block_keeps_what_it_learns() -> None:
    torch.manual_seed(0)
    block = BrainBlock(64, heads=4)
    alpha = (block.observe_bias[-4:] + 0.5 * block.serotonin_gain).sigmoid()
    assert (alpha > 0.98).all()


def test_heads_that_do_not_share_the_width_are_refused() -> None:
    with pytest.raises(ArgumentError, match="choose a multiple of 3"):
        BrainBlock(8, heads=3)
