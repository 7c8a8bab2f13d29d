"""The configuration of a brain: all that its shape depends on, checked, immutable, and kept as JSON beside its weights."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from llm_brain.brain.modulators import Channel

Size = Annotated[int, Field(ge=1)]
Decay = Annotated[float, Field(gt=0.0, lt=1.0)]


class BrainConfig(BaseModel):
    """The shape of a brain.

    Example:
        >>> config = BrainConfig(input_size=576, choices=2)
        >>> config.width, config.heads, config.head_size
        (128, 4, 32)
        >>> BrainConfig(input_size=576, choices=2, ablate=("adrenaline",))
        Traceback (most recent call last):
        ...
        pydantic_core._pydantic_core.ValidationError: 1 validation error for BrainConfig
        ...
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    input_size: Size
    """Length of an input vector: a row of the embedding table, say."""
    choices: Size
    """How many classes the answer is chosen from."""
    vocabulary: Size | None = None
    """How many tokens the brain learns its own embedding for. None: it is given vectors, or a frozen embedding table."""
    width: Size = 128
    """d, the size of the residual stream and of the neuron."""
    blocks: Size = 1
    """How many blocks are stacked."""
    heads: Size = 4
    """How many plastic matrices a block has."""
    head_size: Size = 32
    """Length of a key and of a value."""
    chunk: Size = 64
    """Steps computed at once. It changes the speed and never the result."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Share of the inputs, of each sublayer's output and of the pooled features dropped in training."""
    eligibility_decay: tuple[Decay, Decay] = (0.8, 0.9)
    """Where lambda starts, from the first head to the last."""
    ablate: tuple[Channel, ...] = ()
    """Modulators that are frozen."""
