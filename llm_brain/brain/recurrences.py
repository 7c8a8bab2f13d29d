"""The recurrences of the neuron and of the modulators, as pure functions.

Both are linear in their state: a whole sequence at once and one step at a time have the same result.

    gated_scan       h_t = retain_t * h_{t-1} + update_t              the neuron's state; every step has its own gate
    leaky_average    n_t = kappa * n_{t-1} + (1 - kappa) * value_t    tonic levels; kappa is constant per channel

The recurrence of the plastic synapses is in `synapses`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from llm_brain.brain.tables import decay_powers, decay_table

if TYPE_CHECKING:
    from torch.autograd.function import FunctionCtx


# Where a step is small, the calls cost more than the arithmetic: beyond so many steps, two are then composed into one.
PAIRING_STEPS = 12
PAIRING_SIZE = 4096


def gated_scan(retain: Tensor, update: Tensor, initial: Tensor | None = None) -> Tensor:
    """Run `h_t = retain_t * h_{t-1} + update_t` over the first axis.

    With gradients it is one autograd node whose adjoint is the reversed loop and which keeps only the gates and the states;
    without gradients it is a bare loop of one fused multiply-add a step.

    Args:
        retain: What is kept of the previous state, `[T, B, d]`.
        update: What is added, `[T, B, d]`.
        initial: `h` before the first step, `[B, d]`; zero when omitted.

    Returns:
        Every state, `[T, B, d]`.

    Example:
        >>> import torch
        >>> gated_scan(torch.full((3, 1, 1), 0.5), torch.ones(3, 1, 1)).flatten().tolist()
        [1.0, 1.5, 1.75]
    """
    if torch.is_grad_enabled() and (
        retain.requires_grad or update.requires_grad or (initial is not None and initial.requires_grad)
    ):
        states: Tensor = _GatedScan.apply(retain, update, initial)  # type: ignore[no-untyped-call]
        return states
    return _scan(retain, update, initial)


def leaky_average(value: Tensor, log_retention: Tensor, initial: Tensor | None = None, *, chunk: int = 64) -> Tensor:
    """Run `n_t = kappa * n_{t-1} + (1 - kappa) * value_t` over time, in parallel: a few steps need no loop.

    Args:
        value: What is averaged, `[B, T, C]`.
        log_retention: log kappa, one a channel, `[C]`, finite and not above zero.
        initial: `n` before the first step, `[B, C]`; zero when omitted.
        chunk: How many steps are computed at once, by one product with a `[C, chunk, chunk]` table of decays.

    Returns:
        Every level, `[B, T, C]`.

    Example:
        >>> import torch
        >>> leaky_average(torch.ones(1, 3, 1), torch.tensor([0.5]).log()).flatten().tolist()
        [0.5, 0.75, 0.875]
    """
    if value.shape[1] <= chunk:
        return _average_chunk(value, log_retention, initial)
    levels = []
    for part in torch.split(value, chunk, dim=1):
        level = _average_chunk(part, log_retention, initial)
        initial = level[:, -1]
        levels.append(level)
    return torch.cat(levels, dim=1)


def _average_chunk(value: Tensor, log_retention: Tensor, initial: Tensor | None) -> Tensor:
    taken = value * -torch.expm1(log_retention)
    time = value.shape[1]
    level = torch.bmm(decay_table(log_retention, time), taken.permute(2, 1, 0)).permute(2, 1, 0)
    if initial is None:
        return level
    return torch.addcmul(level, decay_powers(log_retention, time).t(), initial.unsqueeze(1))


def _scan(retain: Tensor, update: Tensor, initial: Tensor | None) -> Tensor:
    if update.shape[0] > PAIRING_STEPS and update[0].numel() <= PAIRING_SIZE:
        return _scan_pairs(retain, update, initial)
    states = update.clone()
    previous = initial
    for gate, state in zip(retain.unbind(0), states.unbind(0), strict=True):
        if previous is not None:
            state.addcmul_(gate, previous)
        previous = state
    return states


def _scan_pairs(retain: Tensor, update: Tensor, initial: Tensor | None) -> Tensor:
    """Scan every second step, of pairs composed in parallel, and fill in the steps between: half as many calls."""
    later = retain[1::2]
    pairs = later.shape[0]
    first = slice(0, 2 * pairs, 2)
    second = _scan(later * retain[first], torch.addcmul(update[1::2], later, update[first]), initial)
    states = update.clone()
    states[1::2] = second
    states[2::2].addcmul_(retain[2::2], second[: (update.shape[0] - 1) // 2])
    if initial is not None:
        states[0].addcmul_(retain[0], initial)
    return states


class _GatedScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, retain: Tensor, update: Tensor, initial: Tensor | None) -> Tensor:
        states = _scan(retain, update, initial)
        ctx.save_for_backward(retain, states, initial)  # type: ignore[arg-type]
        return states

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: FunctionCtx, gradient: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        retain, states, initial = ctx.saved_tensors  # type: ignore[attr-defined]
        credit = gradient.clone()
        gates, rows = retain.unbind(0), credit.unbind(0)
        for t in range(len(rows) - 2, -1, -1):
            rows[t].addcmul_(gates[t + 1], rows[t + 1])
        to_retain = torch.empty_like(credit)
        torch.mul(credit[1:], states[:-1], out=to_retain[1:])
        if initial is None:
            to_retain[0].zero_()
            return to_retain, credit, None
        torch.mul(credit[0], initial, out=to_retain[0])
        return to_retain, credit, gates[0] * credit[0]
