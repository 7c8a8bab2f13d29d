"""One block of the brain: modulators, neuron, plastic synapses and a gated MLP, for a whole sequence or a single step.

Data runs down this page. `norm` is RMSNorm without a learned gain, as each is followed by a matrix that could hold it.

    u  = norm(x)                                                 one matrix product feeds all of the following
    n, m = modulators(u, r, delta)                               see `modulators`
    z  = sigmoid(W_z u + g_ACh n[ACh])                           acetylcholine opens the input gate
    c  = (1 + g_NE n[NE]) * W_c u                                noradrenaline is the gain of the candidate
    h_t = (1 - z_t) h_{t-1} + z_t c_t                            the neuron
    q, k = projections of u of length one;  v = W_c u            the synapses bind what the neuron could take in
    alpha = sigmoid(W_alpha u + 4 + g_5HT n[5HT])                serotonin sets retention
    o  = plastic synapses (q, k, v, m, alpha, lambda)            see `equations.synapses`
    x' = x + W_o (norm(o) * silu(W_g u) + h)                     neuron and synapses share the way out; norm(o) is taken a head
    y  = x' + W_2 (silu(a) * b),   a, b = W_1 norm(x')           the gated MLP, 2d wide

The gains g are learned: g_ACh and g_NE one a unit, g_5HT one a head. They start at one. Synapses bind what the block is given at
each step; what its neuron remembers reaches the synapses of the next block.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from llm_brain.brain.equations.gating import add_gated
from llm_brain.brain.equations.neuron import Modulation, modulated_candidate, modulated_gate, neuron_scan
from llm_brain.brain.equations.norms import rms_norm
from llm_brain.brain.equations.projections import project
from llm_brain.brain.equations.synapses import SynapseState, plastic_chunked, plastic_step
from llm_brain.brain.equations.tables import steps
from llm_brain.brain.layers.ablations import Ablation, checked_ablations
from llm_brain.brain.layers.modulators import CHANNELS, Modulators, ModulatorSignals, initial_dopamine_bias
from llm_brain.brain.layers.neuron import input_gain, spread_gates
from llm_brain.brain.layers.plastic import RETENTION_BIAS, by_head, initial_eligibility, length_of_key, value_size
from llm_brain.brain.layers.precision import in_own_precision
from llm_brain.errors import ArgumentError


class BlockState(NamedTuple):
    """What one block carries from step to step. Immutable, and of a size that never depends on time.

    Attributes:
        tonic: Levels of the four modulators, `[B, 4]`.
        neuron: h, `[B, d]`.
        synapses: E and P, `[B, H, d / H, k]` each.

    Example:
        >>> BrainBlock(8, heads=2).initial_state(3).neuron.shape
        torch.Size([3, 8])
    """

    tonic: Tensor
    neuron: Tensor
    synapses: SynapseState


class Observation(NamedTuple):
    """All that a block reads off its input, by one matrix: `[..., d]` each but for signals and addresses.

    Attributes:
        gate: Of the neuron, before acetylcholine.
        signals: The modulators' drive, then dopamine and retention of each head before them, `[..., 4 + 2H]`.
        candidate: What the neuron could take in, before noradrenaline. It is what the synapses bind, too.
        query: Of the synapses, `[..., H * k]`.
        key: Of the synapses, `[..., H * k]`.
        way_out: The gate of what the synapses have read.

    Example:
        >>> Observation._fields[0]
        'gate'
    """

    gate: Tensor
    signals: Tensor
    candidate: Tensor
    query: Tensor
    key: Tensor
    way_out: Tensor


class BrainBlock(nn.Module):
    """One block. `forward` takes a sequence in parallel, `step` takes one step; both give the same numbers and state.

    Args:
        width: d, the size of the residual stream, of the neuron, and of all heads together.
        heads: H, how many plastic matrices there are, of `[d / H, k]` each.
        key_size: k, the length of a key; half of a value's, `d / H`, when omitted, as in gated linear attention (Yang et al.
            2024).
        expansion: How many times d the gated MLP is wide; 0 for none.
        chunk: Steps of the plastic synapses computed at once.
        dropout: Share of a sublayer's output that is dropped in training.
        eligibility_decay: Where lambda starts, from the first head to the last.
        ablate: What is switched off from the start; see `set_ablation`.

    Raises:
        ArgumentError: A size or rate cannot be, `width` is no multiple of `heads`, or nothing of that name can be ablated.

    Example:
        >>> import torch
        >>> block = BrainBlock(16, heads=2)
        >>> x = torch.randn(10, 3, 16)
        >>> y, state = block(x)
        >>> first, memory = block(x[:6])
        >>> rest, _ = block(x[6:], memory)
        >>> torch.allclose(torch.cat([first, rest]), y, atol=1e-4)
        True
    """

    def __init__(
        self,
        width: int,
        *,
        heads: int = 4,
        key_size: int | None = None,
        expansion: int = 2,
        chunk: int = 64,
        dropout: float = 0.0,
        eligibility_decay: tuple[float, float] = (0.8, 0.9),
        ablate: Iterable[Ablation] = (),
    ) -> None:
        super().__init__()
        if expansion < 0 or chunk < 1 or not 0 <= dropout <= 1:
            message = f"expansion is 0 or more, chunk 1 or more, dropout a share; got {expansion}, {chunk} and {dropout}"
            raise ArgumentError(message)
        self.width, self.heads, self.value_size = width, heads, value_size(width, heads)
        self.key_size = length_of_key(self.value_size, key_size)
        self.expansion, self.chunk, self.dropout = expansion, chunk, dropout
        keys = heads * self.key_size
        self._sizes = [width, len(CHANNELS) + 2 * heads, width, keys, keys, width]
        self._signal_sizes = [len(CHANNELS), heads, heads]
        self.modulators = Modulators(heads, chunk=chunk)
        self.observe = nn.Parameter(torch.empty(sum(self._sizes), width))
        self.observe_bias = nn.Parameter(torch.zeros(sum(self._sizes[:2])))  # of gates and signals
        self.retrieve = nn.Linear(width, width, bias=False)
        if expansion:
            self.expand = nn.Linear(width, 2 * expansion * width)
            self.contract = nn.Linear(expansion * width, width, bias=False)
        self.acetylcholine_gain = nn.Parameter(torch.ones(width))
        self.noradrenaline_gain = nn.Parameter(torch.ones(width))
        self.serotonin_gain = nn.Parameter(torch.ones(heads))
        self.eligibility_logit = nn.Parameter(initial_eligibility(heads, eligibility_decay))
        self._start()
        self.set_ablation(ablate)

    def set_ablation(self, ablations: Iterable[Ablation]) -> None:
        """Switch these off and all others on.

        A modulator is frozen to its mean (see `modulators`). Without "eligibility", lambda is zero: dopamine commits nothing but
        the pair of its own step. Without "plasticity" the synapses read and keep nothing.

        Raises:
            ArgumentError: There is none of that name.

        Example:
            >>> block = BrainBlock(8, heads=2)
            >>> block.set_ablation(["eligibility"])
            >>> sorted(block.ablated)
            ['eligibility']
        """
        self.ablated = checked_ablations(ablations)
        self.modulators.set_ablation(channel for channel in CHANNELS if channel in self.ablated)

    def initial_state(self, batch: int) -> BlockState:
        """Build the state before the first step: modulators at rest, all else empty.

        Example:
            >>> BrainBlock(8, heads=2).initial_state(1).synapses.plastic.abs().sum().item()
            0.0
        """
        like = self.retrieve.weight
        synapses = like.new_zeros(batch, self.heads, self.value_size, self.key_size)
        return BlockState(self.modulators.resting(batch), like.new_zeros(batch, self.width), SynapseState(synapses, synapses))

    @in_own_precision
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
            x: `[T, B, d]`, T at least one.
            state: What to start from; `initial_state` when omitted.
            reward: What was received just before each step, `[T, B]`.
            prediction_error: What was recorded just before each step, `[T, B]`.
            lengths: Real steps of each row, `[B]`. Later ones, if finite, leave the state untouched; their output means
                nothing.

        Returns:
            The output, `[T, B, d]`, and the state after each row's last step.
        """
        before = (None, None, None) if state is None else state
        seen = self._observe(x)
        drive, dopamine, retention = torch.split_with_sizes(seen.signals, self._signal_sizes, dim=-1)
        signals, tonic = self.modulators(
            drive, dopamine, before[0], reward=reward, prediction_error=prediction_error, lengths=lengths
        )
        padded = None if lengths is None else (steps(x.shape[0], x.device)[:, None] >= lengths)[..., None]
        neuron = neuron_scan(seen.gate, seen.candidate, self._modulation(signals), before[1], padded)
        mixed, synapses = neuron, before[2]
        if "plasticity" not in self.ablated:
            read, synapses = plastic_chunked(
                *(by_head(part, self.heads) for part in (seen.query, seen.key, seen.candidate)),
                dopamine=signals.dopamine.permute(1, 2, 0),
                retention=self._retention(retention, signals).permute(1, 2, 0),
                decay=self._decay(),
                state=before[2],
                chunk=self.chunk,
                lengths=lengths,
            )
            mixed = add_gated(neuron, read.permute(2, 0, 1, 3), seen.way_out)
        if synapses is None:
            synapses = self.initial_state(x.shape[1]).synapses
        x = self._add(x, mixed, self.retrieve)
        return self._mlp(x), BlockState(tonic, neuron[-1].clone(), synapses)  # a view would keep the whole sequence

    @in_own_precision
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
            >>> block = BrainBlock(8, heads=2)
            >>> y, state = block.step(torch.randn(1, 8), block.initial_state(1))
            >>> y.shape
            torch.Size([1, 8])
        """
        seen = self._observe(x)
        drive, dopamine, retention = torch.split_with_sizes(seen.signals, self._signal_sizes, dim=-1)
        signals, tonic = self.modulators(
            drive[None],
            dopamine[None],
            state.tonic,
            reward=None if reward is None else reward[None],
            prediction_error=None if prediction_error is None else prediction_error[None],
        )
        signals = ModulatorSignals(*(signal[0] for signal in signals))
        modulation = self._modulation(signals)
        neuron = torch.lerp(state.neuron, modulated_candidate(seen.candidate, modulation), modulated_gate(seen.gate, modulation))
        mixed, synapses = neuron, state.synapses
        if "plasticity" not in self.ablated:
            read, synapses = plastic_step(
                *(part.unflatten(-1, (self.heads, -1)) for part in (seen.query, seen.key, seen.candidate)),
                dopamine=signals.dopamine,
                retention=self._retention(retention, signals),
                decay=self._decay(),
                state=state.synapses,
            )
            mixed = add_gated(neuron, read, seen.way_out)
        x = self._add(x, mixed, self.retrieve)
        return self._mlp(x), BlockState(tonic, neuron, synapses)

    def _observe(self, x: Tensor) -> Observation:
        return Observation(*project(rms_norm(x), self.observe, self.observe_bias, self._sizes))

    def _modulation(self, signals: ModulatorSignals) -> Modulation:
        return Modulation(
            signals.channel("acetylcholine"), self.acetylcholine_gain, signals.channel("noradrenaline"), self.noradrenaline_gain
        )

    def _retention(self, retention: Tensor, signals: ModulatorSignals) -> Tensor:
        return torch.addcmul(retention, signals.channel("serotonin"), self.serotonin_gain).sigmoid()

    def _decay(self) -> Tensor:
        decay = self.eligibility_logit.sigmoid()
        return torch.zeros_like(decay) if "eligibility" in self.ablated else decay

    def _mlp(self, x: Tensor) -> Tensor:
        if not self.expansion:
            return x
        gate, content = functional.linear(rms_norm(x), self.expand.weight, self.expand.bias).chunk(2, dim=-1)
        return self._add(x, functional.silu(gate) * content, self.contract)

    def _add(self, x: Tensor, mixed: Tensor, layer: nn.Linear) -> Tensor:
        """Add a layer's output to the residual stream, `[..., d]`; without dropout the product adds to it by itself."""
        if self.training and self.dropout:
            return x + functional.dropout(functional.linear(mixed, layer.weight), self.dropout)
        size = mixed.shape[-1]
        return torch.addmm(x.reshape(-1, self.width), mixed.reshape(-1, size), layer.weight.t()).view(x.shape)

    def _start(self) -> None:
        """Spread the neuron's time constants, centre dopamine on its mean and let the synapses keep what they learn."""
        nn.init.uniform_(self.observe, -(self.width**-0.5), self.width**-0.5)  # as nn.Linear does
        with torch.no_grad():
            gate, drive, dopamine, retention = self.observe_bias.split([self.width, *self._signal_sizes])
            gate.copy_(spread_gates(self.width) - 0.5)  # what acetylcholine adds at rest is taken off
            candidate = self.observe.split(self._sizes)[2]
            candidate *= input_gain(spread_gates(self.width).sigmoid())[:, None]
            drive.zero_()
            dopamine.fill_(initial_dopamine_bias())
            retention.fill_(RETENTION_BIAS)
