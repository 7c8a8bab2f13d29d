"""The neuron under its modulators, over a whole sequence.

    z_t = sigmoid(a_t + g_open o_t)               o opens the gate: acetylcholine
    c_t = (1 + g_gain e_t) b_t                    e is the gain of what comes in: noradrenaline
    h_t = (1 - z_t) h_{t-1} + z_t c_t

One autograd node, with the adjoint written out: it keeps z and h, and makes the rest again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from llm_brain.brain.equations.recurrences import credit_of, scan
from llm_brain.brain.equations.scratch import scratch_like

if TYPE_CHECKING:
    from torch.autograd.function import FunctionCtx


class Modulation(NamedTuple):
    """What two modulators do to a layer of neurons.

    Attributes:
        opening: o, `[T, B, 1]`.
        opening_gain: g_open, `[d]`.
        gain: e, `[T, B, 1]`.
        gain_gain: g_gain, `[d]`.

    Example:
        >>> Modulation._fields
        ('opening', 'opening_gain', 'gain', 'gain_gain')
    """

    opening: Tensor
    opening_gain: Tensor
    gain: Tensor
    gain_gain: Tensor


def modulated_gate(gate: Tensor, modulation: Modulation) -> Tensor:
    """Compute z, `[T, B, d]`.

    Example:
        >>> import torch
        >>> modulation = Modulation(torch.ones(1, 1, 1), torch.ones(1), torch.ones(1, 1, 1), torch.ones(1))
        >>> round(modulated_gate(torch.zeros(1, 1, 1), modulation).item(), 3)
        0.731
    """
    return torch.addcmul(gate, modulation.opening, modulation.opening_gain).sigmoid_()


def modulated_candidate(candidate: Tensor, modulation: Modulation) -> Tensor:
    """Compute c, `[T, B, d]`.

    Example:
        >>> import torch
        >>> modulation = Modulation(torch.ones(1, 1, 1), torch.ones(1), torch.ones(1, 1, 1), torch.ones(1))
        >>> modulated_candidate(torch.ones(1, 1, 1), modulation).item()
        2.0
    """
    return torch.addcmul(candidate.new_ones(()), modulation.gain, modulation.gain_gain).mul_(candidate)


def neuron_scan(
    gate: Tensor, candidate: Tensor, modulation: Modulation, initial: Tensor | None = None, padded: Tensor | None = None
) -> Tensor:
    """Run a layer of modulated neurons over the first axis.

    Args:
        gate: a, `[T, B, d]`.
        candidate: b, `[T, B, d]`.
        modulation: What the modulators say.
        initial: h before the first step, `[B, d]`; zero when omitted.
        padded: Where a step is no real one, `[T, B, 1]`: the state stays as it is.

    Returns:
        Every state, `[T, B, d]`.

    Example:
        >>> import torch
        >>> none = torch.zeros(3, 1, 1)
        >>> modulation = Modulation(none, torch.zeros(1), none, torch.zeros(1))
        >>> neuron_scan(none, torch.ones(3, 1, 1), modulation).flatten().tolist()
        [0.5, 0.75, 0.875]
    """
    arguments = (gate, candidate, *modulation, initial)
    if torch.is_grad_enabled() and any(part is not None and part.requires_grad for part in arguments):
        states: Tensor = _NeuronScan.apply(*arguments, padded)  # type: ignore[no-untyped-call]
        return states
    return scan(_opened(gate, modulation, padded), modulated_candidate(candidate, modulation), initial)


def _opened(gate: Tensor, modulation: Modulation, padded: Tensor | None) -> Tensor:
    opened = modulated_gate(gate, modulation)
    return opened if padded is None else opened.masked_fill_(padded, 0.0)


class _NeuronScan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx,
        gate: Tensor,
        candidate: Tensor,
        opening: Tensor,
        opening_gain: Tensor,
        gain: Tensor,
        gain_gain: Tensor,
        initial: Tensor | None,
        padded: Tensor | None,
    ) -> Tensor:
        modulation = Modulation(opening, opening_gain, gain, gain_gain)
        opened = _opened(gate, modulation, padded)
        with scratch_like(gate) as scratch:
            taken = torch.addcmul(gate.new_ones(()), gain, gain_gain, out=scratch.take("taken", candidate.shape)).mul_(candidate)
            states = scan(opened, taken, initial)
        ctx.save_for_backward(opened, candidate, *modulation, initial, states)  # type: ignore[arg-type]
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        opened, candidate, opening, opening_gain, gain, gain_gain, initial, states = ctx.saved_tensors  # type: ignore[attr-defined]
        with scratch_like(gradient) as scratch:
            retain = torch.sub(1, opened, out=scratch.take("retain", opened.shape))
            credit = credit_of(gradient, retain, scratch.take("taken", gradient.shape))
            factor = torch.addcmul(candidate.new_ones(()), gain, gain_gain)
            to_gate = factor * candidate
            to_gate[1:].sub_(states[:-1])
            if initial is not None:
                to_gate[0].sub_(initial)
            # A step that is no real one has z = 0, and so no gradient.
            to_initial = None if initial is None else retain[0] * credit[0]
            to_gate.mul_(credit).mul_(opened).mul_(retain)
            taken = credit.mul_(opened)
            to_candidate = factor.mul_(taken)
            to_factor = taken.mul_(candidate)
            to_gain, to_gain_gain = (to_factor @ gain_gain).unsqueeze(-1), gain.flatten() @ to_factor.flatten(0, 1)
        return (
            to_gate,
            to_candidate,
            (to_gate @ opening_gain).unsqueeze(-1),
            opening.flatten() @ to_gate.flatten(0, 1),
            to_gain,
            to_gain_gain,
            to_initial,
            None,
        )
