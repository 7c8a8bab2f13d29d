"""The settings of one training, with the ranges that an optimiser may search."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class TrainingSettings(BaseModel):
    """How a brain is trained.

    Example:
        >>> TrainingSettings(epochs=3).learning_rate
        0.003
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    epochs: int = Field(default=10, ge=1, le=200)
    """How often all pairs are seen."""
    batch_size: int = Field(default=64, ge=1)
    """Pairs in a step."""
    learning_rate: float = Field(default=3e-3, ge=1e-4, le=1e-2)
    """AdamW's peak step size, under a one-cycle schedule."""
    weight_decay: float = Field(default=0.05, ge=0.0, le=1.0)
    """AdamW's decay of the matrices."""
    distillation_temperature: float = Field(default=0.5, ge=0.1, le=2.0)
    """Below 1 sharpens the teacher's probabilities."""
    feedback_weight: float = Field(default=0.5, ge=0.0, le=4.0)
    """Weight of the evaluations' objective (RLOO) beside distillation."""
    feedback_prompts: int = Field(default=32, ge=1)
    """Prompts whose answers are evaluated in a step."""
    answers_per_prompt: int = Field(default=4, ge=2)
    """K: answers drawn to each such prompt."""
    entropy_bonus: float = Field(default=0.01, ge=0.0, le=1.0)
    """Weight of the entropy of the answers to evaluated prompts."""
    max_staleness: int = Field(default=4, ge=0)
    """How many updates old an evaluated answer may be."""
    gradient_clip: float = Field(default=1.0, gt=0.0)
    """Largest norm of a gradient."""
    averaging: float = Field(default=0.98, ge=0.0, lt=1.0)
    """Decay of the running average of the weights, which is what is validated and kept."""
    word_dropout: float = Field(default=0.1, ge=0.0, le=0.5)
    """Share of the tokens hidden in training."""
    validate_every: int = Field(default=2, ge=1)
    """Epochs between two validations."""
    patience: int = Field(default=3, ge=1)
    """Validations without a better score until the training stops early."""
    seed: int = 0
    """Of the order, the draws and the initial weights."""
