"""What a brain is to be taught, and what came of it: the two ends of `loop.train`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from llm_brain.brain.model import Brain
from llm_brain.training.data import Pair
from llm_brain.training.feedback import Evaluate

Validate = Callable[[Sequence[tuple[str, int]]], float]


@dataclass(frozen=True)
class Lesson:
    """What a brain is to be taught, and by whom.

    Attributes:
        pairs: Inputs with the teacher's answers.
        prompts: Inputs whose answers by the brain are evaluated in training.
        held_out: Inputs whose answers by the brain are scored at validation; they must not be among the pairs.
        evaluate: Scores an answer (an option's index) to a prompt between 0 and 1. Called in the background.
        validate: Scores all answers to the held-out inputs between 0 and 1.

    Example:
        >>> Lesson([], [], [], evaluate=lambda prompt, answer: 1.0, validate=lambda answers: 1.0).pairs
        []
    """

    pairs: Sequence[Pair]
    prompts: Sequence[str]
    held_out: Sequence[str]
    evaluate: Evaluate
    validate: Validate


@dataclass
class TrainingResult:
    """What came of a training.

    Attributes:
        brain: With the best weights.
        score: Their validation score.
        history: Metrics of each epoch.
        resumed_epochs: How many epochs were taken over from an earlier, interrupted run.

    Example:
        >>> TrainingResult.__dataclass_fields__["score"].type
        'float'
    """

    brain: Brain
    score: float
    history: list[dict[str, float]] = field(default_factory=list)
    resumed_epochs: int = 0
