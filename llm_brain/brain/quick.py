"""A trained brain that answers one text in as few steps as can be, as a function is called: nobody else waits beside it.

    what a token says by itself     its vector, projected, and all that the first block reads off it: computed once a token
    what depends on the order       modulators; then one loop over time for the neuron and for the weights W of the synapses
    the rest                        as in the brain, without what only a batch, a state or a gradient needs

The answers are the brain's own, up to rounding. A text is read from a fresh state, and no state is given back.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from llm_brain.brain.equations.norms import inverse_length, rms_norm
from llm_brain.brain.equations.tables import lags, powers
from llm_brain.brain.heads.answers import Answer, Record, Text
from llm_brain.brain.heads.distribution import Distribution, Prompt
from llm_brain.brain.layers.block import BrainBlock
from llm_brain.brain.layers.modulators import CHANNELS, RESTING_LEVEL
from llm_brain.brain.layers.network import PlasticRNN
from llm_brain.brain.model import Brain

LONGEST = 256
"""Beyond it the weights of all pairs of steps are better computed a chunk at a time, as the brain itself does."""
MOST_TOKENS = 8192
"""What so many tokens say is remembered: some 20 MB at a width of 128."""


_Memory = tuple[dict[int, int], Tensor]
_Version = list[tuple[int, int]]


class QuickAnswer(NamedTuple):
    """What a brain answers to one text.

    Attributes:
        answer: The distribution over answers, of one row.
        features: What the brain says at each step, `[1, T, d]`.

    Example:
        >>> QuickAnswer._fields
        ('answer', 'features')
    """

    answer: Distribution[Any]
    features: Tensor


class QuickBrain:
    """Answers one text after the other as a brain would, in a third of its time or less.

    It follows the brain: when weights have changed, what was computed from them is forgotten. What writes into `parameter.data`
    in place is the exception, for nothing tells of it: call `forget` afterwards, or write under `torch.no_grad()` instead.

    Args:
        brain: May be trained on meanwhile; see `is_ready`.

    Example:
        >>> from llm_brain.brain import BrainConfig, Choice
        >>> brain = Brain(BrainConfig(input_size=4, answer=Choice(options=2), vocabulary=9, width=8, heads=2)).eval()
        >>> quick, tokens = QuickBrain(brain), [3, 1, 4, 1]
        >>> bool((quick.read(tokens).answer.logits - brain(torch.tensor([tokens])).answer.logits).abs().max() < 1e-5)
        True
    """

    def __init__(self, brain: Brain) -> None:
        self._brain = brain
        self._fits = type(brain.network) is PlasticRNN and brain.config.conv_size == 1 and not _writes(brain.config.answer)
        self._blocks = brain.network.blocks() if self._fits else []
        self._weights: list[Tensor] = [brain.readout.attention, *brain.network.parameters()]
        if brain.tokens is not None:
            self._weights.append(brain.tokens.weight)
        self._known: _Known | None = None

    def __reduce__(self) -> tuple[type[QuickBrain], tuple[Brain]]:
        """Copy and pickle the brain alone: what was computed from it is soon computed anew."""
        return QuickBrain, (self._brain,)

    def is_ready(self, tokens: Sequence[int]) -> bool:
        """Tell whether this text can be answered here, by a brain that is as it is now.

        It cannot where the brain is in training, on an accelerator, recorded or ablated, writes texts or sees several inputs at
        once, and where the text is very long.

        Example:
            >>> from llm_brain.brain import BrainConfig, Choice
            >>> quick = QuickBrain(Brain(BrainConfig(input_size=4, answer=Choice(options=2), vocabulary=9, width=8, heads=2)))
            >>> quick.is_ready([3, 1])  # dropout is on until `eval()`
            False
        """
        return (
            self._fits
            and not self._brain.training
            and 0 < len(tokens) <= LONGEST
            and self._weights[0].is_cpu
            and not self._weights[0].is_inference()  # such tensors do not tell when they have changed
            and not torch.is_autocast_enabled("cpu")
            and not any(block.ablated or block.modulators._forward_hooks for block in self._blocks)  # noqa: SLF001 - no other way
        )

    @torch.inference_mode()
    def read(self, tokens: Sequence[int]) -> QuickAnswer:
        """Answer one text.

        Args:
            tokens: Of the text, for which `is_ready`.

        Raises:
            ArgumentError: The brain has no embedding for tokens, or a token is none of them.
        """
        brain, known = self._brain, self._current()
        x = torch.empty(0)
        for place, block in enumerate(known.blocks):
            x = block.read(known.said(tokens) if place == 0 else block.said(x))
        features = rms_norm(x)
        weights = torch.sigmoid(features @ brain.readout.attention)
        weight = weights.sum().clamp_min_(torch.finfo(weights.dtype).tiny)
        pooled = torch.cat([(weights @ features) / weight, features[-1]])
        return QuickAnswer(brain.head(Prompt(pooled[None], brain.network, known.nothing)), features[None])

    def forget(self) -> None:
        """Forget what was computed from the weights, after a change that nothing tells of."""
        self._known = None

    def _current(self) -> _Known:
        """Give what is known of the weights as they are now."""
        known = self._known
        # Weights are changed in place, which autograd counts, or get other memory, as `brain.double()` gives them.
        version = [(weight._version, weight.data_ptr()) for weight in self._weights]  # noqa: SLF001
        if known is None or known.version != version or known.embedding is not self._brain.embedding:
            known = self._known = _Known(self._brain, version)
        return known


class _Known:
    """What was computed from a brain's weights. Threads may read here while one of them writes."""

    def __init__(self, brain: Brain, version: _Version) -> None:
        self.version, self.embedding = version, brain.embedding
        self.blocks = [_Block(block) for block in brain.network.blocks()]
        self.nothing = brain.network.initial_state(1)
        self._brain, self._project = brain, brain.network.project
        self._lock = threading.Lock()
        self._memory: _Memory = ({}, torch.empty(0, self.blocks[0].size))

    def said(self, tokens: Sequence[int]) -> Tensor:
        """Give what each token says by itself, `[T, columns]`; see `_Block.said`."""
        places, rows = self._memory
        try:
            return rows.index_select(0, torch.tensor([places[token] for token in tokens]))
        except KeyError:
            places, rows = self._learned(tokens)
            return rows.index_select(0, torch.tensor([places[token] for token in tokens]))

    def _learned(self, tokens: Sequence[int]) -> _Memory:
        with self._lock:
            places, rows = self._memory
            new = sorted(set(tokens) - places.keys())
            if not new:  # another thread was faster
                return self._memory
            if len(places) + len(new) > MOST_TOKENS:
                new, places, rows = sorted(set(tokens)), {}, rows[:0]
            vectors = self._brain.embed(torch.tensor(new, dtype=torch.long))
            said = self.blocks[0].said(functional.linear(vectors, self._project.weight, self._project.bias))
            start, end = len(places), len(places) + len(new)
            if end > len(rows):  # others may still read from what was there: they keep a table and places of their own
                places, before, rows = dict(places), rows, said.new_empty(2 * end, said.shape[1])
                rows[:start] = before[:start]
            rows[start:end] = said
            places.update(zip(new, range(start, end), strict=True))
            self._memory = (places, rows)
            return self._memory


