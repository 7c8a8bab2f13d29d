"""The configuration of a brain: all that its shape depends on, checked, immutable, and kept as JSON beside its weights."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from llm_brain.brain.heads.answers import Answer
from llm_brain.brain.layers.ablations import Ablation

Size = Annotated[int, Field(ge=1)]
Decay = Annotated[float, Field(gt=0.0, lt=1.0)]


class BrainConfig(BaseModel):
    """The shape of a brain.

    Example:
        >>> from llm_brain.brain import Choice
        >>> config = BrainConfig(input_size=576, answer=Choice(options=2))
        >>> config.width, config.blocks, config.heads
        (128, 1, 4)
        >>> BrainConfig(input_size=576, answer=Choice(options=2), ablate=("adrenaline",))
        Traceback (most recent call last):
        ...
        pydantic_core._pydantic_core.ValidationError: 2 validation errors for BrainConfig
        ...
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    input_size: Size
    """Length of an input vector: a row of the embedding table, say."""
    answer: Answer
    """What the brain is asked for: it decides the head."""
    vocabulary: Size | None = None
    """How many tokens the brain learns its own embedding for. None: it is given vectors, or a frozen embedding table."""
    width: Size = 128
    """d, the size of the residual stream, of the neuron, and of all heads of the synapses together."""
    blocks: Size = 1
    """How many blocks are stacked."""
    heads: Size = 4
    """How many plastic matrices a block has, of `[width / heads, key_size]` each."""
    key_size: Size | None = None
    """Length of a key; half of a value's, `width / heads`, when omitted."""
    expansion: Annotated[int, Field(ge=0)] = 2
    """How many times d the gated MLP is wide; 0 for none."""
    conv_size: Size = 1
    """How many of the last inputs a step sees."""
    chunk: Size = 64
    """Steps computed at once. It changes the speed and never the result."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Share of the inputs, of each sublayer's output and of the pooled features dropped in training."""
    eligibility_decay: tuple[Decay, Decay] = (0.8, 0.9)
    """Where lambda starts, from the first head to the last."""
    ablate: tuple[Ablation, ...] = ()
    """What is switched off: modulators, "eligibility", "plasticity"."""

    @model_validator(mode="after")
    def _check_heads(self) -> Self:
        if self.width % self.heads:
            message = f"a width of {self.width} cannot be shared equally by {self.heads} heads: choose a multiple of {self.heads}"
            raise ValueError(message)
        return self
