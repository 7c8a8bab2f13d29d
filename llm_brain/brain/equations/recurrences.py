"""The recurrences of the neuron and of the modulators, as pure functions.

Both are linear in their state: a whole sequence at once and one step at a time have the same result.

    gated_scan       h_t = (1 - z_t) * h_{t-1} + z_t * c_t            the neuron's state; every step has its own gate
    leaky_average    n_t = kappa * n_{t-1} + (1 - kappa) * value_t    tonic levels; kappa is constant per channel

The recurrence of the plastic synapses is in `synapses`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from llm_brain.brain.equations.tables import lags, powers

if TYPE_CHECKING:
    from torch.autograd.function import FunctionCtx


# Where a step is small, the calls cost more than the arithmetic: beyond so many steps, two are then composed into one.
PAIRING_STEPS = 12
PAIRING_SIZE = 4096


def gated_scan(gate: Tensor, candidate: Tensor, initial: Tensor | None = None) -> Tensor:
    """Run `h_t = (1 - z_t) h_{t-1} + z_t c_t` over the first axis.

    With gradients it is one autograd node whose adjoint is the reversed loop and which keeps only the gates, the candidates and
    the states; without gradients it is a bare loop of one interpolation a step.

    Args:
        gate: z, between zero and one, `[T, B, d]`.
        candidate: c, `[T, B, d]`.
        initial: h before the first step, `[B, d]`; zero when omitted.

    Returns:
        Every state, `[T, B, d]`.

    Example:
        >>> import torch
        >>> gated_scan(torch.full((3, 1, 1), 0.5), torch.ones(3, 1, 1)).flatten().tolist()
        [0.5, 0.75, 0.875]
    """
    if torch.is_grad_enabled() and (
        gate.requires_grad or candidate.requires_grad or (initial is not None and initial.requires_grad)
    ):
        states: Tensor = _GatedScan.apply(gate, candidate, initial)  # type: ignore[no-untyped-call]
        return states
    return scan(gate, candidate, initial)


def leaky_average(value: Tensor, retention: Tensor, initial: Tensor | None = None, *, chunk: int = 64) -> Tensor:
    """Run `n_t = kappa * n_{t-1} + (1 - kappa) * value_t` over the first axis, a chunk of time at once.

    Args:
        value: What is averaged, `[T, B, C]`.
        retention: kappa, between zero and one, one a channel, `[C]`.
        initial: `n` before the first step, `[B, C]`; zero when omitted.
        chunk: How many steps are computed at once, by one product with a `[C, chunk, chunk]` table of decays.

    Returns:
        Every level, `[T, B, C]`.

    Example:
        >>> import torch
        >>> leaky_average(torch.ones(3, 1, 1), torch.tensor([0.5])).flatten().tolist()
        [0.5, 0.75, 0.875]
    """
    length = min(chunk, value.shape[0])
    decays = powers(retention, length)
    table = decays[:, lags(length, value.device)]
    levels = []
    for taken in torch.split(value * (1 - retention), chunk, dim=0):
        time = taken.shape[0]
        level = torch.bmm(table[:, :time, :time], taken.permute(2, 0, 1)).permute(1, 2, 0)
        if initial is not None:
            level = torch.addcmul(level, decays[:, 1 : time + 1].t().unsqueeze(1), initial)
        initial = level[-1]
        levels.append(level)
    return levels[0] if len(levels) == 1 else torch.cat(levels)


def scan(gate: Tensor, candidate: Tensor, initial: Tensor | None) -> Tensor:
    """Run `gated_scan` without a gradient.

    Example:
        >>> import torch
        >>> scan(torch.full((2, 1, 1), 0.5), torch.ones(2, 1, 1), None).flatten().tolist()
        [0.5, 0.75]
    """
    if gate.shape[0] > PAIRING_STEPS and gate[0].numel() <= PAIRING_SIZE:
        return _scan_pairs(1 - gate, gate * candidate, initial)
    states = torch.empty_like(candidate, memory_format=torch.contiguous_format)
    previous = torch.zeros_like(candidate[0]) if initial is None else initial
    for opened, taken, state in zip(gate.unbind(0), candidate.unbind(0), states.unbind(0), strict=True):
        previous = torch.lerp(previous, taken, opened, out=state)
    return states


def credit_of(gradient: Tensor, retain: Tensor, out: Tensor | None = None) -> Tensor:
    """Run the adjoint of the scan, `l_t = g_t + retain_{t+1} l_{t+1}`: what each state is worth to all that follows.

    Args:
        gradient: Of every state by itself, `[T, B, d]`.
        retain: `1 - z`, `[T, B, d]`.
        out: Where to write it; fresh memory when omitted.

    Returns:
        `[T, B, d]`.

    Example:
        >>> import torch
        >>> credit_of(torch.ones(3, 1, 1), torch.full((3, 1, 1), 0.5)).flatten().tolist()
        [1.75, 1.5, 1.0]
    """
    credit = gradient.clone(memory_format=torch.contiguous_format) if out is None else out.copy_(gradient)
    kept, rows = retain.unbind(0), credit.unbind(0)
    for t in range(len(rows) - 2, -1, -1):
        rows[t].addcmul_(kept[t + 1], rows[t + 1])
    return credit


def _scan_pairs(retain: Tensor, update: Tensor, initial: Tensor | None) -> Tensor:
    """Scan every second step, of pairs composed in parallel, and fill in the steps between: half as many calls."""
    later, pairs = retain[1::2], retain.shape[0] // 2
    first = slice(0, 2 * pairs, 2)
    second = torch.addcmul(update[1::2], later, update[first])
    kept = later * retain[first]
    if initial is not None:
        second[0].addcmul_(kept[0], initial)
        update[0].addcmul_(retain[0], initial)
    for t in range(1, pairs):
        second[t].addcmul_(kept[t], second[t - 1])
    update[1::2] = second
    update[2::2].addcmul_(retain[2::2], second[: (retain.shape[0] - 1) // 2])
    return update


class _GatedScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, gate: Tensor, candidate: Tensor, initial: Tensor | None) -> Tensor:
        states = scan(gate, candidate, initial)
        ctx.save_for_backward(gate, candidate, states, initial)  # type: ignore[arg-type]
        return states

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: FunctionCtx, gradient: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        gate, candidate, states, initial = ctx.saved_tensors  # type: ignore[attr-defined]
        retain = 1 - gate
        credit = credit_of(gradient, retain)
        to_gate = candidate.clone(memory_format=torch.contiguous_format)
        to_gate[1:].sub_(states[:-1])
        if initial is not None:
            to_gate[0].sub_(initial)
        to_initial = None if initial is None else retain[0] * credit[0]
        return to_gate.mul_(credit), credit.mul_(gate), to_initial