class _Block:
    """One block: its weights laid out for one text. See `layers.block` for the equations."""

    def __init__(self, block: BrainBlock) -> None:
        self._block, modulators = block, block.modulators
        self._heads, self._width = block.heads, block.width
        width, heads, keys, channels = block.width, block.heads, block.heads * block.key_size, len(CHANNELS)
        self._retention = modulators.retention_logit.sigmoid()
        self._decay = block.eligibility_logit.sigmoid()
        # Gates are laid out as what they keep, 1 - z = sigmoid(-a); the gain of the candidate is one, but for noradrenaline.
        sizes = [width, channels, heads, heads, width, keys, keys, width]
        gate, drive, dopamine, retention, candidate, query, key, way_out = block.observe.split(sizes)
        parts = [-gate, retention, torch.zeros_like(gate), dopamine, drive, candidate, query, key, way_out]
        self._observe = torch.cat(parts).t().contiguous()
        self._bias = self._observe.new_zeros(self._observe.shape[1])
        gate, drive, dopamine, retention = block.observe_bias.split(sizes[:4])
        torch.cat([-gate, retention, torch.ones_like(gate), dopamine, drive], out=self._bias[: 2 * (width + heads) + channels])
        # Which level reaches which signal. Levels come as deviations from rest, where dopamine has none.
        levels = [(1, -block.acetylcholine_gain), (3, block.serotonin_gain), (2, block.noradrenaline_gain)]
        self._reach, start = self._observe.new_zeros(channels, 2 * (width + heads)), 0
        for channel, gain in levels:
            self._reach[channel, start : start + len(gain)] = gain
            start += len(gain)
        self._bias[:start] += RESTING_LEVEL * self._reach[:, :start].sum(0)
        self._reach[0, start:] = modulators.tonic_to_dopamine
        self._observed = [2 * (width + heads), channels, width, 2 * keys, width]
        self._said = [*self._observed[:3], keys, keys, width, width]
        self.size = sum(self._said)
        self._out = block.retrieve.weight.t()
        if block.expansion:
            self._expand, self._contract = block.expand.weight.t().contiguous(), block.contract.weight.t()
        self._tables = self._tabulated(1)

    def said(self, x: Tensor) -> Tensor:
        """Give all that a step says by itself: `[n, d]` to `[n, columns]`."""
        whole = torch.addmm(self._bias, rms_norm(x), self._observe)
        _, drive, _, addresses, way_out = torch.split_with_sizes(whole, self._observed, dim=-1)
        drive.sigmoid_().sub_(RESTING_LEVEL).mul_(1 - self._retention)
        addresses = addresses.view(len(x), 2 * self._heads, -1)
        addresses.mul_(inverse_length(addresses, 1.0))
        functional.silu(way_out, inplace=True)
        return torch.cat([whole, x], dim=-1)

    def read(self, said: Tensor) -> Tensor:
        """Read what was said in its order: `[T, columns]` to `[T, d]`."""
        time, heads, width = said.shape[0], self._heads, self._width
        signals, drive, candidate, query, key, way_out, x = torch.split_with_sizes(said, self._said, dim=-1)
        averages, decays = self._tables
        if averages.shape[-1] < time:
            averages, decays = self._tables = self._tabulated(time)
        level = torch.bmm(averages[:, :time, :time], drive.t().unsqueeze(-1)).squeeze(-1)
        signals = torch.addmm(signals, level.t(), self._reach)
        opened, gain, dopamine = torch.split_with_sizes(signals, [width + heads, width, heads], dim=-1)
        opened.sigmoid_()
        # The neuron and W are one recurrence, y_t = kept_t y_{t-1} + new_t: columns of h, then of W a head.
        kept, new = said.new_empty(2, time, width + heads * time).unbind(0)
        kept[:, :width] = opened[:, :width]
        kept[:, width:].view(time, heads, time).copy_(opened[:, width:, None].expand(-1, -1, time))
        gain.mul_(candidate)
        torch.addcmul(gain, gain, opened[:, :width], value=-1.0, out=new[:, :width])
        torch.mul(dopamine.tanh_().unsqueeze(-1), decays[:time, :, :time], out=new[:, width:].view(time, heads, time))
        factors, rows = kept.unbind(0), new.unbind(0)
        for t in range(1, time):
            rows[t].addcmul_(factors[t], rows[t - 1])
        similar = torch.bmm(query.view(time, heads, -1).transpose(0, 1), key.view(time, heads, -1).permute(1, 2, 0))
        similar.mul_(new[:, width:].view(time, heads, time).transpose(0, 1))
        found = torch.bmm(similar, candidate.view(time, heads, -1).transpose(0, 1)).transpose(0, 1)
        mixed = torch.addcmul(new[:, :width], rms_norm(found).reshape(time, width), way_out)
        return self._mlp(torch.addmm(x, mixed, self._out))

    def _mlp(self, x: Tensor) -> Tensor:
        if not self._block.expansion:
            return x
        gate, content = torch.addmm(self._block.expand.bias, rms_norm(x), self._expand).chunk(2, dim=-1)
        return torch.addmm(x, functional.silu(gate).mul_(content), self._contract)

    def _tabulated(self, time: int) -> tuple[Tensor, Tensor]:
        """Tabulate how much of each earlier step is left at each: of the levels `[4, T, T]`, of eligibility `[T, H, T]`."""
        length = 1 << (time - 1).bit_length()
        averages, decays = (
            powers(rate, length)[:, lags(length, rate.device)].contiguous() for rate in (self._retention, self._decay)
        )
        return averages, decays.transpose(0, 1).contiguous()


def _writes(answer: Answer) -> bool:
    return any(map(_writes, answer.fields.values())) if isinstance(answer, Record) else isinstance(answer, Text)
