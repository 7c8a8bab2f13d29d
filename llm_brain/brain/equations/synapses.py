"""The plastic synapses: fast weights under a retroactive three-factor rule, as pure functions in three forms.

    E_t = lambda * E_{t-1} + v_t k_t^T        eligibility, pre times post, fading: what could still be learned
    P_t = alpha_t * P_{t-1} + m_t * E_t       dopamine commits what is eligible, with its sign; retention forgets
    o_t = P_t q_t                             the query reads

q and k are scaled to length one first: their direction is what is compared.

`plastic_step` is one step, `plastic_loop` repeats it (the equations as written), and `plastic_chunked` is the same map
computed a chunk of time at once, exactly and without any division (see `chunks`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from llm_brain.brain.equations.chunks import Decays, run_chunks
from llm_brain.brain.equations.norms import unit_length
from llm_brain.brain.equations.tables import chunk_lags, powers, steps
from llm_brain.errors import ArgumentError


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
    retention: Tensor,
    decay: Tensor,
    state: SynapseState,
) -> tuple[Tensor, SynapseState]:
    """One step of the plastic synapses: the eligibility takes in the new pair, dopamine commits it, the query reads.

    Args:
        query: `[B, H, k]`; its direction counts, and not its length.
        key: `[B, H, k]`, likewise.
        value: `[B, H, v]`.
        dopamine: m, what is committed and with which sign, `[B, H]`.
        retention: alpha, how much of P stays, `[B, H]`, between zero and one.
        decay: lambda, how much of E stays, `[H]`, between zero and one. At zero only the step's own pair is eligible.
        state: E and P before the step.

    Returns:
        What was read, `[B, H, v]`, and the state after the step.

    Example:
        >>> import torch
        >>> key, value = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[3.0, 5.0]]])
        >>> empty = SynapseState(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))
        >>> signals = {"dopamine": torch.ones(1, 1), "retention": torch.ones(1, 1), "decay": torch.tensor([0.9])}
        >>> plastic_step(key, key, value, **signals, state=empty)[0].round(decimals=3).tolist()
        [[[3.0, 5.0]]]
    """
    query, key = unit_length(query), unit_length(key)
    eligibility = torch.addcmul(decay[:, None, None] * state.eligibility, value[..., :, None], key[..., None, :])
    plastic = torch.addcmul(retention[..., None, None] * state.plastic, dopamine[..., None, None], eligibility)
    return (plastic @ query[..., None]).squeeze(-1), SynapseState(eligibility, plastic)


def plastic_loop(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    dopamine: Tensor,
    retention: Tensor,
    decay: Tensor,
    state: SynapseState | None = None,
    lengths: Tensor | None = None,
) -> tuple[Tensor, SynapseState]:
    """Repeat `plastic_step` over time: slow, and the reference for `plastic_chunked`, which takes and gives the same.

    Example:
        >>> import torch
        >>> q, k, v = torch.randn(3, 2, 4, 10, 8).unbind()
        >>> m, alpha = torch.randn(2, 4, 10), torch.rand(2, 4, 10)
        >>> output, state = plastic_loop(q, k, v, dopamine=m, retention=alpha, decay=torch.rand(4))
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
            retention=retention[:, :, t],
            decay=decay,
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
    retention: Tensor,
    decay: Tensor,
    state: SynapseState | None = None,
    chunk: int = 64,
    lengths: Tensor | None = None,
) -> tuple[Tensor, SynapseState]:
    """Run the plastic synapses over time, a chunk at once. Exact: it equals `plastic_loop` for every chunk length.

    Args:
        query: `[B, H, T, k]`; its direction counts, and not its length.
        key: `[B, H, T, k]`, likewise.
        value: `[B, H, T, v]`.
        dopamine: m, `[B, H, T]`.
        retention: alpha, `[B, H, T]`, between zero and one.
        decay: lambda, `[H]`, between zero and one.
        state: E and P before the first step; zero when omitted.
        chunk: Steps computed at once, at least one.
        lengths: How many steps of each row are real, `[B]`, from zero to T. Later ones, if finite, leave the row's state
            untouched, and what they read means nothing.

    Returns:
        What was read, `[B, H, T, v]`, and the state after each row's last step.

    Raises:
        ArgumentError: There is no step, or a chunk of none.

    Example:
        >>> import torch
        >>> q, k, v = torch.randn(3, 2, 4, 10, 8, dtype=torch.float64).unbind()
        >>> m, alpha = torch.randn(2, 4, 10).double(), torch.rand(2, 4, 10).double()
        >>> signals = {"dopamine": m, "retention": alpha, "decay": torch.full((4,), 0.8).double()}
        >>> fast, _ = plastic_chunked(q, k, v, **signals, chunk=3)
        >>> slow, _ = plastic_loop(q, k, v, **signals)
        >>> torch.allclose(fast, slow, atol=1e-10)
        True
    """
    batch, heads, time, _ = query.shape
    if time < 1 or chunk < 1:
        message = f"steps are computed at least one at once, and there is at least one; got {time} steps and a chunk of {chunk}"
        raise ArgumentError(message)
    chunk = min(chunk, time)
    if lengths is not None:
        padded = (steps(time, query.device) >= lengths[:, None])[:, None]
        dopamine, retention = dopamine.masked_fill(padded, 0.0), retention.masked_fill(padded, 1.0)
    read, after = run_chunks(
        query,
        key,
        value,
        dopamine=dopamine,
        retention=retention,
        decays=_decays(decay, time, chunk, lengths),
        state=None if state is None else torch.cat(state, dim=2).flatten(0, 1),
    )
    eligibility, plastic = after.view(batch, heads, 2 * value.shape[-1], -1).chunk(2, dim=2)
    return read, SynapseState(eligibility, plastic)


def _decays(decay: Tensor, time: int, chunk: int, lengths: Tensor | None) -> Decays:
    """Tabulate the powers of lambda that chunks need; rows that end earlier stop fading there."""
    table = powers(decay, chunk)
    last = steps(-(-time // chunk), decay.device)[:, None] * chunk
    left = ((last.new_tensor([time]) if lengths is None else lengths) - last).clamp(0, chunk)  # real steps, [chunks, B]
    until = left[..., None] - 1 - steps(chunk, decay.device)
    until = until.masked_fill(until < 0, chunk + 1)
    return Decays(table[:, chunk_lags(chunk, decay.device)], table[:, until].movedim(0, 2), table[:, left].movedim(0, 2))


def _empty_synapses(key: Tensor, value: Tensor) -> SynapseState:
    zeros = key.new_zeros(*key.shape[:2], value.shape[-1], key.shape[-1])
    return SynapseState(zeros, zeros)
