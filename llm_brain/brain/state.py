"""What a brain remembers, and what it answers. Both are immutable: a call gives a new state and keeps the old one."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from llm_brain.brain.heads.distribution import Distribution
from llm_brain.brain.layers.state import CarriedState, NetworkState
from llm_brain.brain.readout import ReadingState


class _BrainFields(NamedTuple):
    network: NetworkState
    reading: ReadingState


class BrainState(CarriedState, _BrainFields):
    """All that a brain remembers. Immutable, and of a size that never depends on how much was read.

    Attributes:
        network: The state of the network.
        reading: What was read in this turn.

    Example:
        >>> from llm_brain.brain import Brain, BrainConfig, Choice
        >>> brain = Brain(BrainConfig(input_size=4, answer=Choice(options=2), width=8, heads=2))
        >>> state = brain.initial_state(3)
        >>> list(state.rows(slice(0, 1)).tensors())[:2], list(state.tensors())[-1]
        (['network.recent', 'network.blocks.0.tonic'], 'reading.last')
    """

    __slots__ = ()

    def next_turn(self) -> BrainState:
        """Keep neurons, synapses and modulators, and start the answer anew: the next call is another question."""
        return self._replace(reading=ReadingState(*(torch.zeros_like(part) for part in self.reading)))


class BrainOutput(NamedTuple):
    """What a brain answers.

    Attributes:
        answer: The distribution over answers, from all that was read in this turn, of the kind that the configuration asks for.
        value: The evaluation it expects, `[B]`. Its gradient reaches the value head alone.
        features: What it says at each step, `[B, T, d]`, or `[B, d]` for one step. Zero where the input is padding.
        state: What it remembers now.

    Example:
        >>> BrainOutput._fields
        ('answer', 'value', 'features', 'state')
    """

    answer: Distribution[Any]
    value: Tensor
    features: Tensor
    state: BrainState
