"""The plastic synapses a chunk of time at once: five products of matrices forward, and their adjoint.

The pair of step s reaches the reading of a later step t of its chunk with the weight `W[t, s]`, and what was there before the
chunk reaches it with two more:

    W[t, s] = sum over u from s to t of (alpha_{u+1} ... alpha_t) m_u lambda^(u-s)      a committed pair
    w_E[t]  = sum over u up to t     of (alpha_{u+1} ... alpha_t) m_u lambda^(u+1)      the eligibility before the chunk, E
    w_P[t]  = alpha_1 ... alpha_t                                                      the plastic weights before it, P

All three are one gated scan, `W[t] = alpha_t W[t-1] + m_t lambda^(t-s)`, with one column each, so that nothing is divided and
no logarithm is taken. With them, for a chunk of C steps and with Q and K of length one,

    O     = ((Q K^T) * W) V + w_P * (Q P^T) + w_E * (Q E^T)
    P_out = w_P[C] P + w_E[C] E + (W[C] * V)^T K
    E_out = lambda^C E + (lambda^(C-s) * V)^T K

The gradient is written out by hand: it keeps the inputs and the states between chunks, and makes all else again, chunk by chunk.
What is made on the way lies in memory that the next chunk uses again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from llm_brain.brain.equations.norms import inverse_length
from llm_brain.brain.equations.scratch import scratch_like

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.autograd.function import FunctionCtx

    from llm_brain.brain.equations.scratch import Scratch


class Decays(NamedTuple):
    """The powers of lambda that chunks of at most C steps need; B may be one where all rows are alike.

    Attributes:
        table: From step s to step t, zero where s is later, then from before the chunk to step t, then zeros, `[H, C, C + 2]`.
        until: From each step to the chunk's end, `[chunks, B, H, C]`, zero where the step is no real one.
        across: From before the chunk to its end, `[chunks, B, H]`.

    Example:
        >>> Decays._fields
        ('table', 'until', 'across')
    """

    table: Tensor
    until: Tensor
    across: Tensor


def run_chunks(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    dopamine: Tensor,
    retention: Tensor,
    decays: Decays,
    state: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Run plastic synapses over chunks.

    Args:
        query: `[B, H, T, k]`.
        key: `[B, H, T, k]`.
        value: `[B, H, T, v]`.
        dopamine: m, `[B, H, T]`.
        retention: alpha, `[B, H, T]`.
        decays: Powers of lambda.
        state: E above P before the first chunk, `[B * H, 2v, k]`; zero when omitted.

    Returns:
        What was read, `[B, H, T, v]`, in memory `[T, B, H, v]`, and E above P after the last chunk.

    Example:
        >>> import torch
        >>> table = torch.tensor([[[1.0, 0.5, 0.0]]])
        >>> decays = Decays(table, torch.ones(1, 1, 1, 1), torch.full((1, 1, 1), 0.5))
        >>> pair, one = torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1)
        >>> round(run_chunks(pair, pair, pair, dopamine=one, retention=one, decays=decays, state=None)[0].item(), 3)
        1.0
    """
    inputs = (query, key, value, dopamine, retention, *decays)
    learned = any(part.requires_grad for part in inputs) or (state is not None and state.requires_grad)
    if torch.is_grad_enabled() and learned:
        read, after = _Chunks.apply(*inputs, state)  # type: ignore[no-untyped-call]
        return read, after
    read, after, *_ = _forward(inputs, state, kept=2)
    return read, after.clone()


class _Chunk:
    """The inputs of one chunk, made ready: `[B * H, C, ...]` each, q and k of length one."""

    def __init__(self, at: int, inputs: Sequence[Tensor], inverses: Sequence[Tensor], scratch: Scratch) -> None:
        query, key, value, dopamine, retention, table, until, across = inputs
        self.length = length = min(table.shape[1], query.shape[2] - at * table.shape[1])
        self.at = at
        self.now = now = slice(at * table.shape[1], at * table.shape[1] + length)
        self.rows = rows = query.shape[0] * query.shape[1]
        self.inverse_query, self.inverse_key = (inverse[:, :, now] for inverse in inverses)
        self.query = scratch.product("query", query[:, :, now], self.inverse_query)
        self.key = scratch.product("key", key[:, :, now], self.inverse_key)
        self.value = scratch.copy("value", value[:, :, now])
        self.dopamine = dopamine[:, :, now].reshape(rows, length).contiguous()
        self.retention = retention[:, :, now].reshape(rows, length).contiguous()
        self.table = torch.cat([table[:, :length, :length], table[:, :length, -2:]], dim=-1)
        batch = query.shape[0]
        self.until = until[at, ..., :length].expand(batch, -1, -1).reshape(rows, length, 1)
        self.across = across[at].expand(batch, -1).reshape(rows, 1, 1)
        self.weights = self._weights(scratch)
        self.within = self.weights[..., :length]
        self.eligible, self.committed = self.weights[..., length, None], self.weights[..., length + 1, None]
        self.leaving = self.weights[:, -1, :length, None]
        similar = scratch.take("similar", (rows, length, length))
        self.similar = torch.bmm(self.query, self.key.transpose(1, 2), out=similar)

    def _weights(self, scratch: Scratch) -> Tensor:
        """Scan W, w_E and w_P, `[B * H, C, C + 2]`."""
        heads, length, columns = self.table.shape
        weights = scratch.take("weights", (self.rows, length, columns))
        torch.mul(self.dopamine.view(-1, heads, length, 1), self.table, out=weights.view(-1, heads, length, columns))
        weights[:, 0, -1] = self.retention[:, 0]
        kept, rows = self.retention[..., None].unbind(1), weights.unbind(1)
        for t in range(1, length):
            rows[t].addcmul_(kept[t], rows[t - 1])
        return weights


