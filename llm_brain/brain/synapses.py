"""The plastic synapses: fast weights under a retroactive three-factor rule, as pure functions in three forms.

    E_t = lambda * E_{t-1} + v_t k_t^T        eligibility, pre times post, fading: what could still be learned
    P_t = alpha_t * P_{t-1} + m_t * E_t       dopamine commits what is eligible, with its sign; retention forgets
    o_t = P_t q_t                             the query reads

`plastic_step` is one step, `plastic_loop` repeats it (the equations as written), and `plastic_chunked` is the same map
computed a chunk of time at once, exactly and without any division, because every decay is carried as a logarithm.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from llm_brain.brain.tables import causal_mask, decay_powers, decay_table, steps


class SynapseState(NamedTuple):
    """The two matrices that plastic synapses carry from step to step, of a size that never depends on time.

    Attributes:
        eligibility: E, the fading trace of post times pre, `[B, H, v, k]`.
        plastic: P, the fast weights that dopamine has committed, `[B, H, v, k]`.

    Example:
        >>> import torch
        >>> SynapseState(torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 3)).plastic.shape
        torch.Size([1, 2, 3, 3])
    """

    eligibility: Tensor
    plastic: Tensor


def plastic_step(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    dopamine: Tensor,
    log_retention: Tensor,
    log_decay: Tensor,
    state: SynapseState,
) -> tuple[Tensor, SynapseState]:
    """One step of the plastic synapses: the eligibility takes in the new pair, dopamine commits it, the query reads.

    Args:
        query: `[B, H, k]`.
        key: `[B, H, k]`, usually of length one.
        value: `[B, H, v]`.
        dopamine: m, what is committed and with which sign, `[B, H]`.
        log_retention: log alpha, `[B, H]`, not above zero.
        log_decay: log lambda, `[H]`, finite and not above zero (-1e4 stands for no eligibility beyond the step itself).
        state: E and P before the step.

    Returns:
        What was read, `[B, H, v]`, and the state after the step.

    Example:
        >>> import torch
        >>> key, value = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[3.0, 5.0]]])
        >>> empty = SynapseState(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))
        >>> signals = {"dopamine": torch.ones(1, 1), "log_retention": torch.zeros(1, 1), "log_decay": torch.tensor([-0.1])}
        >>> plastic_step(key, key, value, **signals, state=empty)[0].tolist()
        [[[3.0, 5.0]]]
    """
    eligibility = log_decay.exp()[:, None, None] * state.eligibility + value[..., :, None] * key[..., None, :]
    plastic = log_retention.exp()[..., None, None] * state.plastic + dopamine[..., None, None] * eligibility
    return (plastic @ query[..., None]).squeeze(-1), SynapseState(eligibility, plastic)


def plastic_loop(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    dopamine: Tensor,
    log_retention: Tensor,
    log_decay: Tensor,
    state: SynapseState | None = None,
    lengths: Tensor | None = None,
) -> tuple[Tensor, SynapseState]:
    """Repeat `plastic_step` over time: slow, and the reference for `plastic_chunked`, which takes and gives the same.

    Example:
        >>> import torch
        >>> q, k, v = torch.randn(3, 2, 4, 10, 8).unbind()
        >>> m, log_alpha, log_lambda = torch.randn(2, 4, 10), -torch.rand(2, 4, 10), -torch.rand(4)
        >>> output, state = plastic_loop(q, k, v, dopamine=m, log_retention=log_alpha, log_decay=log_lambda)
        >>> output.shape, state.plastic.shape
        (torch.Size([2, 4, 10, 8]), torch.Size([2, 4, 8, 8]))
    """
    state = _empty_synapses(key, value) if state is None else state
    outputs = []
    for t in range(query.shape[2]):
        read, after = plastic_step(
            query[:, :, t],
            key[:, :, t],
            value[:, :, t],
            dopamine=dopamine[:, :, t],
            log_retention=log_retention[:, :, t],
            log_decay=log_decay,
            state=state,
        )
        if lengths is None:
            state = after
        else:
            running = (t < lengths)[:, None, None, None]
            state = SynapseState(*(torch.where(running, new, old) for new, old in zip(after, state, strict=True)))
        outputs.append(read)
    return torch.stack(outputs, dim=2), state


def plastic_chunked(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    dopamine: Tensor,
    log_retention: Tensor,
    log_decay: Tensor,
    state: SynapseState | None = None,
    chunk: int = 64,
    lengths: Tensor | None = None,
) -> tuple[Tensor, SynapseState]:
    """Run the plastic synapses over time, a chunk at once. Exact: it equals `plastic_loop` for every chunk length.

    Within a chunk, with `g = cumsum(log alpha)`, `A[t,u] = exp(g_t - g_u) m_u` and `L[u,s] = lambda^(u-s)` (both lower
    triangular), the pair of step s reaches the reading of step t with weight `W = A L`, so that `O = ((Q K^T) * W) V`, and
    what the state holds decays beside it.

    Args:
        query: `[B, H, T, k]`.
        key: `[B, H, T, k]`.
        value: `[B, H, T, v]`.
        dopamine: m, `[B, H, T]`.
        log_retention: log alpha, `[B, H, T]`, not above zero.
        log_decay: log lambda, `[H]`, finite and not above zero.
        state: E and P before the first step; zero when omitted.
        chunk: Steps computed at once, at least one.
        lengths: How many steps of each row are real, `[B]`, from zero to T. Later ones, if finite, leave the row's state
            untouched, and what they read means nothing.

    Returns:
        What was read, `[B, H, T, v]`, and the state after each row's last step.

    Example:
        >>> import torch
        >>> q, k, v = torch.randn(3, 2, 4, 10, 8, dtype=torch.float64).unbind()
        >>> m, log_alpha = torch.randn(2, 4, 10).double(), -torch.rand(2, 4, 10).double()
        >>> signals = {"dopamine": m, "log_retention": log_alpha, "log_decay": torch.full((4,), -0.2).double()}
        >>> fast, _ = plastic_chunked(q, k, v, **signals, chunk=3)
        >>> slow, _ = plastic_loop(q, k, v, **signals)
        >>> torch.allclose(fast, slow, atol=1e-10)
        True
    """
    time = query.shape[2]
    if lengths is not None:
        padded = (steps(time, query.device) >= lengths[:, None])[:, None]
        dopamine, log_retention = dopamine.masked_fill(padded, 0.0), log_retention.masked_fill(padded, 0.0)
    outputs = []
    for start in range(0, time, chunk):
        now = slice(start, start + chunk)
        output, state = _one_chunk(
            query[:, :, now],
            key[:, :, now],
            value[:, :, now],
            dopamine=dopamine[:, :, now],
            log_retention=log_retention[:, :, now],
            log_decay=log_decay,
            state=state,
            lengths=None if lengths is None else (lengths - start).clamp(0, chunk),
        )
        outputs.append(output)
    state = _empty_synapses(key, value) if state is None else state
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2), state


def _one_chunk(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    dopamine: Tensor,
    log_retention: Tensor,
    log_decay: Tensor,
    state: SynapseState | None,
    lengths: Tensor | None,
) -> tuple[Tensor, SynapseState]:
    batch, heads, time, _ = query.shape
    logs = log_retention.cumsum(-1)
    commit = (logs.unsqueeze(-1) - logs.unsqueeze(-2) + causal_mask(time, logs.device, logs.dtype)).exp().flatten(0, 1)
    fading = decay_table(log_decay, time)
    # One batch axis, and torch.bmm itself: its wrappers cost more than a short sentence's arithmetic.
    query, key, value = query.flatten(0, 1), key.flatten(0, 1), value.flatten(0, 1)
    weights = torch.bmm(commit, (dopamine.unsqueeze(-1) * fading).flatten(0, 1))
    output = torch.bmm(torch.bmm(query, key.transpose(1, 2)) * weights, value)

    # What each pair leaves behind: the last row of W, and of L the row of each sample's own last step.
    matrices = (batch, heads, value.shape[-1], key.shape[-1])
    eligible = fading.select(1, -1) if lengths is None else _fading_until(log_decay, lengths, time)
    eligible = eligible.expand(batch, heads, time).flatten(0, 1)
    plastic = torch.bmm((weights.select(1, -1).unsqueeze(-1) * value).transpose(1, 2), key).view(matrices)
    eligibility = torch.bmm((eligible.unsqueeze(-1) * value).transpose(1, 2), key).view(matrices)
    if state is not None:
        kept = logs.exp().flatten(0, 1).unsqueeze(-1)
        reached = torch.bmm(commit, (dopamine * decay_powers(log_decay, time)).flatten(0, 1).unsqueeze(-1))
        output = output + kept * torch.bmm(query, state.plastic.flatten(0, 1).transpose(1, 2))
        output = output + reached * torch.bmm(query, state.eligibility.flatten(0, 1).transpose(1, 2))
        kept, reached = (weight.select(1, -1).view(batch, heads, 1, 1) for weight in (kept, reached))
        plastic = plastic + kept * state.plastic + reached * state.eligibility
        elapsed = time * log_decay if lengths is None else lengths.unsqueeze(-1) * log_decay
        eligibility = eligibility + elapsed.exp()[..., None, None] * state.eligibility
    return output.view(batch, heads, time, -1), SynapseState(eligibility, plastic)


def _fading_until(log_decay: Tensor, lengths: Tensor, time: int) -> Tensor:
    """Compute `lambda^(length - 1 - s)` for each real step s and zero for the others, `[B, H, T]`."""
    left = (lengths[:, None] - 1 - steps(time, lengths.device))[:, None, :]
    return torch.where(left >= 0, (left.clamp(min=0) * log_decay[:, None]).exp(), 0.0)


def _empty_synapses(key: Tensor, value: Tensor) -> SynapseState:
    zeros = key.new_zeros(*key.shape[:2], value.shape[-1], key.shape[-1])
    return SynapseState(zeros, zeros)
