"""One block of the brain: modulators, neuron, plastic synapses and a gated MLP, for a whole sequence or a single step.

Data runs down this page. `norm` is RMSNorm without a learned gain, as each is followed by a matrix that could hold it.

    u  = norm(x)                                                 one projection feeds modulators and neuron
    n, m = modulators(u, r, delta)                               see `modulators`
    z  = sigmoid(W_z u + g_ACh n[ACh])                           acetylcholine opens the input gate
    c  = (1 + g_NE n[NE]) * W_c u                                noradrenaline is the gain of the candidate
    h_t = (1 - z_t) h_{t-1} + z_t c_t                            the neuron
    x' = x + W_h h                                               first residual
    u' = norm(x')                                                the synapses see what the neuron remembers
    q, k, v = projections of u', q and k of length one
    alpha = sigmoid(W_alpha u' + 4 + g_5HT n[5HT])               serotonin sets retention
    o  = plastic synapses (q, k, v, m, alpha, lambda)            see `synapses`
    x'' = x' + W_o (norm(o) * silu(W_g u'))                      second residual; norm(o) is taken a head
    y  = x'' + W_2 (silu(a) * b),   a, b = W_1 norm(x'')         third residual, the gated MLP, 2d wide

The gains g are learned: g_ACh and g_NE one a unit, g_5HT one a head. They start at one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from llm_brain.brain.modulators import CHANNELS, Channel, Modulators, initial_dopamine_bias
from llm_brain.brain.norms import rms_norm, unit_length
from llm_brain.brain.recurrences import gated_scan
from llm_brain.brain.synapses import SynapseState, plastic_chunked, plastic_step
from llm_brain.brain.tables import steps

RETENTION_BIAS = 4.0
SLOWEST_NEURON = 32.0


class BlockState(NamedTuple):
    """What one block carries from step to step. Immutable, and of a size that never depends on time.

    Attributes:
        tonic: Levels of the four modulators, `[B, 4]`.
        neuron: h, `[B, d]`.
        synapses: E and P, `[B, H, k, k]` each.

    Example:
        >>> BrainBlock(8, heads=2, head_size=4).initial_state(3).neuron.shape
        torch.Size([3, 8])
    """

    tonic: Tensor
    neuron: Tensor
    synapses: SynapseState


class BrainBlock(nn.Module):
    """One block. `forward` takes a sequence in parallel, `step` takes one step; both give the same numbers and state.

    Args:
        width: d, the size of the residual stream and of the neuron.
        heads: H, how many plastic matrices there are.
        head_size: k, the length of a key and of a value.
        chunk: Steps of the plastic synapses computed at once.
        dropout: Share of a sublayer's output that is dropped in training.
        eligibility_decay: Where lambda starts, from the first head to the last.
        ablate: Modulators frozen from the start.

    Example:
        >>> import torch
        >>> block = BrainBlock(16, heads=2, head_size=8)
        >>> x = torch.randn(3, 10, 16)
        >>> y, state = block(x)
        >>> first, memory = block(x[:, :6])
        >>> rest, _ = block(x[:, 6:], memory)
        >>> torch.allclose(torch.cat([first, rest], dim=1), y, atol=1e-4)
        True
    """

    def __init__(
        self,
        width: int,
        *,
        heads: int = 4,
        head_size: int = 32,
        chunk: int = 64,
        dropout: float = 0.0,
        eligibility_decay: tuple[float, float] = (0.8, 0.9),
        ablate: Iterable[Channel] = (),
    ) -> None:
        super().__init__()
        self.width, self.heads, self.head_size, self.chunk, self.dropout = width, heads, head_size, chunk, dropout
        inner = heads * head_size
        self._neuron_sizes = [width, width, len(CHANNELS), heads]
        self._synapse_sizes = [3 * inner, inner, heads]
        self.modulators = Modulators(heads, chunk=chunk, ablate=ablate)
        self.observe = nn.Linear(width, sum(self._neuron_sizes))
        self.recall = nn.Linear(width, width, bias=False)
        self.associate = nn.Linear(width, sum(self._synapse_sizes))
        self.retrieve = nn.Linear(inner, width, bias=False)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(2 * width, width)
        self.acetylcholine_gain = nn.Parameter(torch.ones(width))
        self.noradrenaline_gain = nn.Parameter(torch.ones(width))
        self.serotonin_gain = nn.Parameter(torch.ones(heads))
        self.eligibility_logit = nn.Parameter(torch.logit(torch.linspace(*eligibility_decay, heads)))
        self._start_gates()

    def initial_state(self, batch: int) -> BlockState:
        """Build the state before the first step: modulators at rest, all else empty.

        Example:
            >>> BrainBlock(8, heads=2, head_size=4).initial_state(1).synapses.plastic.abs().sum().item()
            0.0
        """
        like = self.recall.weight
        synapses = like.new_zeros(batch, self.heads, self.head_size, self.head_size)
        return BlockState(self.modulators.resting(batch), like.new_zeros(batch, self.width), SynapseState(synapses, synapses))

    def forward(
        self,
        x: Tensor,
        state: BlockState | None = None,
        reward: Tensor | None = None,
        prediction_error: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> tuple[Tensor, BlockState]:
        """Run a whole sequence.

        Args:
            x: `[B, T, d]`, T at least one.
            state: What to start from; `initial_state` when omitted.
            reward: What was received just before each step, `[B, T]`.
            prediction_error: What was recorded just before each step, `[B, T]`.
            lengths: Real steps of each row, `[B]`. Later ones, if finite, leave the state untouched; their output means
                nothing.

        Returns:
            The output, `[B, T, d]`, and the state after each row's last step.
        """
        before = (None, None, None) if state is None else state
        gate, candidate, drive, dopamine = self._observe(x)
        signals, tonic = self.modulators(
            drive, dopamine, before[0], reward=reward, prediction_error=prediction_error, lengths=lengths
        )
        retain, update = self._gate(gate, candidate, signals.tonic)
        if lengths is not None:
            padded = (steps(x.shape[1], x.device) >= lengths[:, None])[..., None]
            retain, update = retain.masked_fill(padded, 1.0), update.masked_fill(padded, 0.0)
        neuron = gated_scan(retain.transpose(0, 1), update.transpose(0, 1), before[1]).transpose(0, 1)
        x = x + self._drop(functional.linear(neuron, self.recall.weight))

        query, key, value, gate, log_retention = self._associate(x, signals.tonic)
        read, synapses = plastic_chunked(
            query,
            key,
            value,
            dopamine=signals.dopamine.transpose(1, 2),
            log_retention=log_retention.transpose(1, 2),
            log_decay=functional.logsigmoid(self.eligibility_logit),
            state=before[2],
            chunk=self.chunk,
            lengths=lengths,
        )
        x = x + self._drop(self._retrieve(read.transpose(1, 2), gate))
        return x + self._drop(self._mlp(x)), BlockState(tonic, neuron[:, -1], synapses)

    def step(
        self,
        x: Tensor,
        state: BlockState,
        reward: Tensor | None = None,
        prediction_error: Tensor | None = None,
    ) -> tuple[Tensor, BlockState]:
        """Run one step: the equations as written.

        Args:
            x: `[B, d]`.
            state: The state before the step.
            reward: What was received just before, `[B]`.
            prediction_error: What was recorded just before, `[B]`.

        Returns:
            The output, `[B, d]`, and the state after the step.

        Example:
            >>> import torch
            >>> block = BrainBlock(8, heads=2, head_size=4)
            >>> y, state = block.step(torch.randn(1, 8), block.initial_state(1))
            >>> y.shape
            torch.Size([1, 8])
        """
        x = x[:, None]
        gate, candidate, drive, dopamine = self._observe(x)
        signals, tonic = self.modulators(
            drive,
            dopamine,
            state.tonic,
            reward=None if reward is None else reward[:, None],
            prediction_error=None if prediction_error is None else prediction_error[:, None],
        )
        retain, update = self._gate(gate, candidate, signals.tonic)
        neuron = torch.addcmul(update[:, 0], retain[:, 0], state.neuron)
        x = x + self._drop(functional.linear(neuron, self.recall.weight))[:, None]

        query, key, value, gate, log_retention = self._associate(x, signals.tonic)
        read, synapses = plastic_step(
            query[:, :, 0],
            key[:, :, 0],
            value[:, :, 0],
            dopamine=signals.dopamine[:, 0],
            log_retention=log_retention[:, 0],
            log_decay=functional.logsigmoid(self.eligibility_logit),
            state=state.synapses,
        )
        x = x + self._drop(self._retrieve(read[:, None], gate))
        return (x + self._drop(self._mlp(x)))[:, 0], BlockState(tonic, neuron, synapses)

    def _observe(self, x: Tensor) -> tuple[Tensor, ...]:
        projected = functional.linear(rms_norm(x), self.observe.weight, self.observe.bias)
        return torch.split_with_sizes(projected, self._neuron_sizes, dim=-1)

    def _gate(self, gate: Tensor, candidate: Tensor, tonic: Tensor) -> tuple[Tensor, Tensor]:
        """Give what the neuron retains and what it takes in, `[B, T, d]` each."""
        _, acetylcholine, noradrenaline, _ = torch.split_with_sizes(tonic, [1, 1, 1, 1], dim=-1)
        opened = torch.addcmul(gate, acetylcholine, self.acetylcholine_gain).sigmoid()
        gained = torch.addcmul(candidate, candidate * noradrenaline, self.noradrenaline_gain)
        return 1 - opened, opened * gained

    def _associate(self, x: Tensor, tonic: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Give query, key and value `[B, H, T, k]`, the output gate `[B, T, H*k]` and log alpha `[B, T, H]`."""
        projected = functional.linear(rms_norm(x), self.associate.weight, self.associate.bias)
        pairs, gate, retention = torch.split_with_sizes(projected, self._synapse_sizes, dim=-1)
        pairs = pairs.view(*x.shape[:2], 3 * self.heads, self.head_size).transpose(1, 2).contiguous()
        addresses, value = torch.split_with_sizes(pairs, [2 * self.heads, self.heads], dim=1)
        query, key = unit_length(addresses).chunk(2, dim=1)
        log_retention = functional.logsigmoid(torch.addcmul(retention, tonic[..., 3:], self.serotonin_gain))
        return query, key, value, gate, log_retention

    def _retrieve(self, read: Tensor, gate: Tensor) -> Tensor:
        """Mix what the heads have read, `[B, T, H, k]`, into the residual stream."""
        mixed = rms_norm(read).flatten(-2) * functional.silu(gate)
        return functional.linear(mixed, self.retrieve.weight)

    def _mlp(self, x: Tensor) -> Tensor:
        expanded = functional.linear(rms_norm(x), self.expand.weight, self.expand.bias)
        gate, content = expanded.chunk(2, dim=-1)
        return functional.linear(functional.silu(gate) * content, self.contract.weight, self.contract.bias)

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout) if self.training and self.dropout else x

    def _start_gates(self) -> None:
        """Spread the neuron's time constants up to `SLOWEST_NEURON` steps, and open retention by `RETENTION_BIAS`."""
        with torch.no_grad():
            gate, candidate, drive, dopamine = torch.split_with_sizes(self.observe.bias, self._neuron_sizes)
            # sigmoid(-log s) is 1 / (1 + s); what acetylcholine adds at rest is taken off.
            gate.copy_(-torch.linspace(0.0, 1.0, self.width) * torch.log(torch.tensor(SLOWEST_NEURON)) - 0.5)
            candidate.zero_()
            drive.zero_()
            dopamine.fill_(initial_dopamine_bias())
            torch.split_with_sizes(self.associate.bias, self._synapse_sizes)[-1].fill_(RETENTION_BIAS)