def _forward(
    inputs: Sequence[Tensor], before: Tensor | None, kept: int | None = None
) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Give what was read, E above P after the last chunk, and for the way back all that are kept, and the inverse lengths.

    What is kept is E above P before the first chunk, where it is given, and after each; or so many of the last, at least two.
    """
    query, key, value, _, _, table, *_ = inputs
    batch, heads, time, size = value.shape
    chunks = -(-time // table.shape[1])
    inverses = inverse_length(query, 1.0), inverse_length(key, 1.0)
    given = 0 if before is None else 1
    kept = kept or given + chunks
    states = value.new_empty(kept, batch * heads, 2 * size, query.shape[-1])
    if before is not None:
        states[0] = before
    read = _time_first(value)
    with scratch_like(value) as scratch:
        for at in range(chunks):
            chunk = _Chunk(at, inputs, inverses, scratch)
            reached = torch.mul(chunk.similar, chunk.within, out=chunk.similar)
            found = torch.bmm(reached, chunk.value, out=scratch.take("found", chunk.value.shape))
            after = states[(given + at) % kept]
            torch.bmm(scratch.twice("left", chunk.value, chunk.until, chunk.leaving).transpose(1, 2), chunk.key, out=after)
            if given + at > 0:
                source, last = states[(given + at - 1) % kept], chunk.weights[:, -1, chunk.length :, None, None]
                recalled = scratch.take("owed", (*chunk.value.shape[:2], 2 * size))
                torch.bmm(chunk.query, source.transpose(1, 2), out=recalled)
                found.addcmul_(chunk.eligible, recalled[..., :size]).addcmul_(chunk.committed, recalled[..., size:])
                after[:, :size].addcmul_(chunk.across, source[:, :size])
                after[:, size:].addcmul_(last[:, 0], source[:, :size]).addcmul_(last[:, 1], source[:, size:])
            read[:, :, chunk.now].copy_(found.view(batch, heads, chunk.length, size))
    return read, states[(given + chunks - 1) % kept], states, inverses


class _Chunks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, *arguments: Tensor) -> tuple[Tensor, Tensor]:
        *inputs, before = arguments
        read, after, states, inverses = _forward(inputs, before)
        ctx.carried = arguments[-1] is not None  # type: ignore[attr-defined]
        ctx.save_for_backward(*inputs, *inverses, states[:-1])
        ctx.set_materialize_grads(False)
        return read, after.clone()

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: FunctionCtx, to_read: Tensor | None, to_after: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        *inputs, inverse_query, inverse_key, states = ctx.saved_tensors  # type: ignore[attr-defined]
        query, key, value, dopamine, retention, table, until, across = inputs
        chunks = -(-value.shape[2] // table.shape[1])
        gradients = _Gradients(
            *(_time_first(part) for part in (query, key, value)),
            *(torch.empty_like(part) for part in (dopamine, retention)),
            *(torch.zeros_like(part) for part in (table, until, across)),
        )
        end = to_after  # what the state after the chunk is worth
        with scratch_like(value) as scratch:
            for at in range(chunks - 1, -1, -1):
                chunk = _Chunk(at, inputs, (inverse_query, inverse_key), scratch)
                behind = at if ctx.carried else at - 1  # type: ignore[attr-defined]
                source = states[behind] if behind >= 0 else None
                credit = scratch.take("credit", chunk.value.shape)
                if to_read is None:
                    credit.zero_()
                else:
                    credit.view(*value.shape[:2], *credit.shape[1:]).copy_(to_read[:, :, chunk.now])
                end = _backward(chunk, credit, source, end, gradients, scratch)
        return *gradients, end


class _Gradients(NamedTuple):
    """Where the gradients of the inputs are written, chunk by chunk."""

    query: Tensor
    key: Tensor
    value: Tensor
    dopamine: Tensor
    retention: Tensor
    table: Tensor
    until: Tensor
    across: Tensor


def _backward(
    chunk: _Chunk, credit: Tensor, source: Tensor | None, end: Tensor | None, gradients: _Gradients, scratch: Scratch
) -> Tensor | None:
    """Write the gradients of one chunk's inputs, given those of what it read and of the state after it.

    Returns:
        The gradient of the state before it.
    """
    batch, heads, _, size = gradients.value.shape
    now, length = chunk.now, chunk.length
    to_weights = scratch.take("to_weights", chunk.weights.shape)

    # Within the chunk.
    to_similar = torch.bmm(credit, chunk.value.transpose(1, 2), out=scratch.take("to_similar", chunk.similar.shape))
    torch.mul(to_similar, chunk.similar, out=to_weights[..., :length])
    to_weights[..., length:] = 0.0
    reached = chunk.similar.mul_(chunk.within)
    to_value = torch.bmm(reached.transpose(1, 2), credit, out=scratch.take("to_value", chunk.value.shape))
    to_similar.mul_(chunk.within)
    to_query = torch.bmm(to_similar, chunk.key, out=scratch.take("to_query", chunk.query.shape))
    to_key = torch.bmm(to_similar.transpose(1, 2), chunk.query, out=scratch.take("to_key", chunk.key.shape))

    # What it leaves behind.
    if end is not None:
        owed = torch.bmm(chunk.key, end.transpose(1, 2), out=scratch.take("owed", (*chunk.value.shape[:2], 2 * size)))
        eligible, committed = owed[..., :size], owed[..., size:]
        to_value.addcmul_(chunk.until, eligible).addcmul_(chunk.leaving, committed)
        to_key.baddbmm_(scratch.twice("left", chunk.value, chunk.until, chunk.leaving), end)
        to_until = gradients.until[chunk.at, ..., :length]
        to_until.copy_(eligible.mul_(chunk.value).sum(-1).view(batch, heads, length).sum_to_size(to_until.shape))
        to_weights[:, -1, :length] += committed.mul_(chunk.value).sum(-1)

    # What it found there.
    start = None
    if source is not None:
        owing = scratch.twice("left", credit, chunk.eligible, chunk.committed)
        # What the first chunk owes is a result, and the others' is on the way; two names, as `end` is one of them.
        start = torch.empty_like(source) if chunk.at == 0 else scratch.take(f"start {chunk.at % 2}", source.shape)
        torch.bmm(owing.transpose(1, 2), chunk.query, out=start)
        for column, part in ((length, source[:, :size]), (length + 1, source[:, size:])):
            recalled = torch.bmm(credit, part, out=scratch.take("recalled", chunk.query.shape))
            to_query.addcmul_(chunk.weights[..., column, None], recalled)
            to_weights[..., column] += recalled.mul_(chunk.query).sum(-1)
        if end is not None:
            last = chunk.weights[:, -1, length:, None, None]
            start[:, :size].addcmul_(chunk.across, end[:, :size]).addcmul_(last[:, 0], end[:, size:])
            start[:, size:].addcmul_(last[:, 1], end[:, size:])
            to_across = (end[:, :size] * source[:, :size]).sum((-1, -2)).view(batch, heads)
            gradients.across[chunk.at] = to_across.sum_to_size(gradients.across.shape[1:])
            to_weights[:, -1, length] += (end[:, size:] * source[:, :size]).sum((-1, -2))
            to_weights[:, -1, length + 1] += (end[:, size:] * source[:, size:]).sum((-1, -2))

    # The scan of the weights, backwards.
    kept, rows = chunk.retention[..., None].unbind(1), to_weights.unbind(1)
    for t in range(length - 2, -1, -1):
        rows[t].addcmul_(kept[t + 1], rows[t + 1])
    by_step = to_weights.view(batch, heads * length, length + 2).transpose(0, 1)
    to_table = torch.bmm(chunk.dopamine.view(batch, heads * length).t().unsqueeze(1), by_step).view(heads, length, length + 2)
    gradients.table[:, :length, :length] += to_table[..., :length]
    gradients.table[:, :length, -2:] += to_table[..., length:]
    to_dopamine = torch.bmm(by_step, chunk.table.reshape(heads * length, length + 2, 1))
    gradients.dopamine[:, :, now] = to_dopamine.view(heads, length, batch).permute(2, 0, 1)
    gradients.retention[:, :, now.start] = to_weights[:, 0, -1].view(batch, heads)
    to_retention = to_weights[:, 1:].mul_(chunk.weights[:, :-1]).sum(-1)
    gradients.retention[:, :, now.start + 1 : now.stop] = to_retention.view(batch, heads, -1)

    gradients.value[:, :, now].copy_(to_value.view(batch, heads, length, size))
    _unscaled(to_query, chunk.query, chunk.inverse_query, gradients.query[:, :, now])
    _unscaled(to_key, chunk.key, chunk.inverse_key, gradients.key[:, :, now])
    return start


def _time_first(part: Tensor) -> Tensor:
    """Make room for a gradient `[B, H, T, k]` that lies in memory as `[T, B, H, k]`, as a layer projects it."""
    batch, heads, time, size = part.shape
    return part.new_empty(time, batch, heads, size).permute(1, 2, 0, 3)


def _unscaled(gradient: Tensor, scaled: Tensor, inverse: Tensor, target: Tensor) -> None:
    """Write the gradient of a vector into its place, given that of the vector scaled to length one."""
    along = torch.linalg.vecdot(scaled, gradient).unsqueeze(-1)
    torch.mul(gradient.addcmul_(scaled, along, value=-1.0).view(target.shape), inverse, out=target)
