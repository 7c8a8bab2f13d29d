"""The trials of a study, and which is the best."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Generic

from llm_brain.optimize.models import Hyperparameters, Parameters, Result, TaskReflection, TaskRun


@dataclass
class Trial(Generic[Parameters, Result, Hyperparameters]):
    """One trial of a study.

    Attributes:
        number: From 0, the default's.
        proposer: Who proposed it: "default", "tpe" or "model".
        run: What was run and what came out; its score is None while it has not finished, and after a failure.
        reflection: What the model learned from it; None where it gave no usable reflection.
        finished: Whether the run has ended, well or not.

    Example:
        >>> Trial.__dataclass_fields__["finished"].default
        False
    """

    number: int
    proposer: str
    run: TaskRun[Parameters, Result, Hyperparameters]
    reflection: TaskReflection | None = None
    finished: bool = False


@dataclass
class Study(Generic[Parameters, Result, Hyperparameters]):
    """The trials of a study, oldest first.

    Example:
        >>> Study(trials=[]).best is None
        True
    """

    trials: list[Trial[Parameters, Result, Hyperparameters]] = field(default_factory=list)

    @property
    def best(self) -> Trial[Parameters, Result, Hyperparameters] | None:
        """The trial with the best score; the earliest of equals, so the default unless something beat it."""
        scored = [trial for trial in self.trials if trial.run.score is not None]
        return max(scored, key=_score, default=None)


def _score(trial: Trial[Parameters, Result, Hyperparameters]) -> float:
    return -math.inf if trial.run.score is None else trial.run.score
