"""Plastic synapses as a layer: projections, the three-factor rule, and a gated way out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from llm_brain.brain.equations.gating import add_gated
from llm_brain.brain.equations.projections import project
from llm_brain.brain.equations.synapses import SynapseState, plastic_chunked
from llm_brain.brain.layers.modulators import initial_dopamine_bias
from llm_brain.brain.layers.precision import in_own_precision
from llm_brain.errors import ArgumentError

RETENTION_BIAS = 4.0


class PlasticSynapses(nn.Module):
    """A layer of fast weights alone: dopamine and retention come from the input, and there are no other modulators.

        q, k, v = projections of x, q and k of length one          one set a head
        m = tanh(W_m x + b_m)                                      dopamine, one a head
        alpha = sigmoid(W_alpha x + 4)                             retention, one a head
        E_t = lambda E_{t-1} + v_t k_t^T
        P_t = alpha_t P_{t-1} + m_t E_t
        y = W_o (norm(P_t q_t) * silu(W_g x))

    Args:
        size: d, the length of an input and of an output.
        heads: H; each has a value of length `d / H`.
        key_size: k, the length of a key; half of a value's when omitted (as in gated linear attention, Yang et al. 2024).
        chunk: Steps computed at once. It changes the speed and never the result.
        eligibility_decay: Where lambda starts, from the first head to the last.

    Raises:
        ArgumentError: `size` is no multiple of `heads`, or a key or rate cannot be.

    Example:
        >>> import torch
        >>> layer = PlasticSynapses(8, heads=2)
        >>> output, state = layer(torch.randn(5, 3, 8))
        >>> output.shape, state.plastic.shape
        (torch.Size([5, 3, 8]), torch.Size([3, 2, 4, 2]))
    """

    def __init__(
        self,
        size: int,
        *,
        heads: int = 4,
        key_size: int | None = None,
        chunk: int = 64,
        eligibility_decay: tuple[float, float] = (0.8, 0.9),
    ) -> None:
        super().__init__()
        self.size, self.heads, self.chunk = size, heads, chunk
        self.value_size = value_size(size, heads)
        self.key_size = length_of_key(self.value_size, key_size)
        self._sizes = [heads, heads, heads * self.key_size, heads * self.key_size, size, size]
        self.associate = nn.Parameter(torch.empty(sum(self._sizes), size))
        self.associate_bias = nn.Parameter(torch.zeros(2 * heads))  # of dopamine and retention
        self.retrieve = nn.Linear(size, size, bias=False)
        self.eligibility_logit = nn.Parameter(initial_eligibility(heads, eligibility_decay))
        nn.init.uniform_(self.associate, -(size**-0.5), size**-0.5)  # as nn.Linear does
        with torch.no_grad():
            dopamine, retention = self.associate_bias.chunk(2)
            dopamine.fill_(initial_dopamine_bias())
            retention.fill_(RETENTION_BIAS)

    @in_own_precision
    def forward(self, input: Tensor, state: SynapseState | None = None) -> tuple[Tensor, SynapseState]:  # noqa: A002 - as nn.GRU
        """Run a whole sequence.

        Args:
            input: `[T, B, d]`.
            state: E and P before the first step; zero when omitted.

        Returns:
            The output, `[T, B, d]`, and E and P after the last step.
        """
        query, key, value, signals, gate = self.associations(input)
        read, state = plastic_chunked(query, key, value, **signals, state=state, chunk=self.chunk)
        return self.readout(read, gate), state

    def associations(
        self,
        input: Tensor,  # noqa: A002 - as nn.GRU calls it
    ) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor], Tensor]:
        """Project the input to all that the rule needs.

        Returns:
            Query and key `[B, H, T, k]`, value `[B, H, T, d / H]`, the signals, and the gate of the output, `[T, B, d]`.

        Example:
            >>> import torch
            >>> PlasticSynapses(8, heads=2).associations(torch.randn(5, 3, 8))[0].shape
            torch.Size([3, 2, 5, 2])
        """
        dopamine, retention, query, key, value, gate = project(input, self.associate, self.associate_bias, self._sizes)
        signals = {
            "dopamine": dopamine.tanh().permute(1, 2, 0),
            "retention": retention.sigmoid().permute(1, 2, 0),
            "decay": self.eligibility_logit.sigmoid(),
        }
        query, key, value = (by_head(part, self.heads) for part in (query, key, value))
        return query, key, value, signals, gate

    def readout(self, read: Tensor, gate: Tensor) -> Tensor:
        """Mix what the heads have read, `[B, H, T, k]`, into an output, `[T, B, d]`.

        Example:
            >>> import torch
            >>> PlasticSynapses(8, heads=2).readout(torch.randn(3, 2, 5, 4), torch.randn(5, 3, 8)).shape
            torch.Size([5, 3, 8])
        """
        mixed = add_gated(torch.zeros_like(gate), read.permute(2, 0, 1, 3), gate)
        return functional.linear(mixed, self.retrieve.weight)


def by_head(projected: Tensor, heads: int) -> Tensor:
    """Rearrange `[T, B, H * k]` to `[B, H, T, k]`.

    Example:
        >>> import torch
        >>> by_head(torch.randn(5, 3, 8), 2).shape
        torch.Size([3, 2, 5, 4])
    """
    time, batch, _ = projected.shape
    return projected.reshape(time, batch, heads, -1).permute(1, 2, 0, 3)


def value_size(size: int, heads: int) -> int:
    """Divide a layer among its heads.

    Raises:
        ArgumentError: It does not divide.

    Example:
        >>> value_size(128, 4)
        32
    """
    if heads < 1 or size % heads:
        message = f"a size of {size} cannot be shared equally by {heads} heads: choose a multiple of {heads}"
        raise ArgumentError(message)
    return size // heads


def length_of_key(value: int, given: int | None) -> int:
    """Give the length of a key: half of a value's, rounded up, unless another is given.

    Raises:
        ArgumentError: It is less than one.

    Example:
        >>> length_of_key(5, None), length_of_key(5, 7)
        (3, 7)
    """
    length = -(-value // 2) if given is None else given
    if length < 1:
        message = f"a key has a length of one or more; got {length}: leave `key_size` out for half of a value's"
        raise ArgumentError(message)
    return length


def initial_eligibility(heads: int, decay: tuple[float, float]) -> Tensor:
    """Give the logits of lambda, `[H]`, spread evenly from the first head's to the last's.

    Raises:
        ArgumentError: A rate lies outside of zero to one.

    Example:
        >>> initial_eligibility(2, (0.8, 0.9)).sigmoid().tolist()
        [0.800000..., 0.89999...]
    """
    if not all(0 <= rate <= 1 for rate in decay):
        message = f"the eligibility decays at rates between zero and one; got {decay}"
        raise ArgumentError(message)
    return torch.logit(torch.linspace(*decay, heads))
