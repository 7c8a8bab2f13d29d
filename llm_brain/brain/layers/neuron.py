"""The neuron: a gated recurrence that is linear in its state, so that a whole sequence is scanned at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from llm_brain.brain.equations.recurrences import gated_scan
from llm_brain.brain.layers.precision import in_own_precision

SLOWEST_NEURON = 32.0


class Neuron(nn.Module):
    """A layer of neurons without modulators, called like `torch.nn.GRU`.

        z_t = sigmoid(W_z x_t + b_z)
        c_t = W_c x_t + b_c
        h_t = (1 - z_t) h_{t-1} + z_t c_t

    Its gates see the input and not its own state, which is what lets time run in parallel (minGRU, Feng et al. 2024; a block of
    the brain adds what modulators do to z and c).

    Args:
        input_size: Length of an input vector.
        hidden_size: d, how many neurons there are.

    Example:
        >>> import torch
        >>> neuron = Neuron(6, 8)
        >>> output, state = neuron(torch.randn(5, 3, 6))
        >>> output.shape, state.shape
        (torch.Size([5, 3, 8]), torch.Size([3, 8]))
        >>> more, state = neuron(torch.randn(2, 3, 6), state)
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.observe = nn.Linear(input_size, 2 * hidden_size)
        with torch.no_grad():
            gate, candidate = self.observe.bias.chunk(2)
            gate.copy_(spread_gates(hidden_size))
            candidate.zero_()
            self.observe.weight[hidden_size:] *= input_gain(gate.sigmoid())[:, None]

    @in_own_precision
    def forward(self, input: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:  # noqa: A002 - as nn.GRU calls it
        """Run a whole sequence.

        Args:
            input: `[T, B, input_size]`.
            state: h before the first step, `[B, d]`; zero when omitted.

        Returns:
            h after every step, `[T, B, d]`, and after the last, `[B, d]`.
        """
        gate, candidate = functional.linear(input, self.observe.weight, self.observe.bias).chunk(2, dim=-1)
        output = gated_scan(gate.sigmoid(), candidate, state)
        return output, output[-1]


def input_gain(gate: Tensor) -> Tensor:
    """Give the factor at which a slow neuron's state varies as much as its input, `sqrt((2 - z) / z)`.

    A leaky average of noise has the share `z / (2 - z)` of its variance: without the factor the neurons that remember longest are
    those that are heard least (as in the linear recurrent unit, Orvieto et al. 2023).

    Args:
        gate: z, between zero and one.

    Example:
        >>> import torch
        >>> input_gain(torch.tensor([1.0, 0.08])).tolist()
        [1.0, 4.89897...]
    """
    return ((2 - gate) / gate).sqrt()


def spread_gates(size: int) -> Tensor:
    """Give biases at which a layer's time constants spread evenly, in their logarithm, from 2 to `1 + SLOWEST_NEURON` steps.

    Example:
        >>> [round(1 / share) for share in spread_gates(3).sigmoid().tolist()]
        [2, 7, 33]
    """
    return -torch.linspace(0.0, 1.0, size) * torch.log(torch.tensor(SLOWEST_NEURON))
