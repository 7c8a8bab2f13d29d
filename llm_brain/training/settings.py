"""The settings of one training."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from llm_brain.training.loop.schedule import ScheduleName

ObjectiveName = Literal["rloo", "reinforce", "grpo", "grpo_without_std", "dpo", "best_of_k"]


class TrainingSettings(BaseModel):
    """How a brain is trained.

    Example:
        >>> TrainingSettings(epochs=3).learning_rate
        0.003
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    epochs: int = Field(default=10, ge=1)
    """How often all pairs are seen."""
    batch_size: int = Field(default=64, ge=1)
    """Pairs in a step."""
    learning_rate: float = Field(default=3e-3, gt=0.0, le=1.0)
    """AdamW's largest step size."""
    schedule: ScheduleName = "one_cycle"
    """How the step size goes over the training; see `llm_brain.training.loop.schedule`."""
    accumulate: int = Field(default=1, ge=1)
    """In how many parts a step is computed, one after the other, to need less memory."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the activations, where the device has it."""
    weight_decay: float = Field(default=0.05, ge=0.0, le=1.0)
    """AdamW's decay of the matrices."""
    distillation_temperature: float = Field(default=0.5, gt=0.0)
    """Below 1 sharpens the teacher's probabilities."""
    distillation_end: float = Field(default=1.0, ge=0.0, le=1.0)
    """What is left at the end of the weight of the pairs' loss, which falls from 1 in a line. Below 1, evaluations may correct
    what the pairs have wrong."""
    feedback_weight: float = Field(default=0.5, ge=0.0)
    """Weight of the evaluations' objective beside the examples' loss; 0: nobody is asked."""
    objective: ObjectiveName = "rloo"
    """What evaluated answers are turned into; see `llm_brain.training.objectives`."""
    prompts: int = Field(default=400, ge=0)
    """Inputs, taken from the pairs that are learned from, whose answers by the brain are evaluated."""
    feedback_prompts: int = Field(default=32, ge=1)
    """Prompts whose answers are evaluated in a step."""
    answers_per_prompt: int = Field(default=4, ge=1)
    """K: answers drawn to each such prompt; 1 only where the objective is "reinforce", and needs no other to compare with."""
    entropy_bonus: float = Field(default=0.01, ge=0.0, le=1.0)
    """Weight of the entropy of the answers to evaluated prompts."""
    kl_weight: float = Field(default=0.0, ge=0.0, le=1.0)
    """Weight of the distance from a slow reference, the running average of the weights; .01 to .04 is usual."""
    evaluations_in_flight: int = Field(default=16, ge=1)
    """Evaluations that are asked for at a time; while so many are under way, no more answers are drawn."""
    evaluation_budget: int | None = Field(default=None, ge=1)
    """Evaluations that may be asked for in all; a predictor learns to stand in for the others. None: no limit."""
    max_staleness: int = Field(default=4, ge=0)
    """How many updates old an evaluated answer may be; with an `evaluation_budget` it may be of any age."""
    gradient_clip: float = Field(default=1.0, gt=0.0)
    """Largest norm of a gradient."""
    averaging: float = Field(default=0.98, ge=0.0, lt=1.0)
    """Decay of the running average of the weights, which is what is validated and kept."""
    word_dropout: float = Field(default=0.1, ge=0.0, le=0.5)
    """Share of the tokens hidden in training."""
    held_out: float = Field(default=0.2, gt=0.0, lt=1.0)
    """Share of the pairs that is not learned from: half of it validates, half calibrates a cascade."""
    validate_every: int = Field(default=2, ge=1)
    """Epochs between two validations."""
    patience: int = Field(default=3, ge=1)
    """Validations without a better score until the training stops early."""
    save_every: int = Field(default=100, ge=1)
    """Updates between two checkpoints; the end of an epoch has one in any case."""
    seed: int = 0
    """Of the order, the draws and the initial weights."""

    @field_validator("answers_per_prompt")
    @classmethod
    def _has_others_to_compare_with(cls, number: int, info: ValidationInfo) -> int:
        objective = info.data.get("objective", "reinforce")  # it is missing where it was refused itself
        if number == 1 and objective != "reinforce":
            message = "{objective} measures answers to a prompt against each other: take 2 or more, or reinforce"
            raise PydanticCustomError("too_few_answers", message, {"objective": objective})
        return number
