"""What a brain remembers, and what it answers. Both are immutable: a call gives a new state and keeps the old one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from llm_brain.brain.block import BlockState
from llm_brain.brain.readout import ReadingState
from llm_brain.brain.synapses import SynapseState


class BrainState(NamedTuple):
    """All that a brain remembers. Immutable, and of a size that never depends on how much was read.

    Attributes:
        blocks: The state of each block.
        reading: What was read in this turn.

    Example:
        >>> from llm_brain.brain import Brain, BrainConfig
        >>> brain = Brain(BrainConfig(input_size=4, choices=2, width=8, heads=2, head_size=4))
        >>> brain.initial_state(3).blocks[0].neuron.shape
        torch.Size([3, 8])
    """

    blocks: tuple[BlockState, ...]
    reading: ReadingState

    def next_turn(self) -> BrainState:
        """Keep neurons, synapses and modulators, and start the answer anew: the next call is another question."""
        return self._replace(reading=ReadingState(*(torch.zeros_like(part) for part in self.reading)))

    def detach(self) -> BrainState:
        """Cut the gradient, so that a long life is trained piece by piece."""
        blocks = tuple(
            BlockState(block.tonic.detach(), block.neuron.detach(), SynapseState(*_detached(block.synapses)))
            for block in self.blocks
        )
        return BrainState(blocks, ReadingState(*_detached(self.reading)))


class BrainOutput(NamedTuple):
    """What a brain answers.

    Attributes:
        logits: One a choice, from all that was read in this turn, `[B, choices]`.
        value: The evaluation it expects, `[B]`. Its gradient reaches the value head alone.
        features: What it says at each step, `[B, T, d]`, or `[B, d]` for one step. Zero where the input is padding.
        state: What it remembers now.

    Example:
        >>> BrainOutput._fields
        ('logits', 'value', 'features', 'state')
    """

    logits: Tensor
    value: Tensor
    features: Tensor
    state: BrainState


def _detached(state: Iterable[Tensor]) -> Iterator[Tensor]:
    return (part.detach() for part in state)
